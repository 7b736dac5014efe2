#include "core/base/event.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <string>

namespace {

template <class Work>
std::string stderr_of(Work work) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const int saved = ::dup(STDERR_FILENO);
    ::dup2(ends[1], STDERR_FILENO);
    work();
    ::dup2(saved, STDERR_FILENO);
    ::close(saved);
    ::close(ends[1]);
    std::string all(4096, '\0');
    all.resize(static_cast<std::size_t>(::read(ends[0], all.data(), all.size())));
    ::close(ends[0]);
    return all;
}

}  // namespace

TEST_CASE("an event is one line, with its time, level, name and fields") {
    const std::string line =
        stderr_of([] { core::Event("info", "shard_written").with("shard", 12).with("seconds", 3.1); });
    CHECK(line.substr(20) == " info shard_written shard=12 seconds=3.1\n");
    CHECK(line[19] == 'Z');
}

TEST_CASE("no value can forge a second line or a second field") {
    const std::string line =
        stderr_of([] { core::Event("error", "e").with("text", "a\nb=\"c\" \xe7\x8e\x8b"); });
    CHECK(line.substr(20) == " error e text=\"a\\x0ab=\\\"c\\\" \\xe7\\x8e\\x8b\"\n");
}

TEST_CASE("quiet silences information, never trouble") {
    core::set_quiet(true);
    CHECK(stderr_of([] {
              core::Event("warning", "w");
              core::Event("info", "i");
          }).find(" i\n") == std::string::npos);
    CHECK(stderr_of([] { core::Event("warning", "w"); }).find("warning w") != std::string::npos);
    core::set_quiet(false);
}
