#pragma once
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/shard/writer.h"
#include "staging/deid/definition.h"
#include "staging/deid/identity.h"
#include "staging/read/reason.h"
#include "staging/read/record.h"

namespace staging {

// Why a sample was left out. `detail` names an attribute, column or field of the configuration, or a transfer
// syntax: never a value from the delivery.
struct Rejection {
    Reason reason = Reason::none;
    std::string detail;
};

// Which file or row of which delivery is judged.
struct Sent {
    std::string_view site;
    std::string_view file_name;  // in the delivery: may hold identifiers
};

// A keyed digest of one identifier. Who is seen with two of them once is one person everywhere (pool/identity.h).
struct Alias {
    core::Id16 id{};
    bool is_national = false;  // a person has one of these
    bool operator==(const Alias&) const = default;
};
inline constexpr std::size_t kMostAliases = 4;  // of one record; more are no person's: identity_conflict

// What remains of a record's attributes: the keep-list's values, transformed. Nothing in it identifies without
// the key. The pixels are image/'s affair.
struct Cleaned {
    core::Id16 patient{};
    std::vector<Alias> aliases;       // all identifiers of the record; the first is the patient
    std::vector<core::Cell> columns;  // as Definition::schema
    // Keyed digests of UIDs. Zero: there is none. `instance` is equal for a file sent again.
    core::Id16 instance{}, study{}, series{};
    // Which case it is of (case_key, mask_key); zero: none, or its patient says it.
    core::Id16 key{}, mask_key{};
};

// Stage 1, attributes: every value through its rule, or the reason why the sample cannot be taken. The header is
// enough: pixels are not looked at.
std::variant<Cleaned, Rejection> clean(const Record& record, const Sent& sent, const Definition& definition,
                                       const Pseudonyms& pseudonyms);

// Of a segmentation no more than whose it is and of which case: its columns say nothing.
std::variant<Cleaned, Rejection> clean_segmentation(const Record& record, const Sent& sent,
                                                    const Definition& definition,
                                                    const Pseudonyms& pseudonyms);

// The keyed digest of an instance's UID, as in Cleaned.
core::Id16 instance_digest(std::string_view uid, const Pseudonyms& pseudonyms);

// Which of core::kSplits a patient is in.
std::size_t split_of(const core::Id16& patient, const Definition& definition, const Pseudonyms& pseudonyms);

// Gives columns to another pseudonym of the same person: patient, split, and dates by that pseudonym's offset.
void move_to(std::vector<core::Cell>& columns, const core::Id16& patient, const Definition& definition,
             const Pseudonyms& pseudonyms);

// Whose values are transformed.
struct Person {
    const Description& delivery;
    const Pseudonyms& pseudonyms;
    core::Id16 patient{};
    std::int64_t max_shift_days = 0;
};
// The value of one column, from its sources' values in order. Exposed for tests.
struct Found {
    const std::optional<Value>*value, *until;
};
std::variant<core::Cell, Rejection> transform(const ColumnRule& rule, const std::vector<Found>& sources,
                                              const Person& person);

// Whose sample it is: one identifier or more, the patient's name among us first. Exposed for tests.
std::variant<std::vector<Alias>, Rejection> identify(const Definition& definition, const Values& values,
                                                     std::string_view site, const Pseudonyms& pseudonyms);

// After clean(), once: what the delivery declares otherwise than fields_of() reads it, decimal commas in a table's fields.
void as_declared(Record& row, const Definition& definition, const Description& delivery);

}  // namespace staging
