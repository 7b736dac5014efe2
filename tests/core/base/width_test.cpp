#include "core/base/width.h"

#include <catch2/catch.hpp>

using core::width_of;

TEST_CASE("a text is as wide as a terminal shows it") {
    CHECK(width_of("") == 0);
    CHECK(width_of("digits") == 6);
    CHECK(width_of("肺炎") == 4);
    CHECK(width_of("naïve") == 5);
    CHECK(width_of("nai\xcc\x88ve") == 5);  // a combining diaeresis
    CHECK(width_of("ｱｲｳ") == 3);            // halfwidth forms
    CHECK(width_of("\xff\xfe") == 2);       // no UTF-8
    CHECK(width_of(std::string_view("a\0b", 3)) == 3);
}
