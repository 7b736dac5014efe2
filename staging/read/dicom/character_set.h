#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "staging/read/text/converter.h"

namespace staging {

// Specific Character Set (0008,0005) of a data set (PS3.3 section C.12.1.1.2, PS3.5 section 6.1).
class CharacterSet {
public:
    CharacterSet() = default;  // the default repertoire: ASCII
    // As the attribute has it: several terms mean ISO 2022 with escape sequences.
    explicit CharacterSet(std::string_view declared);

    // Text as UTF-8; nullopt if it does not fit. `is_name`: PN, in which ^ and = also end what escape sequences set.
    std::optional<std::string> decode(std::string_view bytes, bool is_name) const;

    // A graphic set that an escape sequence, or the first term, puts in place (ISO 2022).
    enum class Graphic {
        ascii,
        romaji,
        katakana,
        jis_x_0208,
        jis_x_0212,
        ks_x_1001,
        gb_2312,
        right_half,
        none
    };
    struct Halves {
        Graphic left = Graphic::ascii, right = Graphic::none;
        Encoding encoding = Encoding::ascii;  // of right_half
    };

private:
    enum class Kind { escapes, whole, unknown } kind_ = Kind::escapes;
    Encoding whole_ = Encoding::ascii;  // UTF-8, GB18030, GBK: no escape sequences
    Halves start_;
};

}  // namespace staging
