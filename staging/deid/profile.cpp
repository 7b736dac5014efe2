#include "staging/deid/profile.h"

#include <algorithm>
#include <set>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/files.h"
#include "staging/deid/anatomy.h"
#include "staging/deid/direct.h"
#include "staging/deid/words.h"

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

void read_sources(const core::Config& table, ColumnRule& rule) {
    for (const std::string& from : table.words("from")) rule.sources.push_back({from, ""});
    if (table.has("born") || table.has("until")) {
        if (!std::holds_alternative<AgeBand>(rule.transform))
            table.refuse("until", "only an age (transform = \"bucket\") comes of two dates");
        const auto births = table.words("born"), ends = table.words("until");
        if (births.empty())
            table.refuse("born", "missing; the birth date, or a list of places where it stands");
        if (ends.empty()) table.refuse("until", "missing; the date of the age, or a list of them");
        for (const std::string& born : births)
            for (const std::string& until : ends) rule.sources.push_back({born, until});
    }
    if (rule.sources.empty())
        table.refuse("from", "missing; expected an attribute, or a list of them in order");
}

void read_keep(const core::Config& table, ColumnRule& rule) {
    if (table.has("values")) {
        Codes codes;
        rule.categories = table.texts("values");
        need_categories(table, "values", rule.categories);
        for (const std::string& name : rule.categories) codes.codes[folded(name)] = name;
        rule.transform = codes;
    } else if (is_first(table, "type", "", "integer", "number")) {
        Integer integer;
        read_bounds(table, integer.min, integer.max);
        rule.type = core::ColumnType::i64;
        rule.transform = integer;
    } else {
        Number number;
        read_bounds(table, number.min, number.max);
        rule.type = core::ColumnType::f64;
        rule.transform = number;
    }
}

void read_codes(const core::Config& table, ColumnRule& rule) {
    Codes codes;
    codes.from_dataset = !table.has("codes");
    rule.transform = codes;
    if (!codes.from_dataset) read_map(table, rule);
}

void read_bucket(const core::Config& table, ColumnRule& rule) {
    AgeBand band{table.integer("width"), table.integer_or("pool_above", 89)};
    if (band.width < 1 || band.width > 100) table.refuse("width", "expected 1 to 100 years");
    if (band.pool_above < 1 || band.pool_above > 89)
        table.refuse("pool_above", "ages above 89 identify: expected 1 to 89");
    rule.categories = bands(band.width, band.pool_above);
    rule.transform = band;
}

void read_shift(const core::Config&, ColumnRule& rule) {
    rule.type = core::ColumnType::i64;
    rule.transform = ShiftDate{};
}

void read_pseudonymise(const core::Config& table, ColumnRule& rule) {
    rule.type = core::ColumnType::id16;
    rule.transform = Pseudonymise{table.text("kind")};
    if (!is_name(table.text("kind"))) table.refuse("kind", "small letters, digits and _ only");
}

void read_delivery(const core::Config&, ColumnRule& rule) {
    rule.transform = DeliveryName{};  // its categories are the dataset's sites
}

// The one list of transforms' names.
struct NamedTransform {
    const char* name;
    void (*read)(const core::Config& table, ColumnRule& rule);
};
constexpr NamedTransform kTransforms[] = {{"keep", read_keep},
                                          {"map", read_codes},
                                          {"bucket", read_bucket},
                                          {"shift", read_shift},
                                          {"pseudonymise", read_pseudonymise},
                                          {"delivery", read_delivery}};

void read_missing(const core::Config& table, ColumnRule& rule) {
    rule.bad_is_missing = !is_first(table, "bad", "quarantine", "quarantine", "missing");
    if (table.has("missing")) {
        if (rule.type == core::ColumnType::category) {
            rule.missing = core::Cell(*read_category(table, "missing", rule));
        } else {
            const char* const word = rule.type == core::ColumnType::f64 ? "nan" : "none";
            if (table.text("missing") != word)
                table.refuse("missing", std::string("expected \"") + word + "\"");
            rule.missing = core::Cell();
        }
    } else if (rule.bad_is_missing) {
        table.refuse("bad", "needs `missing`, which says what stands for it");
    }
    if (auto* codes = std::get_if<Codes>(&rule.transform))
        codes->unknown = read_category(table, "unknown", rule);
}

ColumnRule read_column(const core::Config& table, const Format& source) {
    ColumnRule rule;
    rule.name = table.text("name");
    if (!is_name(rule.name)) table.refuse("name", "small letters, digits and _ only");
    for (const char* reserved : {"patient", "split"})
        if (rule.name == reserved)
            table.refuse("name", "every dataset has this column already; take another name");
    rule.value = static_cast<int>(table.integer_or("value", -1));
    const std::string transform = table.text("transform");
    const auto* named = std::find_if(std::begin(kTransforms), std::end(kTransforms),
                                     [&](const NamedTransform& one) { return one.name == transform; });
    if (named == std::end(kTransforms)) {
        std::vector<std::string> names;
        for (const NamedTransform& one : kTransforms) names.emplace_back(one.name);
        const auto near = core::nearest(transform, names);
        table.refuse("transform", "no such transform" + (near ? "; did you mean \"" + *near + "\"?" : ""));
    }
    named->read(table, rule);
    if (!std::holds_alternative<DeliveryName>(rule.transform)) {
        read_sources(table, rule);
        read_missing(table, rule);
    }
    if (source.name != "dicom") return rule;
    for (const Source& one : rule.sources)
        for (const std::string& path : {one.from, one.until})
            if (const std::string why = refusal(rule, path); !why.empty()) table.refuse("from", why);
    return rule;
}

std::set<Option> read_options(const core::Config& table) {
    std::set<Option> out;
    std::vector<std::string> names;
    for (const OptionName& one : option_names()) names.emplace_back(one.name);
    for (const std::string& name : table.texts("options")) {
        const auto found = std::find(names.begin(), names.end(), name);
        if (found == names.end()) {
            const auto near = core::nearest(name, names);
            table.refuse("options", "no option of PS3.15 that can be declared" +
                                        (near ? "; did you mean \"" + *near + "\"?" : std::string()));
        }
        if (!out.insert(option_names()[static_cast<std::size_t>(found - names.begin())].option).second)
            table.refuse("options", "\"" + name + "\" stands twice");
    }
    return out;
}

// A profile without the section declares none: the Basic Profile alone. All that is missing is told at once.
void check_confidentiality(const core::Config& file, const std::vector<ColumnRule>& columns) {
    const core::Config table = file.table("confidentiality");
    const std::set<Option> declared = file.has("confidentiality") ? read_options(table) : std::set<Option>();
    std::map<Option, std::string> missing;
    for (const ColumnRule& rule : columns)
        for (const auto& [option, path] : used_options(rule)) {
            if (declared.contains(option)) continue;
            std::string& who = missing[option];
            who += (who.empty() ? "" : ", ") + rule.name;
            if (!path.empty()) who += " from " + path;
        }
    if (missing.empty()) return;
    std::string text;
    for (const auto& [option, who] : missing) {
        const OptionName& name = name_of(option);
        text += "; \"" + std::string(name.name) + "\" (" + std::string(name.code) + ": " + who + ")";
    }
    table.refuse(
        "options",
        "the Basic Profile of PS3.15 does not keep what these columns tell; take them out, or declare" +
            text.substr(1));
}

const Format* read_source(const core::Config& file) {
    const std::string name = file.text("source");
    const Format* found = find_format(name);
    if (found && !found->is_for_masks) return found;
    std::vector<std::string> names;
    for (const Format& format : formats())
        if (!format.is_for_masks) names.emplace_back(format.name);
    std::string all;
    for (const std::string& one : names) all += (all.empty() ? "" : ", ") + one;
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
        rule.pixels = is_first(table, "from", "", "pixels", "masks");
        rule.masks = !rule.pixels;
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
    rule.issuer = table.text_or("issuer", "");
    rule.kind = table.text("kind");
    if (rule.kind.empty() || rule.kind.size() > 32 ||
        rule.kind.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") != std::string::npos)
        table.refuse("kind", "small letters, digits and - only");
    rule.is_national_id = rule.kind == "national-id";
    rule.everywhere = rule.is_national_id || is_first(table, "scope", "delivery", "everywhere", "delivery");
    if (rule.is_national_id)
        rule.quarantine_other_form = is_first(table, "other_form", "quarantine", "quarantine", "next");
    return rule;
}

void read_sop_classes(const core::Config& table, PixelPolicy& policy) {
    for (const std::string& name : table.texts("sop_classes")) {
        const SopClass* row = find_sop_class(name);
        if (row && row->shows == Shows::no_image)
            table.refuse("sop_classes", "\"" + name + "\" holds no image");
        if (row) {
            policy.sop_classes.push_back(row);
        } else if (name.find_first_not_of("0123456789.") == std::string::npos && name.size() <= 64) {
            policy.other_sop_classes.push_back(name);
        } else {
            std::vector<std::string> names;
            for (const SopClass& one : sop_classes()) names.emplace_back(one.name);
            const auto near = core::nearest(name, names);
            table.refuse("sop_classes", "no such storage class: \"" + name + "\"" +
                                            (near ? "; did you mean \"" + *near + "\"?" : ""));
        }
    }
    if (policy.sop_classes.empty() && policy.other_sop_classes.empty())
        table.refuse("sop_classes",
                     "missing; expected the storage classes that may pass, by PS3.6's keywords");
}

void read_body_parts(const core::Config& table, PixelPolicy& policy) {
    std::vector<std::string> terms;
    for (const BodyPart& part : body_parts()) terms.emplace_back(part.term);
    const auto check = [&](std::string_view key, const core::Config& in, const std::string& term) {
        if (std::find(terms.begin(), terms.end(), term) != terms.end()) return;
        const auto near = core::nearest(term, terms);
        in.refuse(key, "\"" + term + "\" is no term for a part that shows no face" +
                           (near ? "; did you mean \"" + *near + "\"?" : ""));
    };
    policy.body_parts = table.texts("body_parts");
    for (const std::string& term : policy.body_parts) check("body_parts", table, term);
    const core::Config spellings = table.table("spellings");
    for (const std::string& word : spellings.keys()) {
        check(word, spellings, spellings.text(word));
        policy.spellings[evened(word)] = spellings.text(word);
    }
}

TextPolicy read_text(const core::Config& table) {
    const std::string word = table.text_or("text", text_policy_name(TextPolicy::quarantine));
    for (const TextPolicy one : {TextPolicy::quarantine, TextPolicy::blank, TextPolicy::allow})
        if (word == text_policy_name(one)) return one;
    table.refuse("text", "expected \"quarantine\", \"blank\" or \"allow\"");
}

void read_faces(const core::Config& table, PixelPolicy& policy) {
    const std::string word = table.text_or("faces", face_policy_name(FacePolicy::quarantine));
    bool known = false;
    for (const FacePolicy one : {FacePolicy::quarantine, FacePolicy::deface, FacePolicy::allow})
        if (word == face_policy_name(one)) policy.faces = one, known = true;
    if (!known) table.refuse("faces", "expected \"quarantine\", \"deface\" or \"allow\"");
    const core::Config in = table.table("face_template");
    if (policy.faces != FacePolicy::deface && in.keys().empty()) return;
    policy.face_template = {in.text("head"), in.text("head_sha256"), in.text("brain"),
                            in.text("brain_sha256")};
    for (const char* key : {"head_sha256", "brain_sha256"})
        if (const std::string digest = in.text(key);
            digest.size() != 64 || digest.find_first_not_of("0123456789abcdef") != std::string::npos)
            in.refuse(key, "expected a SHA-256 of 64 hexadecimal digits");
}

PixelPolicy read_pixels(const core::Config& table, bool by_class) {
    PixelPolicy policy;
    policy.text = read_text(table);
    policy.by_class = by_class;
    if (!by_class) {
        read_faces(table, policy);
        policy.allow_unknown_anatomy = !quarantines(table, "unknown_anatomy");
        return policy;
    }
    read_sop_classes(table, policy);
    read_body_parts(table, policy);
    read_faces(table, policy);
    policy.allow_unknown_anatomy = !quarantines(table, "unknown_anatomy");
    policy.allow_ultrasound = !quarantines(table, "ultrasound");
    policy.allow_secondary_capture = !quarantines(table, "secondary_capture");
    policy.allow_conversion_type = !quarantines(table, "conversion_type");
    policy.allow_screen = !quarantines(table, "screen");
    policy.allow_other_modality = !quarantines(table, "other_modality");
    policy.need_burned_in_no = is_first(table, "burned_in_annotation", "not-yes", "no", "not-yes");
    return policy;
}

}  // namespace

std::string_view text_policy_name(TextPolicy policy) noexcept {
    return policy == TextPolicy::quarantine ? "quarantine" : policy == TextPolicy::blank ? "blank" : "allow";
}

std::string_view face_policy_name(FacePolicy policy) noexcept {
    return policy == FacePolicy::quarantine ? "quarantine"
           : policy == FacePolicy::deface   ? "deface"
                                            : "allow";
}

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
    auto& map = std::get<Codes>(rule.transform);
    const std::vector<std::string> added(rule.categories);  // what stands for missing and unknown: at the end
    rule.categories = table.texts("categories");
    need_categories(table, "categories", rule.categories);
    const core::Config codes = table.table("codes");
    for (const std::string& code : codes.keys()) {
        const std::string category = codes.text(code);
        if (std::find(rule.categories.begin(), rule.categories.end(), category) == rule.categories.end()) {
            const auto near = core::nearest(category, rule.categories);
            codes.refuse(code, "not one of `categories`" + (near ? "; did you mean \"" + *near + "\"?" : ""));
        }
        if (!map.codes.emplace(folded(code), category).second)
            codes.refuse(code, "stands twice (case does not count)");
    }
    if (map.codes.empty()) table.refuse("codes", "missing; expected CODE = \"category\"");
    for (const std::string& name : added)
        if (std::find(rule.categories.begin(), rule.categories.end(), name) == rule.categories.end())
            rule.categories.push_back(name);
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

    for (const core::Config& table : file.tables("patient")) profile.patient.push_back(read_patient(table));
    // A table of labels may name studies alone.
    if (profile.patient.empty() && !profile.source->is_table)
        file.refuse("patient", "missing; without it no sample belongs to anybody");

    const core::Config dates = file.table("dates");
    profile.max_shift_days = dates.integer("max_shift_days");
    if (profile.max_shift_days < 30 || profile.max_shift_days > 36500)
        dates.refuse("max_shift_days", "expected 30 to 36500");

    if (!profile.source->is_table)
        profile.pixels = read_pixels(file.table("pixels"), profile.source->name == "dicom");
    profile.risk = read_risk(file.table("risk"));

    for (const core::Config& table : file.tables("fields"))
        profile.fields.push_back(read_field(table, *profile.source));
    std::set<std::string> names;
    for (const core::Config& table : file.tables("columns")) {
        profile.columns.push_back(read_column(table, *profile.source));
        if (!names.insert(profile.columns.back().name).second) table.refuse("name", "stands twice");
    }
    if (profile.source->name == "dicom") check_confidentiality(file, profile.columns);
    file.finish();
    return profile;
}

}  // namespace staging
