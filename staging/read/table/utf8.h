#pragma once
#include <string_view>

namespace staging {

// Well-formed UTF-8 (Unicode 15, table 3-7: no surrogates, nothing overlong) without NUL.
bool is_utf8_text(std::string_view text) noexcept;

}  // namespace staging
