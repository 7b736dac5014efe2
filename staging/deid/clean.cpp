#include "staging/deid/clean.h"

#include <algorithm>

#include "core/base/error.h"
#include "staging/deid/date.h"

namespace staging {
namespace {

Rejection reject(Reason reason, const std::string& detail) {
    return {reason, detail};
}

bool is_absent(const std::optional<Value>& value) {
    return !value || trimmed(value->bytes).empty();
}

// The part that the rule speaks of; nothing if the attribute has several values and the rule expects one.
std::optional<std::string_view> one_part(const ColumnRule& rule, const Value& value) {
    if (rule.value >= 0) return part(value.bytes, static_cast<std::size_t>(rule.value));
    if (value.bytes.find('\\') != std::string::npos) return std::nullopt;
    return trimmed(value.bytes);
}

std::optional<core::Cell> number_cell(const ColumnRule& rule, const Value& value) {
    if (!one_part(rule, value)) return std::nullopt;
    const auto n = static_cast<std::size_t>(std::max(rule.value, 0));
    if (rule.type == core::ColumnType::i64) {
        const auto whole = integer(value, n);
        if (!whole || static_cast<double>(*whole) < rule.min || static_cast<double>(*whole) > rule.max)
            return std::nullopt;
        return *whole;
    }
    const auto real = number(value, n);
    if (!real || !(*real >= rule.min && *real <= rule.max)) return std::nullopt;
    return *real;
}

std::optional<std::int64_t> age(const ColumnRule& rule, const Value& value,
                                const std::optional<Value>& until) {
    if (rule.until.empty()) return parse_age(core::view(value.bytes));
    const auto birth = parse_date(core::view(value.bytes)), at = parse_date(core::view(until->bytes));
    if (!birth || !at) return std::nullopt;
    const auto years = years_between(*birth, *at);
    return years && *years <= 150 ? years : std::nullopt;
}

}  // namespace

std::variant<core::Id16, Rejection> identify(const std::vector<PatientRule>& rules,
                                             const std::vector<const std::optional<Value>*>& values,
                                             std::string_view issuer, const Pseudonyms& pseudonyms) {
    for (std::size_t i = 0; i < rules.size(); ++i) {
        if (is_absent(*values[i])) continue;
        const core::ByteView raw = core::view((*values[i])->bytes);
        // A hospital may use the national ID as its record number: the form decides, not the field.
        if (const auto id = national_id(raw))
            return pseudonyms.of("national-id", core::view("TW"), core::view(*id));
        if (!rules[i].national_id)
            return pseudonyms.of("record-number", core::view(issuer), without_padding(raw));
        if (rules[i].quarantine_other_form) return reject(Reason::bad_value, rules[i].from);
    }
    return reject(Reason::missing_attribute, rules.back().from);
}

std::variant<core::Cell, Rejection> transform(const ColumnRule& rule, const std::optional<Value>& value,
                                              const std::optional<Value>& until, const core::Id16& patient,
                                              std::int64_t max_shift_days, const Pseudonyms& pseudonyms) {
    if (is_absent(value) || (!rule.until.empty() && is_absent(until))) {
        if (!rule.optional) return reject(Reason::missing_attribute, rule.from);
        return rule.missing ? core::Cell(*rule.missing) : core::Cell();
    }
    switch (rule.transform) {
        case Transform::keep:
        case Transform::map: {
            if (rule.type != core::ColumnType::category) {
                auto cell = number_cell(rule, *value);
                if (!cell) return reject(Reason::bad_value, rule.name);
                return *std::move(cell);
            }
            const auto code = one_part(rule, *value);
            const auto found = code ? rule.codes.find(folded(*code)) : rule.codes.end();
            if (found != rule.codes.end()) return found->second;
            if (rule.unknown) return *rule.unknown;
            return reject(Reason::unlisted, rule.name);
        }
        case Transform::bucket: {
            const auto years = age(rule, *value, until);
            if (!years) return reject(Reason::bad_value, rule.name);
            if (*years > rule.pool_above)
                return rule.categories[static_cast<std::size_t>((rule.pool_above / rule.width) + 1)];
            return rule.categories[static_cast<std::size_t>(*years / rule.width)];
        }
        case Transform::shift: {
            const auto day = parse_date(core::view(value->bytes));
            if (!day) return reject(Reason::bad_value, rule.name);
            return *day + pseudonyms.shift_days(patient, max_shift_days);
        }
        case Transform::pseudonymise:
            return pseudonyms.of(rule.kind, {}, without_padding(core::view(value->bytes)));
    }
    throw core::Error(core::Fault::bug, "a transform without a case");
}

std::variant<Cleaned, Rejection> clean(const Record& record, std::string_view site,
                                       const Definition& definition, const Pseudonyms& pseudonyms) {
    if (!record.ok()) return Rejection{record.reason, record.detail};
    static const std::optional<Value> kNone;
    const std::int64_t max_shift = definition.profile.max_shift_days;
    const auto column_cell = [&](const ColumnChoice& choice, const core::Id16& patient) {
        const auto& until = choice.rule.until.empty() ? kNone : record.values[choice.until_value];
        return transform(choice.rule, record.values[choice.value], until, patient, max_shift, pseudonyms);
    };
    // What the dataset does not take is not judged further: it is not the hospital's fault.
    for (const ColumnChoice& choice : definition.columns) {
        if (choice.select.empty()) continue;
        const auto cell = column_cell(choice, {});
        const auto* kept = std::get_if<core::Cell>(&cell);
        const auto* name = kept ? std::get_if<std::string>(kept) : nullptr;
        if (!name || std::find(choice.select.begin(), choice.select.end(), *name) == choice.select.end())
            return Rejection{Reason::not_selected, choice.rule.name};
    }

    std::vector<const std::optional<Value>*> ids;
    for (const std::size_t position : definition.patient_values) ids.push_back(&record.values[position]);
    const auto patient = identify(definition.profile.patient, ids, site, pseudonyms);
    if (const auto* rejection = std::get_if<Rejection>(&patient)) return *rejection;

    Cleaned out;
    out.patient = std::get<core::Id16>(patient);
    const double point = pseudonyms.split_point(out.patient);
    std::size_t split = 0;
    while (split < 3 && point >= definition.splits[split]) ++split;
    out.columns = {out.patient, std::string(site), std::string(core::kSplits[split])};
    for (const ColumnChoice& choice : definition.columns) {
        auto cell = column_cell(choice, out.patient);
        if (auto* rejection = std::get_if<Rejection>(&cell)) return std::move(*rejection);
        if (choice.is_output) out.columns.push_back(std::get<core::Cell>(std::move(cell)));
    }
    if (definition.instance_value && !is_absent(record.values[*definition.instance_value]))
        out.instance = pseudonyms.of(
            "instance", {}, without_padding(core::view(record.values[*definition.instance_value]->bytes)));
    return out;
}

}  // namespace staging
