#pragma once
#include <optional>
#include <string>
#include <variant>

#include "core/shard/writer.h"
#include "staging/deid/definition.h"
#include "staging/deid/identity.h"
#include "staging/read/record.h"

namespace staging {

// Why a sample was left out. `detail` names an attribute, column or field of the configuration, or a transfer
// syntax: never a value from the delivery.
struct Rejection {
    Reason reason = Reason::none;
    std::string detail;
};

// What remains of a record's attributes: the keep-list's values, transformed. Nothing in it identifies without
// the key. The pixels are image/'s affair.
struct Cleaned {
    core::Id16 patient{};
    std::vector<core::Cell> columns;  // as Definition::schema
    core::Id16 instance{};  // keyed digest of the SOP Instance UID; equal for a file sent again. Zero: none
};

// Stage 1, attributes: every value through its rule, or the reason why the sample cannot be taken.
std::variant<Cleaned, Rejection> clean(const Record& record, std::string_view site,
                                       const Definition& definition, const Pseudonyms& pseudonyms);

// The value of one column. `value` null: the attribute is absent. Exposed for tests.
std::variant<core::Cell, Rejection> transform(const ColumnRule& rule, const std::optional<Value>& value,
                                              const std::optional<Value>& until, const core::Id16& patient,
                                              std::int64_t max_shift_days, const Pseudonyms& pseudonyms);

// The patient's pseudonym from the first rule that finds an identifier. `issuer`: the hospital.
std::variant<core::Id16, Rejection> identify(const std::vector<PatientRule>& rules,
                                             const std::vector<const std::optional<Value>*>& values,
                                             std::string_view issuer, const Pseudonyms& pseudonyms);

}  // namespace staging
