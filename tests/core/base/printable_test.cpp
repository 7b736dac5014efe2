#include "core/base/printable.h"

#include <catch2/catch.hpp>

using namespace core;

TEST_CASE("what is shown cannot move a terminal, hide or turn its text") {
    for (const char* good :
         {"", "digits 1", "肺炎", "naïve", "nai\xcc\x88ve", "\xf0\x9f\xab\x81", "\xef\xbf\xbd"}) {
        CHECK(is_printable(good));
        CHECK(printable_text(good) == good);
    }
    // ESC, DEL, CSI in one character (C1), soft hyphen, Arabic mark, no width, right to left, isolate, separators, a tag; no UTF-8: a
    // byte alone, cut off, longer than need be, a surrogate, beyond U+10FFFF.
    for (const auto& [bad, shown] :
         std::initializer_list<std::pair<const char*, const char*>>{{"\x1b[2J", "?[2J"},
                                                                    {"a\x7f", "a?"},
                                                                    {"\xc2\x9b"
                                                                     "31m",
                                                                     "?31m"},
                                                                    {"\xc2\x80", "?"},
                                                                    {"\xc2\xad", "?"},
                                                                    {"\xd8\x9c", "?"},
                                                                    {"\xe2\x80\x8b", "?"},
                                                                    {"\xe2\x80\xae"
                                                                     "b",
                                                                     "?b"},
                                                                    {"\xe2\x81\xa6", "?"},
                                                                    {"\xe2\x80\xa8", "?"},
                                                                    {"\xe2\x80\xa9", "?"},
                                                                    {"\xef\xbb\xbf", "?"},
                                                                    {"\xf3\xa0\x80\xa1", "?"},
                                                                    {"\x9b"
                                                                     "1m",
                                                                     "?1m"},
                                                                    {"\xe8\x82", "??"},
                                                                    {"\xc0\x9b", "??"},
                                                                    {"\xe0\x82\x9b", "???"},
                                                                    {"\xed\xa0\x80", "???"},
                                                                    {"\xf4\x90\x80\x80", "????"}}) {
        CHECK_FALSE(is_printable(bad));
        CHECK(printable_text(bad) == shown);
        CHECK(is_printable(printable_text(bad)));
    }
    CHECK(printable_text("a\n\tb\r") == "a??b?");
    CHECK(printable_text("a\n\tb\r", "\n\t") == "a\n\tb?");
    CHECK(is_printable("a\n\tb\r\n", "\n\t\r"));
    CHECK_FALSE(is_printable("a\x1b", "\n\t\r"));
    CHECK(printable_text(std::string_view("a\0b", 3)) == "a?b");
}
