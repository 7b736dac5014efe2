#include "trainer/engine/explain.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/base/split.h"
#include "trainer/engine/recipe.h"

namespace trainer {
namespace {

using Json = nlohmann::ordered_json;

// Tables that are not there unless a recipe says so.
constexpr std::string_view kOptional =
    "balance init optimizer.layers patch mixup hold_out study study.sweep augment";

std::string told(const KeyRow& row) {
    return row.unit.empty() ? row.meaning : row.unit + ' ' + row.meaning;
}

// What a recipe has in its place; of a key that has none, what is nothing of its type.
std::string value(const KeyRow& row) {
    using Type = Allowed::Type;
    if (!row.otherwise.is_null()) return row.otherwise.dump();
    const Type type = row.allowed.type;
    return type == Type::text ? "\"\"" : type == Type::number || type == Type::integer ? "0" : "[]";
}

std::string line(const KeyRow& row, bool is_comment) {
    std::string out = (is_comment ? "# " : "") + row.name + " = " + value(row);
    if (out.size() < 28) out.resize(28, ' ');
    out += "  # " + told(row);
    if (const std::string limits = row.allowed.limits(); !limits.empty()) out += "; " + limits;
    if (row.by == "task.name") out += "; " + core::joined(row.of) + " only";
    if (row.counts == Counts::figures) out += " [may change]";
    if (row.counts == Counts::selection) out += " [may change, not under plateau]";
    if (row.counts == Counts::nothing) out += " [no matter]";
    return out + '\n';
}

// How a key is headed where it is told by itself.
std::string head(const KeyRow& row) {
    std::string out = row.path();
    out += row.is_needed ? ", needed" : row.otherwise.is_null() ? "" : " = " + row.otherwise.dump();
    if (!row.of.empty()) out += "  (" + row.by + ": " + core::joined(row.of) + ')';
    return out;
}

}  // namespace

std::string explain_recipe() {
    std::string out =
        "# Every key of a recipe, as `aloft-train recipe --explain` prints it, with its default for a "
        "classification of whole\n"
        "# images: other tasks have a score and a loss of their own, a reproducible run has micro_batches = "
        "4, and evaluate.batch\n"
        "# is at most a micro-batch. A run that is resumed may have another value where [may change] or [no "
        "matter] stands; on\n"
        "# the latter no figure depends but for the order of sums. What is no default is a comment.\n\n";
    std::string table, kind;
    for (const KeyRow& row : recipe_rows()) {
        const bool is_kind = !row.table.empty() && row.by == row.table + ".name";
        const bool is_optional = names(kOptional, row.table);
        const bool is_new_kind = is_kind && row.name == "name";
        if (row.table != table || (row.is_list && is_new_kind)) {
            out += std::string(out.ends_with("\n\n") ? "" : "\n") + (is_optional ? "# [" : "[") +
                   (row.is_list ? "[" : "") + row.table + (row.is_list ? "]]\n" : "]\n");
            if (is_kind) kind = row.of[0];
        } else if (is_new_kind) {
            out += "#\n";
        }
        table = row.table;
        const bool is_of_default_task =
            std::find(row.of.begin(), row.of.end(), TaskOptions().name) != row.of.end();
        const bool is_other = is_kind ? row.of[0] != kind : !row.of.empty() && !is_of_default_task;
        out += line(row, is_optional || is_other);
    }
    return out;
}

std::vector<KeyRow> rows_at(const std::string& path) {
    std::vector<KeyRow> out;
    std::vector<std::string> all;
    for (const KeyRow& row : recipe_rows()) {
        if (row.path() == path || row.table == path || row.table.starts_with(path + '.')) out.push_back(row);
        all.push_back(row.path());
        all.push_back(row.table);
    }
    if (!out.empty()) return out;
    const auto near = core::nearest(path, all);
    throw core::Error(core::Fault::usage, "--explain: there is no such key or table of a recipe" +
                                              (near ? "; did you mean \"" + *near + "\"?" : std::string()));
}

std::string explain(const std::vector<KeyRow>& rows) {
    std::string out;
    for (const KeyRow& row : rows)
        out += head(row) + "\n    " + told(row) + "\n    " + row.allowed.text() + "; " +
               meaning_of(row.counts) + "\n";
    return out;
}

Json to_json(const std::vector<KeyRow>& rows) {
    Json out = Json::array();
    for (const KeyRow& row : rows) {
        Json told = {{"key", row.path()},        {"type", name_of(row.allowed.type)},
                     {"default", row.otherwise}, {"unit", row.unit},
                     {"meaning", row.meaning},   {"counts", name_of(row.counts)},
                     {"needed", row.is_needed},  {"list", row.is_list}};
        if (!row.of.empty()) told["of"] = {{"key", row.by}, {"values", row.of}};
        if (!row.allowed.words.empty()) {
            told["words"] = core::split(row.allowed.words, ' ');
        } else if (!row.allowed.limits().empty()) {
            const auto [least, is_above] = row.allowed.beginning();
            const auto [most, is_below] = row.allowed.end();
            if (least > -kFinite) told[is_above ? "above" : "least"] = least;
            if (most < kFinite) told[is_below ? "below" : "most"] = most;
        }
        out.push_back(std::move(told));
    }
    return out;
}

}  // namespace trainer
