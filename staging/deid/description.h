#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "staging/deid/date.h"
#include "staging/deid/path_pattern.h"
#include "staging/read/record.h"
#include "staging/read/wanted.h"

namespace staging {

// How a hospital writes one kind of identifier, so that one person's is one text.
struct Normal {
    std::string strip;         // signs that do not count: "-/. "
    bool strip_zeros = false;  // leading zeros do not count
    bool fold_case = false;    // case does not count
};

// What a newborn's files say: the mother's national ID stands in them.
struct NewbornRule {
    std::int64_t younger_than_days = 0;  // 0: there is no such rule
    bool quarantine = false;             // else the national ID is passed over, and the record number counts
};

// Something the hospital answers for.
enum class Declared { nothing, defaced, phantom };

// configs/deliveries/NAME.toml: what one delivery means by what it writes. Nothing in it lets anything through:
// that is the profile's. A delivery without a description has the default of each.
struct Description {
    std::string name;    // of the delivery: --delivery NAME=DIR
    std::string sha256;  // of the file; empty without one
    Calendar calendar = Calendar::automatic;
    std::map<std::string, Calendar> calendars;  // by attribute or column
    bool decimal_comma = false;
    TableForm tables;
    std::map<std::string, Normal> identifiers;  // by kind
    // What IssuerOfPatientID can say -> the issuer's name. Without it the delivery is the issuer, and with what
    // the file says, if it says something, another one.
    std::optional<std::map<std::string, std::string>> issuers;
    std::set<std::string> placeholders;  // as comparable()
    NewbornRule newborn;
    std::optional<PathPattern> path;
    std::vector<std::pair<std::string, Declared>> declared;  // by folder; "" is the whole delivery

    Calendar calendar_of(const std::string& attribute) const;
    Declared declared_of(std::string_view file_name) const;
    // An identifier in its normal form: of ASCII width, without padding, and as declared for its kind.
    std::string normal(const std::string& kind, core::ByteView raw) const;
    bool is_placeholder(core::ByteView raw) const;

    // The defaults, and the dummies that are known everywhere.
    static Description plain(const std::string& name);
    // Throws Error(usage) that names the file and the key; unknown keys are refused.
    static Description load(const std::filesystem::path& path);
    static Description parse(std::string_view toml, const std::string& where);
};

// How placeholders are compared: without case, width, blanks, dashes and leading zeros. "000" is "".
std::string comparable(core::ByteView raw);

// configs/deliveries/placeholders.toml: a list that a site edits.
std::set<std::string> load_placeholders(const std::filesystem::path& path);

}  // namespace staging
