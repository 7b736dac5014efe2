// Whose sample it is: identify(), by the profile's rules and the delivery's description.
#include <algorithm>

#include "staging/deid/clean.h"
#include "staging/deid/date.h"

namespace staging {
namespace {

std::optional<Day> date_at(const Values& values, std::size_t place, const Description& delivery,
                           const std::string& attribute) {
    const auto& value = values.at(place);
    if (is_absent(value)) return std::nullopt;
    return read_date(core::view(value->bytes), delivery.calendar_of(attribute)).day;
}

// Younger than the delivery's description says. Who does not say how old they are is no newborn.
bool is_newborn(const Definition& definition, const Values& values, const Description& delivery) {
    const std::int64_t days = delivery.newborn.younger_than_days;
    if (days == 0) return false;
    const auto& age = values.at(definition.newborn.age);
    if (!is_absent(age)) {
        const std::string text(trimmed(age->bytes));
        const std::string digits = text.substr(0, text.size() - 1);
        const std::int64_t unit = text.back() == 'D'   ? 1
                                  : text.back() == 'W' ? 7
                                  : text.back() == 'M' ? 30
                                                       : 0;
        if (unit && !digits.empty() && digits.size() <= 3 &&
            digits.find_first_not_of("0123456789") == std::string::npos)
            return std::stoll(digits) * unit < days;
    }
    const auto born = date_at(values, definition.newborn.born, delivery, "PatientBirthDate");
    if (!born) return false;
    for (const std::size_t place : definition.newborn.at)
        if (const auto at = date_at(values, place, delivery, definition.wanted.name(place)))
            return *at >= *born && *at - *born < days;
    return false;
}

// Who gave the identifier out: the delivery, unless the file says somebody else.
std::variant<std::string, Rejection> issuer_of(const PatientChoice& choice, const Values& values,
                                               std::string_view site, const Description& delivery) {
    const auto& told = values.at(choice.issuer);
    if (is_absent(told)) return std::string(site);
    const std::string written = folded(narrowed(core::view(told->bytes)));
    if (!delivery.issuers) return std::string(site) + '\0' + written;
    const auto found = delivery.issuers->find(written);
    if (found == delivery.issuers->end()) return Rejection{Reason::unlisted, choice.rule.issuer};
    return found->second;
}

}  // namespace

std::variant<std::vector<Alias>, Rejection> identify(const Definition& definition, const Values& values,
                                                     std::string_view site, const Pseudonyms& pseudonyms) {
    const Description& delivery = definition.description(site);
    std::vector<Alias> found;
    std::optional<core::Id16> national;
    bool placeholder = false;
    for (const PatientChoice& choice : definition.patient) {
        const PatientRule& rule = choice.rule;
        const auto& value = values.at(choice.identifier);
        if (is_absent(value)) continue;
        if (value->undecodable) return Rejection{Reason::undecodable, rule.from};
        const core::ByteView raw = core::view(value->bytes);
        if (delivery.is_placeholder(raw)) {
            placeholder = true;
            continue;
        }
        Alias alias;
        core::Id16& id = alias.id;
        // A hospital may use the national ID as its record number: the form decides, not the field.
        if (const auto number = national_id(raw)) {
            if (is_newborn(definition, values, delivery)) {
                if (delivery.newborn.quarantine) return Rejection{Reason::identity_conflict, "newborn"};
                continue;  // it is the mother's
            }
            id = pseudonyms.of("national-id", core::view("TW"), core::view(*number));
            if (national && *national != id) return Rejection{Reason::identity_conflict, rule.from};
            national = id;
            alias.is_national = true;
        } else if (rule.is_national_id) {
            if (rule.quarantine_other_form) return Rejection{Reason::bad_value, rule.from};
            continue;
        } else {
            const std::string text = delivery.normal(rule.kind, raw);
            if (text.empty()) {
                placeholder = true;
                continue;
            }
            std::string issuer;
            if (!rule.everywhere) {
                auto told = issuer_of(choice, values, site, delivery);
                if (auto* rejection = std::get_if<Rejection>(&told)) return std::move(*rejection);
                issuer = std::get<std::string>(std::move(told));
            }
            const std::string kind = rule.kind == "record-number" ? rule.kind : "patient:" + rule.kind;
            id = pseudonyms.of(kind, core::view(issuer), core::view(text));
        }
        if (std::find(found.begin(), found.end(), alias) == found.end()) found.push_back(alias);
        if (found.size() > kMostAliases) return Rejection{Reason::identity_conflict, rule.from};
    }
    if (found.empty())
        return Rejection{placeholder ? Reason::placeholder_id : Reason::missing_attribute,
                         definition.patient.back().rule.from};
    return found;
}

}  // namespace staging
