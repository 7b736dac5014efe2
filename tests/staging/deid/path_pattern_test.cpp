#include "staging/deid/path_pattern.h"

#include <catch2/catch.hpp>
#include <chrono>

#include "core/base/error.h"

using namespace staging;
using Found = std::optional<std::vector<std::string>>;
using Names = std::vector<std::string>;

TEST_CASE("a path is told apart into what it names") {
    CHECK(PathPattern("{patient}/{visit}_*.nii.gz").match("P7/2_t1.nii.gz") == Found(Names{"P7", "2"}));
    CHECK(PathPattern("**/{patient}.png").match("a/b/c/P7.png") == Found(Names{"P7"}));
    CHECK(PathPattern("**/{patient}.png").match("P7.png") == Found(Names{"P7"}));
    CHECK(PathPattern("{a}-{b}").match("x-y-z") == Found(Names{"x", "y-z"}));  // as short as will do
    CHECK(PathPattern("*/{a}/*").match("x/y/") == Found(Names{"y"}));
    CHECK(PathPattern("{a}.{b}").match("x..y") == Found(Names{"x", ".y"}));
}

TEST_CASE("a path that does not fit as a whole says nothing") {
    CHECK_FALSE(PathPattern("{patient}/a").match("P7/ab"));
    CHECK_FALSE(PathPattern("{patient}/a").match("P7/x/a"));  // a name is within one component
    CHECK_FALSE(PathPattern("{patient}/a").match("/a"));      // and is not empty
    CHECK_FALSE(PathPattern("*/{a}").match("x/y/z"));
    CHECK_FALSE(PathPattern("{a}").match(""));
}

TEST_CASE("a hostile path costs no more than its length") {
    const PathPattern pattern("{a}a{b}a{c}a{d}a{e}b");
    const auto start = std::chrono::steady_clock::now();
    CHECK_FALSE(pattern.match(std::string(4096, 'a')));
    CHECK_FALSE(pattern.match(std::string(1 << 20, 'a')));  // longer than a path can be
    // More would be for ever, on any machine.
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(60));
}

TEST_CASE("a pattern that cannot be read is refused") {
    for (const char* bad : {"", "/x/{a}", "x", "{a", "{}", "{A}", "{a}/{a}", "{a}*", "*{a}"})
        CHECK_THROWS_AS(PathPattern(bad), core::Error);
}
