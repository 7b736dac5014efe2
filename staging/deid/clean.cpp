#include "staging/deid/clean.h"

#include <algorithm>

#include "core/base/error.h"
#include "staging/deid/cases.h"
#include "staging/deid/date.h"

namespace staging {
namespace {

using Outcome = std::variant<core::Cell, Reason>;

constexpr char kInstance[] = "instance";

// What one source's value becomes, by transform. Sources are there (not absent) and decodable.
struct Apply {
    const ColumnRule& rule;
    const Found& found;
    const Person& person;
    const Source& source;

    const Value& value() const { return **found.value; }
    bool comma() const { return person.delivery.decimal_comma; }

    DateText date(const Value& text, const std::string& attribute) const {
        return read_date(core::view(text.bytes), person.delivery.calendar_of(attribute));
    }

    Outcome operator()(const Codes& map) const {
        const auto code = code_part(value(), rule.value);
        const auto at = code ? map.codes.find(folded(*code)) : map.codes.end();
        if (at != map.codes.end()) return core::Cell(at->second);
        if (map.unknown) return core::Cell(*map.unknown);
        return Reason::unlisted;
    }
    Outcome operator()(const Number& bounds) const {
        const auto real = real_part(value(), rule.value, comma());
        if (!real || !(*real >= bounds.min && *real <= bounds.max)) return Reason::bad_value;
        return core::Cell(*real);
    }
    Outcome operator()(const Integer& bounds) const {
        const auto whole = whole_part(value(), rule.value, comma());
        if (!whole || static_cast<double>(*whole) < bounds.min || static_cast<double>(*whole) > bounds.max)
            return Reason::bad_value;
        return core::Cell(*whole);
    }
    Outcome operator()(const AgeBand& band) const {
        std::optional<std::int64_t> years;
        if (source.until.empty()) {
            years = is_binary(value()) ? whole_part(value(), rule.value, false)
                                       : parse_age(core::view(value().bytes));
        } else {
            const DateText birth = date(value(), source.from), at = date(**found.until, source.until);
            if (birth.ambiguous || at.ambiguous) return Reason::ambiguous_date;
            if (birth.day && at.day) years = years_between(*birth.day, *at.day);
        }
        if (!years || *years < 0 || *years > 150) return Reason::bad_value;
        const auto index = *years > band.pool_above ? band.pool_above / band.width + 1 : *years / band.width;
        return core::Cell(rule.categories[static_cast<std::size_t>(index)]);
    }
    Outcome operator()(const ShiftDate&) const {
        const DateText text = date(value(), source.from);
        if (text.ambiguous) return Reason::ambiguous_date;
        if (!text.day) return Reason::bad_value;
        return core::Cell(*text.day + person.pseudonyms.shift_days(person.patient, person.max_shift_days));
    }
    Outcome operator()(const Pseudonymise& to) const {
        if (is_binary(value())) return Reason::bad_value;
        const std::string text = person.delivery.normal(to.kind, core::view(value().bytes));
        if (value().vr == Vr{'U', 'I'} && !is_uid(text)) return Reason::bad_uid;
        if (text.empty()) return Reason::bad_value;
        return core::Cell(person.pseudonyms.of("column:" + to.kind, {}, core::view(text)));
    }
    Outcome operator()(const DeliveryName&) const { return core::Cell(person.delivery.name); }
};

// The keyed digest of a UID; zero if it is absent.
std::variant<core::Id16, Rejection> uid_digest(const Definition& definition, const Record& record,
                                               std::size_t place, std::string_view kind,
                                               const Pseudonyms& pseudonyms) {
    if (place == kNowhere || is_absent(record.values[place])) return core::Id16{};
    const std::string_view text = trimmed(record.values[place]->bytes);
    if (!is_uid(text)) return Rejection{Reason::bad_uid, definition.wanted.name(place)};
    return pseudonyms.of(kind, {}, core::view(text));
}

std::vector<std::optional<Value>> path_values(const Definition& definition, const Description& delivery,
                                              std::string_view file_name) {
    std::vector<std::optional<Value>> out(definition.path_names.size());
    if (out.empty() || !delivery.path) return out;
    const auto match = delivery.path->match(file_name);
    if (!match) return out;
    const auto& names = delivery.path->names();
    for (std::size_t i = 0; i < names.size(); ++i) {
        const auto at = std::find(definition.path_names.begin(), definition.path_names.end(), names[i]);
        if (at != definition.path_names.end())
            out[static_cast<std::size_t>(at - definition.path_names.begin())] =
                Value{(*match)[i], {'U', 'R'}, {}};  // one value, and not a table's
    }
    return out;
}

core::Cell split_cell(const core::Id16& patient, const Definition& definition, const Pseudonyms& pseudonyms) {
    return std::string(core::kSplits[split_of(patient, definition, pseudonyms)]);
}

}  // namespace

std::variant<core::Cell, Rejection> transform(const ColumnRule& rule, const std::vector<Found>& sources,
                                              const Person& person) {
    if (std::holds_alternative<DeliveryName>(rule.transform)) return core::Cell(person.delivery.name);
    std::optional<Rejection> bad;
    for (std::size_t i = 0; i < sources.size(); ++i) {
        const Found& found = sources[i];
        const bool two = !rule.sources[i].until.empty();
        if (is_absent(*found.value) || (two && is_absent(*found.until))) continue;
        Outcome outcome = Reason::undecodable;
        if (!(*found.value)->undecodable && !(two && (*found.until)->undecodable))
            outcome = std::visit(Apply{rule, found, person, rule.sources[i]}, rule.transform);
        if (auto* cell = std::get_if<core::Cell>(&outcome)) return std::move(*cell);
        if (!bad) bad = Rejection{std::get<Reason>(outcome), rule.name};
    }
    if (bad && !rule.bad_is_missing) return *bad;
    if (rule.missing) return *rule.missing;
    return Rejection{Reason::missing_attribute, rule.sources.front().from};
}

std::variant<Cleaned, Rejection> clean(const Record& record, const Sent& sent, const Definition& definition,
                                       const Pseudonyms& pseudonyms) {
    if (!record.ok()) return Rejection{record.reason, record.detail};
    const Description& delivery = definition.description(sent.site);
    const auto from_path = path_values(definition, delivery, sent.file_name);
    const Values values{record.values, from_path};
    Person person{delivery, pseudonyms, {}, definition.profile.max_shift_days};
    const auto column_cell = [&](const ColumnChoice& choice) {
        std::vector<Found> found;
        for (const ColumnChoice::Place& place : choice.places)
            found.push_back({&values.at(place.from), &values.at(place.until)});
        return transform(choice.rule, found, person);
    };
    // What the dataset does not take is not judged further: it is not the hospital's fault.
    for (const ColumnChoice& choice : definition.columns) {
        if (choice.select.empty()) continue;
        const auto cell = column_cell(choice);
        const auto* kept = std::get_if<core::Cell>(&cell);
        const auto* name = kept ? std::get_if<std::string>(kept) : nullptr;
        if (!name || std::find(choice.select.begin(), choice.select.end(), *name) == choice.select.end())
            return Rejection{Reason::not_selected, choice.rule.name};
    }

    Cleaned out;
    const auto digest = [&](std::size_t place, std::string_view kind, core::Id16& to) {
        auto found = uid_digest(definition, record, place, kind, pseudonyms);
        if (const auto* id = std::get_if<core::Id16>(&found)) to = *id;
        return std::get_if<Rejection>(&found) ? std::optional(std::get<Rejection>(found)) : std::nullopt;
    };
    if (auto bad = digest(definition.instance, kInstance, out.instance)) return *bad;
    if (auto bad = digest(definition.study, "study", out.study)) return *bad;
    if (auto bad = digest(definition.series, "series", out.series)) return *bad;

    if (definition.key) {
        auto key = case_key(definition, values, sent.site, pseudonyms);
        if (auto* rejection = std::get_if<Rejection>(&key)) return std::move(*rejection);
        out.key = std::get<core::Id16>(key);
    }
    if (definition.masks) {
        auto key = mask_key(definition, values, sent.site, pseudonyms);
        if (auto* rejection = std::get_if<Rejection>(&key)) return std::move(*rejection);
        out.mask_key = std::get<core::Id16>(key);
    }
    if (!definition.patient.empty()) {
        auto identified = identify(definition, values, sent.site, pseudonyms);
        if (auto* rejection = std::get_if<Rejection>(&identified)) return std::move(*rejection);
        out.aliases = std::get<std::vector<Alias>>(std::move(identified));
    }
    // Of a row that names nobody dates are moved by its case, until its image says whose they are.
    out.patient = person.patient = out.aliases.empty() ? out.key : out.aliases.front().id;
    out.columns = {out.patient, split_cell(out.patient, definition, pseudonyms)};
    for (const ColumnChoice& choice : definition.columns) {
        auto cell = column_cell(choice);
        if (auto* rejection = std::get_if<Rejection>(&cell)) return std::move(*rejection);
        if (choice.is_output) out.columns.push_back(std::get<core::Cell>(std::move(cell)));
    }
    return out;
}

std::variant<Cleaned, Rejection> clean_segmentation(const Record& record, const Sent& sent,
                                                    const Definition& definition,
                                                    const Pseudonyms& pseudonyms) {
    const auto from_path = path_values(definition, definition.description(sent.site), sent.file_name);
    const Values values{record.values, from_path};
    Cleaned out;
    auto key = definition.masks->is_flat ? mask_key(definition, *record.segmentation, sent.site, pseudonyms)
                                         : mask_key(definition, values, sent.site, pseudonyms);
    if (auto* rejection = std::get_if<Rejection>(&key)) return std::move(*rejection);
    out.mask_key = std::get<core::Id16>(key);
    if (out.mask_key == core::Id16{})
        return Rejection{Reason::missing_attribute, definition.masks->names.front()};
    auto identified = identify(definition, values, sent.site, pseudonyms);
    if (auto* rejection = std::get_if<Rejection>(&identified)) return std::move(*rejection);
    out.aliases = std::get<std::vector<Alias>>(std::move(identified));
    if (!out.aliases.empty()) out.patient = out.aliases.front().id;
    return out;
}

core::Id16 instance_digest(std::string_view uid, const Pseudonyms& pseudonyms) {
    return pseudonyms.of(kInstance, {}, core::view(uid));
}

std::size_t split_of(const core::Id16& patient, const Definition& definition, const Pseudonyms& pseudonyms) {
    const double point = pseudonyms.split_point(patient);
    std::size_t split = 0;
    while (split < 3 && point >= definition.splits[split]) ++split;
    return split;
}

void move_to(std::vector<core::Cell>& columns, const core::Id16& patient, const Definition& definition,
             const Pseudonyms& pseudonyms) {
    const core::Id16 before = std::get<core::Id16>(columns.at(kPatientColumn));
    const std::int64_t max_days = definition.profile.max_shift_days;
    const std::int64_t days =
        pseudonyms.shift_days(patient, max_days) - pseudonyms.shift_days(before, max_days);
    const auto move = [&](const std::vector<ColumnChoice>& choices, std::size_t at) {
        for (const ColumnChoice& choice : choices) {
            if (!choice.is_output) continue;
            core::Cell& cell = columns.at(at++);
            auto* day = std::get_if<std::int64_t>(&cell);
            if (day && std::holds_alternative<ShiftDate>(choice.rule.transform)) *day += days;
        }
    };
    move(definition.columns, kFirstRuleColumn);
    if (definition.labels) move(definition.labels->table.columns, first_label_column(definition));
    columns[kPatientColumn] = patient;
    columns[kSplitColumn] = split_cell(patient, definition, pseudonyms);
}

void as_declared(Record& row, const Definition& definition, const Description& delivery) {
    if (!delivery.decimal_comma || !row.ok()) return;
    std::vector<bool> is_done(row.values.size());  // two fields may have one column
    for (const FieldChoice& field : definition.fields)
        for (const std::size_t place : field.values) {
            auto& value = row.values[place];
            if (!is_done[place] && value && !is_binary(*value)) comma_to_point(value->bytes);
            is_done[place] = true;
        }
}

}  // namespace staging
