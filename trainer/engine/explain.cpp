#include "trainer/engine/explain.h"

#include <algorithm>

#include "trainer/augment/options.h"
#include "trainer/engine/optimizers.h"
#include "trainer/engine/patch.h"
#include "trainer/engine/schedule.h"

namespace trainer {
namespace {

using Json = nlohmann::ordered_json;

void add_line(std::string& out, std::string_view key, const Json& value, std::string_view meaning,
              bool is_comment) {
    std::string line = (is_comment ? "# " : "") + std::string(key) + " = " + value.dump();
    if (line.size() < 28) line.resize(28, ' ');
    out += line + "  # " + std::string(meaning) + '\n';
}

// The first row is the default.
template <class Rows, class Keys, class Meaning, class Knows>
void add_kinds(std::string& out, const char* table, const Rows& rows, const Keys& keys,
               const Meaning& meaning, const Knows& knows) {
    out += '[' + std::string(table) + "]\n";
    for (const auto& row : rows) {
        const bool is_comment = &row != &rows.front();
        if (is_comment) out += "#\n";
        add_line(out, "name", Json(row.name), meaning(row), is_comment);
        for (const auto& key : keys)
            if (knows(row, key.name))
                add_line(out, key.name, value_of(row.defaults, key), key.meaning, is_comment);
    }
    out += '\n';
}

}  // namespace

std::string explain_recipe() {
    std::string out;
    add_kinds(
        out, "optimizer", optimizers(), optimizer_keys(), [](const OptimizerKind& row) { return row.source; },
        knows);
    add_kinds(
        out, "schedule", schedules(), schedule_keys(), [](const ScheduleKind& row) { return row.meaning; },
        [](const ScheduleKind& row, std::string_view key) {
            return std::find(row.keys.begin(), row.keys.end(), key) != row.keys.end();
        });
    out += "# [patch]\n";
    add_line(out, "size", Json::array(),
             "whole samples; extents of a part of them, slowest axis first: masks of any size", true);
    static const PatchOptions kPatch;
    for (const auto& key : patch_keys()) add_line(out, key.name, value_of(kPatch, key), key.meaning, true);
    out += '\n';
    for (const AugmentKind& row : augment_kinds()) {
        out += "# [[augment]]\n";
        add_line(out, "name", Json(row.name), row.meaning, true);
        add_line(out, "chance", row.chance,
                 row.draws == AugmentKind::Draws::nothing ? "of each axis, for a sample"
                                                          : "of a sample to be changed",
                 true);
        if (row.draws == AugmentKind::Draws::between)
            add_line(out, "least", row.least, "drawn between this", true);
        if (row.draws == AugmentKind::Draws::between) add_line(out, "most", row.most, "and this", true);
        if (row.draws == AugmentKind::Draws::up_to)
            add_line(out, "most", row.most, "drawn between its negative and this", true);
        if (row.has_axes)
            add_line(out, "axes", Json::array(), "all; of \"x\" (columns), \"y\" (rows), \"z\" (slices)",
                     true);
        if (row.has_spacing)
            add_line(out, "spacing", Json::array(), "all alike; a pixel's sides, slowest axis first", true);
        out += '\n';
    }
    out.pop_back();
    return out;
}

}  // namespace trainer
