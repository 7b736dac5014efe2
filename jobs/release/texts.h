#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "jobs/release/gate.h"
#include "jobs/release/number.h"

namespace jobs {

// What a text value becomes: a word, a number (numbers written as text are numbers), nothing (missing, NaN), or
// it is refused.
struct Text {
    enum class Kind { word, number, missing, dropped, refused };
    Kind kind = Kind::missing;
    std::string word;
    std::uint64_t bits = 0;
    bool is_name = false;
    std::optional<Number> number;  // absent for Kind::number: too large to leave
    std::string code, change;      // of Kind::refused
};

// `key`: the canonical key or heading above it. Whether the format tells text from numbers: JSON does, so that a
// quoted number under "value" may be a name; in CSV it is one only under "class" and "label".
enum class Typed { yes, no };
Text read_text(std::string_view given, const std::string& key, const Context& context, Typed typed);

// " (sensitivity)" behind a place, of one or two terms, which are the gate's own words; "" of names, which are of the site or the data, and
// of more: what is refused must not say much either.
std::string own_word(const std::string& word, bool is_name);

// Why a text that is no word may not leave: pseudonym, address, formula, or free text.
Text refuse_text(std::string_view given, const Context& context);

}  // namespace jobs
