#include "core/base/message.h"

#include <catch2/catch.hpp>
#include <cerrno>
#include <filesystem>

using namespace core;

TEST_CASE("a message is its format and what stands in its places") {
    const Message one = message("{} has {} files in {}", "R-31", 3, std::filesystem::path("/srv/a"));
    CHECK(one.format == "{} has {} files in {}");
    CHECK(one.places == std::vector<std::string>{"R-31", "3", "/srv/a"});
    CHECK(one.english() == "R-31 has 3 files in /srv/a");
    CHECK(message("all {{of}} them").english() == "all {of} them");
    // What stands in a place is no format, whoever chose it.
    CHECK(message("no {}", "{} {0} {").english() == "no {} {0} {");
}

TEST_CASE("a message that came from elsewhere fits, or is told as its bare format") {
    CHECK(Message{"{} is {}", {"a", "b"}}.fits());
    CHECK(Message{"{1} is {0}", {"a", "b"}}.fits());
    CHECK(Message{"it is so", {}}.fits());
    CHECK(Message{"{1} is {0}", {"a", "b"}}.english() == "b is a");
    for (const char* format :
         {"{} is", "{} is {} of {}", "{0} is {0}", "{0} is {2}", "{} is {1}", "{} is {", "} is {} {}",
          "{x} is {}", "{:>9} is {}", "{} is {99999999999999999999}", "{0:{1}}"}) {
        const Message odd{format, {"a", "b"}};
        CHECK_FALSE(odd.fits());
        CHECK_NOTHROW(odd.english());
    }
}

TEST_CASE("a failure that can be told in other languages is an Error whose text is English") {
    try {
        throw failure(Fault::refused, "grant {} is revoked already", "G-12");
    } catch (const Error& e) {
        CHECK(e.fault() == Fault::refused);
        CHECK(std::string(e.what()) == "grant G-12 is revoked already");
        CHECK(told(e).message().places == std::vector<std::string>{"G-12"});
    }
    const ToldError plain = told(Error(Fault::data, "half {a} text"));
    CHECK(std::string(plain.what()) == "half {a} text");
    CHECK(plain.message().format == "{}");
    CHECK("cannot open it: " + reason_of(ENOENT) == with_errno("cannot open it", ENOENT));
}

TEST_CASE("without a language every message is English") {
    CHECK_FALSE(speaks_another_language());
    CHECK(tr("job {} ended", 17) == "job 17 ended");
    speak_as_asked("/nonexistent");
    CHECK_FALSE(speaks_another_language());
    CHECK(translated({"", {}}).empty());
}
