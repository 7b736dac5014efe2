#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/bytes.h"
#include "core/keys/keys.h"
#include "core/shard/schema.h"

namespace staging {

// A Taiwanese national ID or UI number in its one normal form ("A123456789"), if `raw` is one: full-width
// letters and digits count as their ASCII twins; case, padding, dashes and blanks do not count; and the checksum
// must hold. Forms: a letter, then 1 or 2 (national), 8 or 9 (UI number since 2021) or A to
// D (UI number before), then eight digits.
std::optional<std::string> national_id(core::ByteView raw);

// `raw` with full-width letters, digits and signs (UTF-8 or Big5) as their ASCII twins; all else as it stands.
std::string narrowed(core::ByteView raw);

// The beginning of a keyed digest (8 bytes at least) as a number: what orders or divides by it.
std::uint64_t first_64_bits(core::ByteView digest);

// Keyed pseudonyms: HMAC-SHA-256 under the project's key over kind, issuer and identifier, cut to 16 bytes.
// Without the key a dictionary of identifiers is useless; the same identifier of another kind or issuer gives
// an unrelated pseudonym.
class Pseudonyms {
public:
    explicit Pseudonyms(const core::SecretKey& project_key);

    // `identifier` is hashed as it stands, byte for byte: raw bytes are never decoded first.
    core::Id16 of(std::string_view kind, core::ByteView issuer, core::ByteView identifier) const;

    // Days to add to every date of this patient: -1 to -max_days, the same wherever the patient appears.
    std::int64_t shift_days(const core::Id16& patient, std::int64_t max_days) const;

    // Uniform in [0, 1), a function of the patient alone: who goes into which split.
    double split_point(const core::Id16& patient) const;

    // Names a delivered file in records and logs: its path can hold identifiers, this cannot.
    std::string file_name(std::string_view delivery, core::ByteView path) const;

    std::string key_id() const { return key_id_; }

private:
    core::SecretKey ids_, dates_, splits_, files_;
    std::string key_id_;
};

}  // namespace staging
