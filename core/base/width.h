#pragma once
#include <locale.h>

#include <cstddef>
#include <string_view>

namespace core {

// Columns of a terminal that a UTF-8 text takes: two for each wide character of East Asian scripts, none for combining ones
// (wcwidth, POSIX.1-2017). What is no UTF-8 takes one a byte.
std::size_t width_of(std::string_view text);

// Characters one by one. A character's width is a matter of the locale: while one of these is there, this thread's has them all.
class InUtf8 {
public:
    InUtf8();
    InUtf8(const InUtf8&) = delete;
    InUtf8& operator=(const InUtf8&) = delete;
    ~InUtf8();

    // Bytes and columns of the first character of `text`, which is not empty.
    struct Character {
        std::size_t bytes = 1, columns = 1;
    };
    Character first_of(std::string_view text) const;

private:
    locale_t before_;
};

}  // namespace core
