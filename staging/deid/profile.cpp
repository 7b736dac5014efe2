#include "staging/deid/profile.h"

#include <algorithm>
#include <set>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/files.h"

namespace staging {
namespace {

bool is_name(std::string_view name) {
    const auto letter = [](char c) { return c >= 'a' && c <= 'z'; };
    const auto rest = [&](char c) { return letter(c) || (c >= '0' && c <= '9') || c == '_'; };
    return !name.empty() && name.size() <= 63 && letter(name[0]) &&
           std::all_of(name.begin(), name.end(), rest);
}

// One of two words.
bool is_first(const core::Config& table, std::string_view key, std::string_view otherwise,
              std::string_view first, std::string_view second) {
    const std::string word = table.text_or(key, otherwise);
    if (word != first && word != second)
        table.refuse(key, "expected \"" + std::string(first) + "\" or \"" + std::string(second) + "\"");
    return word == first;
}

bool quarantines(const core::Config& table, std::string_view key) {
    return is_first(table, key, "quarantine", "quarantine", "allow");
}

void read_bounds(const core::Config& table, double& min, double& max) {
    min = table.number("min");
    max = table.number("max");
    if (!(min <= max)) table.refuse("max", "less than min");
}

void need_categories(const core::Config& table, std::string_view key, const std::vector<std::string>& names) {
    if (names.empty()) table.refuse(key, "missing; expected a list of texts");
    if (std::set<std::string>(names.begin(), names.end()).size() != names.size())
        table.refuse(key, "repeats itself");
}

// The category that `key` names: one of the rule's, added at the end if it is none of them.
std::optional<std::string> read_category(const core::Config& table, std::string_view key, ColumnRule& rule) {
    if (!table.has(key)) return std::nullopt;
    const std::string name = table.text(key);
    if (std::find(rule.categories.begin(), rule.categories.end(), name) == rule.categories.end())
        rule.categories.push_back(name);
    return name;
}

std::vector<std::string> bands(std::int64_t width, std::int64_t pool_above) {
    std::vector<std::string> names;
    for (std::int64_t from = 0; from <= pool_above; from += width)
        names.push_back(std::to_string(from) + "-" + std::to_string(std::min(from + width - 1, pool_above)));
    names.push_back(std::to_string(pool_above + 1) + "+");
    return names;
}

ColumnRule read_column(const core::Config& table) {
    ColumnRule rule;
    rule.name = table.text("name");
    if (!is_name(rule.name)) table.refuse("name", "small letters, digits and _ only");
    for (const char* reserved : {"patient", "site", "split"})
        if (rule.name == reserved)
            table.refuse("name", "every dataset has this column already; take another name");
    rule.from = table.text("from");
    rule.value = static_cast<int>(table.integer_or("value", -1));
    const std::string transform = table.text("transform");
    if (transform == "keep") {
        rule.transform = Transform::keep;
        if (table.has("values")) {
            rule.categories = table.texts("values");
            need_categories(table, "values", rule.categories);
            for (const std::string& name : rule.categories) rule.codes[folded(name)] = name;
        } else {
            const bool integer = is_first(table, "type", "", "integer", "number");
            rule.type = integer ? core::ColumnType::i64 : core::ColumnType::f64;
            read_bounds(table, rule.min, rule.max);
        }
    } else if (transform == "map") {
        rule.transform = Transform::map;
        rule.codes_from_dataset = !table.has("codes");
        if (!rule.codes_from_dataset) read_map(table, rule);
    } else if (transform == "bucket") {
        rule.transform = Transform::bucket;
        rule.until = table.text_or("until", "");
        rule.width = table.integer("width");
        rule.pool_above = table.integer_or("pool_above", 89);
        if (rule.width < 1 || rule.width > 100) table.refuse("width", "expected 1 to 100 years");
        if (rule.pool_above < 1 || rule.pool_above > 89)
            table.refuse("pool_above", "ages above 89 identify: expected 1 to 89");
        rule.categories = bands(rule.width, rule.pool_above);
    } else if (transform == "shift") {
        rule.transform = Transform::shift;
        rule.type = core::ColumnType::i64;
    } else if (transform == "pseudonymise") {
        rule.transform = Transform::pseudonymise;
        rule.type = core::ColumnType::id16;
        rule.kind = table.text("kind");
        if (!is_name(rule.kind)) table.refuse("kind", "small letters, digits and _ only");
    } else {
        const auto near = core::nearest(transform, {"keep", "map", "bucket", "shift", "pseudonymise"});
        table.refuse("transform", "no such transform" + (near ? "; did you mean \"" + *near + "\"?" : ""));
    }
    rule.optional = table.has("missing");
    if (rule.type == core::ColumnType::category) {
        rule.missing = read_category(table, "missing", rule);
        if (rule.transform == Transform::map) rule.unknown = read_category(table, "unknown", rule);
    } else if (rule.optional) {
        if (rule.type != core::ColumnType::f64 || table.text("missing") != "nan")
            table.refuse("missing", "a number of type \"number\" can be \"nan\"; others must be there");
    }
    return rule;
}

const Format* read_source(const core::Config& file) {
    const std::string name = file.text("source");
    const Format* found = find_format(name);
    if (found) return found;
    std::vector<std::string> names;
    std::string all;
    for (const Format& format : formats()) {
        names.emplace_back(format.name);
        all += (all.empty() ? "" : ", ") + std::string(format.name);
    }
    const auto near = core::nearest(name, names);
    file.refuse("source",
                "no such format" + (near ? "; did you mean \"" + *near + "\"?" : "; there are: " + all));
}

FieldRule read_field(const core::Config& table, const Format& source) {
    FieldRule rule;
    rule.name = table.text("name");
    if (!is_name(rule.name)) table.refuse("name", "small letters, digits and _ only");
    if (table.text("transform") != "keep")
        table.refuse("transform", "a field is kept or not there: \"keep\"");
    if (!source.is_table) {
        if (table.text("from") != "pixels") table.refuse("from", "expected \"pixels\"");
        rule.pixels = true;
    } else {
        rule.from = table.texts("from");
        if (rule.from.empty()) table.refuse("from", "missing; expected a list of columns");
        read_bounds(table, rule.min, rule.max);
    }
    return rule;
}

PatientRule read_patient(const core::Config& table) {
    PatientRule rule;
    rule.from = table.text("from");
    rule.national_id = is_first(table, "kind", "", "national-id", "record-number");
    if (rule.national_id)
        rule.quarantine_other_form = is_first(table, "other_form", "quarantine", "quarantine", "next");
    return rule;
}

}  // namespace

std::string folded(std::string_view code) {
    const auto padding = [](char c) { return c == ' ' || c == '\0'; };
    while (!code.empty() && padding(code.back())) code.remove_suffix(1);
    while (!code.empty() && padding(code.front())) code.remove_prefix(1);
    std::string out(code);
    for (char& c : out)
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
    return out;
}

void read_map(const core::Config& table, ColumnRule& rule) {
    rule.categories = table.texts("categories");
    need_categories(table, "categories", rule.categories);
    const core::Config codes = table.table("codes");
    for (const std::string& code : codes.keys()) {
        const std::string category = codes.text(code);
        if (std::find(rule.categories.begin(), rule.categories.end(), category) == rule.categories.end()) {
            const auto near = core::nearest(category, rule.categories);
            codes.refuse(code, "not one of `categories`" + (near ? "; did you mean \"" + *near + "\"?" : ""));
        }
        if (!rule.codes.emplace(folded(code), category).second)
            codes.refuse(code, "stands twice (case does not count)");
    }
    if (rule.codes.empty()) table.refuse("codes", "missing; expected CODE = \"category\"");
}

Profile Profile::load(const std::filesystem::path& path) {
    try {
        return parse(core::read_text(path, 1 << 20), path.string());
    } catch (const core::Error& e) {
        throw core::Error(core::Fault::usage, e.what());
    }
}

Profile Profile::parse(std::string_view toml, const std::string& name) {
    const core::Config file = core::Config::parse(toml, name);
    Profile profile;
    profile.sha256 = core::to_hex(core::sha256(core::view(toml)));
    profile.name = file.text("name");
    profile.version = file.integer("version");
    profile.source = read_source(file);
    profile.methods = file.texts("methods");

    for (const core::Config& table : file.tables("patient")) profile.patient.push_back(read_patient(table));
    if (profile.patient.empty()) file.refuse("patient", "missing; without it no sample belongs to anybody");

    const core::Config dates = file.table("dates");
    profile.max_shift_days = dates.integer("max_shift_days");
    if (profile.max_shift_days < 30 || profile.max_shift_days > 36500)
        dates.refuse("max_shift_days", "expected 30 to 36500");

    if (!profile.source->is_table) {
        const core::Config pixels = file.table("pixels");
        profile.pixels.allow_ultrasound = !quarantines(pixels, "ultrasound");
        profile.pixels.allow_secondary_capture = !quarantines(pixels, "secondary_capture");
        profile.pixels.allow_faces = !quarantines(pixels, "faces");
        profile.pixels.allow_unknown_anatomy = !quarantines(pixels, "unknown_anatomy");
    }
    const core::Config risk = file.table("risk");
    profile.risk.quasi_identifiers = risk.texts("quasi_identifiers");
    profile.risk.k = risk.integer("k");
    if (profile.risk.k < 1) risk.refuse("k", "expected 1 or more");
    profile.risk.sensitive = risk.text_or("sensitive", "");
    profile.risk.l = risk.integer_or("l", 0);
    profile.risk.t = risk.number_or("t", 0);
    if (profile.risk.l < 0) risk.refuse("l", "expected 2 or more");
    if (profile.risk.t < 0 || profile.risk.t > 1) risk.refuse("t", "expected a number from 0 to 1");
    if (profile.risk.sensitive.empty() && (profile.risk.l || profile.risk.t > 0))
        risk.refuse("sensitive", "l and t are measured over a column: name it");
    profile.risk.suppress = is_first(risk, "below", "report", "suppress", "report");

    for (const core::Config& table : file.tables("fields"))
        profile.fields.push_back(read_field(table, *profile.source));
    std::set<std::string> names;
    for (const core::Config& table : file.tables("columns")) {
        profile.columns.push_back(read_column(table));
        if (!names.insert(profile.columns.back().name).second) table.refuse("name", "stands twice");
    }
    file.finish();
    return profile;
}

}  // namespace staging
