#include "staging/deid/direct.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <span>

#include "staging/deid/cases.h"
#include "staging/read/wanted.h"

namespace staging {
namespace {

// The options under which table E.1-1 lets an attribute stay; `uids`, `graphics` and `structured` name those that nobody can
// declare. "_cleaned": not as it is, so that a text has no way in.
enum : unsigned {
    none = 0,
    dates = 1,
    characteristics = 2,
    device = 4,
    institution = 8,
    uids = 16,
    descriptors = 32,
    graphics = 64,
    structured = 128,
    characteristics_cleaned = 256,
    device_cleaned = 512,
};
struct Row {
    Tag tag;
    unsigned options;
};
constexpr Row kRows[] = {
#include "ps315.inc"
};
// What the table does not name, and tells as much.
constexpr Row kOurs[] = {
    {0x00080070, device},           // Manufacturer
    {0x00081090, device},           // ManufacturerModelName
    {0x00100033, none},             // PatientBirthDateInAlternativeCalendar
    {0x00100034, none},             // PatientDeathDateInAlternativeCalendar
    {0x00101022, characteristics},  // PatientBodyMassIndex
    {0x00102201, none},             // PatientSpeciesDescription
    {0x00102292, none},             // PatientBreedDescription
    {0x00181003, device},           // DeviceID
    {0x00181020, device},           // SoftwareVersions
    {0x0040A160, descriptors},      // TextValue
    {0x00620020, none},             // TrackingID
    {0x00700081, descriptors},      // ContentDescription
};
constexpr auto kByTag = [](const Row& a, const Row& b) { return a.tag < b.tag; };
static_assert(std::is_sorted(std::begin(kRows), std::end(kRows), kByTag));
static_assert(std::is_sorted(std::begin(kOurs), std::end(kOurs), kByTag));

const Row* find_row(Tag tag) {
    for (const std::span<const Row> rows : {std::span<const Row>(kRows), std::span<const Row>(kOurs)}) {
        const auto found = std::lower_bound(rows.begin(), rows.end(), Row{tag, none}, kByTag);
        if (found != rows.end() && found->tag == tag) return &*found;
    }
    return nullptr;
}

constexpr OptionName kOptions[] = {
    {Option::modified_dates, "retain-modified-dates", "113107",
     "Retain Longitudinal Temporal Information Modified Dates Option"},
    {Option::characteristics, "retain-patient-characteristics", "113108",
     "Retain Patient Characteristics Option"},
    {Option::device, "retain-device-identity", "113109", "Retain Device Identity Option"},
    {Option::institution, "retain-institution-identity", "113112", "Retain Institution Identity Option"},
    {Option::descriptors, "clean-descriptors", "113105", "Clean Descriptors Option"},
    {Option::safe_private, "retain-safe-private", "113111", "Retain Safe Private Option"},
};

template <class T>
bool is(const ColumnRule& rule) {
    return std::holds_alternative<T>(rule.transform);
}

// "(gggg,xxee) CREATOR" (wanted.h): what it holds is known to nobody but the profile's author.
bool is_private(std::string_view path) {
    return path.substr(0, 1) == "(" && path.substr(5, 3) == ",xx";
}

bool is_date(Vr vr) {
    return vr == Vr{'D', 'A'} || vr == Vr{'T', 'M'} || vr == Vr{'D', 'T'};
}

// What an attribute of the table is. An item of a sequence is what the sequence is.
enum class Kind {
    birth,
    date,
    uid,
    text,
    sequence_of_codes,
    characteristic,
    device,
    institution,
    identifier
};
Kind kind_of(const Row& row, Vr vr, bool is_sequence) {
    if (row.options & dates) return Kind::date;
    if (!is_sequence && is_date(vr))
        return Kind::birth;  // birth, death: no option lets them stay, but an age is of them
    if ((row.options & uids) || (!is_sequence && vr == Vr{'U', 'I'})) return Kind::uid;
    if (is_sequence && (row.options & descriptors)) return Kind::sequence_of_codes;
    if (row.options & (descriptors | graphics | structured | characteristics_cleaned | device_cleaned))
        return Kind::text;
    if (row.options & characteristics) return Kind::characteristic;
    if (row.options & device) return Kind::device;
    if (row.options & institution) return Kind::institution;
    return Kind::identifier;
}

// The option without which `rule` may not take what is of `kind`; nothing where none is needed.
std::optional<Option> needed(Kind kind, const ColumnRule& rule) {
    switch (kind) {
        case Kind::birth:
            return Option::characteristics;
        case Kind::date:
            return is<AgeBand>(rule) ? Option::characteristics : Option::modified_dates;
        case Kind::sequence_of_codes:
            if (!is<Pseudonymise>(rule)) return Option::descriptors;
            break;
        case Kind::characteristic:
            return Option::characteristics;
        case Kind::device:
            return Option::device;
        case Kind::institution:
            return Option::institution;
        case Kind::uid:
        case Kind::text:
        case Kind::identifier:
            break;
    }
    return std::nullopt;
}

// Whether any option allows it, and what would do.
std::string never(Kind kind, const ColumnRule& rule) {
    switch (kind) {
        case Kind::birth:
            if (is<AgeBand>(rule)) return {};
            return " as a date or time of a person: only an age may come of it";
        case Kind::date:
            if (is<ShiftDate>(rule) || is<AgeBand>(rule)) return {};
            return " as a date or time: only \"shift\" or an age may take it";
        case Kind::uid:
            if (is<Pseudonymise>(rule)) return {};
            return " as a UID: only \"pseudonymise\" may take it";
        case Kind::text:
            return " as free text: it has no way in";
        case Kind::sequence_of_codes:
            if (is<Codes>(rule) || is<Pseudonymise>(rule)) return {};
            return " as a descriptor: only listed codes or a pseudonym may come of it";
        case Kind::institution:
            if (is<Codes>(rule) || is<Pseudonymise>(rule)) return {};
            return ": only a listed code or a pseudonym may come of it";
        case Kind::characteristic:
        case Kind::device:
            if (is<Number>(rule) || is<Integer>(rule) || is<Codes>(rule) || is<AgeBand>(rule) ||
                is<Pseudonymise>(rule))
                return {};
            return ": only a code, a number within bounds or a pseudonym may come of it";
        case Kind::identifier:
            if (is<Pseudonymise>(rule)) return {};
            return " as an identifier: only \"pseudonymise\" may take it";
    }
    return {};
}

// What a step of a path is in the table.
std::vector<Kind> look_up(const std::string& path) {
    std::vector<Kind> out;
    const Wanted wanted = Wanted::attributes({path});
    const Attribute& attribute = wanted.attributes().front();
    for (const Step& step : attribute.steps)
        if (const Row* row = find_row(step.tag))
            out.push_back(kind_of(*row, attribute.vr, &step != &attribute.steps.back()));
    return out;
}

bool is_attribute(const std::string& path) {
    return !path.empty() && !path.starts_with("path:");
}

// What a rule of any format makes use of by its transform alone.
std::optional<Option> used_by_transform(const ColumnRule& rule) {
    if (is<ShiftDate>(rule)) return Option::modified_dates;
    if (is<AgeBand>(rule)) return Option::characteristics;
    if (is<DeliveryName>(rule)) return Option::institution;
    return std::nullopt;
}

// And by what it takes of a DICOM file.
std::set<Option> used_by_source(const ColumnRule& rule, const std::string& path) {
    if (!is_attribute(path)) return {};
    if (is_private(path)) return {Option::safe_private};
    std::set<Option> out;
    for (const Kind kind : look_up(path))
        if (const auto option = needed(kind, rule)) out.insert(*option);
    return out;
}

}  // namespace

std::span<const OptionName> option_names() noexcept {
    return kOptions;
}

const OptionName& name_of(Option option) {
    return *std::find_if(std::begin(kOptions), std::end(kOptions),
                         [&](const OptionName& one) { return one.option == option; });
}

std::string refusal(const ColumnRule& rule, const std::string& path) {
    if (!is_attribute(path) || is_private(path)) return {};
    for (const Kind kind : look_up(path))
        if (const std::string why = never(kind, rule); !why.empty())
            return "PS3.15 table E.1-1 names " + path + why;
    return {};
}

std::map<Option, std::string> used_options(const ColumnRule& rule) {
    std::map<Option, std::string> out;
    for (const Source& source : rule.sources)
        for (const std::string& path : {source.from, source.until})
            for (const Option option : used_by_source(rule, path)) out.emplace(option, path);
    if (const auto option = used_by_transform(rule)) out.emplace(*option, "");
    return out;
}

std::vector<Method> methods_of(const Definition& definition) {
    std::map<Option, std::vector<std::string>> by_option;
    const auto look_at = [&](const ColumnChoice& choice, bool dicom) {
        if (!choice.is_output) return;
        const ColumnRule& rule = choice.rule;
        if (dicom) {
            for (const auto& [option, path] : used_options(rule)) by_option[option].push_back(rule.name);
        } else if (const auto option = used_by_transform(rule)) {
            by_option[*option].push_back(rule.name);
        }
    };
    for (const ColumnChoice& choice : definition.columns)
        look_at(choice, definition.profile.source->name == "dicom");
    if (definition.labels)
        for (const ColumnChoice& choice : definition.labels->table.columns) look_at(choice, false);
    std::vector<Method> out{{"113100", "Basic Application Confidentiality Profile", {}}};
    for (const auto& [option, columns] : by_option)
        out.push_back({std::string(name_of(option).code), std::string(name_of(option).meaning), columns});
    std::sort(out.begin(), out.end(), [](const Method& a, const Method& b) { return a.code < b.code; });
    return out;
}

}  // namespace staging
