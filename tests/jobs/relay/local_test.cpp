#include "jobs/relay/local.h"

#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "core/base/error.h"

using namespace jobs;
using namespace std::chrono_literals;
using Catch::Contains;

namespace {

struct Pair {
    Pair() {
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
        one = core::Fd(ends[0]);
        other = core::Fd(ends[1]);
    }
    void say(const std::string& text) const {
        REQUIRE(::write(one.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    }
    core::Fd one, other;
};

}  // namespace

TEST_CASE("a line comes with its files, and goes with them") {
    const Pair pair;
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    std::vector<core::Fd> files;
    files.emplace_back(ends[0]);
    files.emplace_back(ends[1]);
    send_line(pair.one.get(), "{}\n", files, after(5s));
    const Received got = receive_line(pair.other.get(), 100, after(5s));
    CHECK(got.line == "{}\n");
    CHECK(got.files.size() == 2);
}

TEST_CASE("what is said beyond a line, or too long for one, is refused") {
    const Pair pair;
    pair.say(GENERATE(std::string("{}\n{}\n"), std::string("{}\nx"), std::string(101, 'x'),
                      std::string(101, 'x') + "\n"));
    CHECK_THROWS_AS(receive_line(pair.other.get(), 100, after(5s)), core::Error);
}

TEST_CASE("who does not finish a line has no more time than was given") {
    const Pair pair;
    pair.say("{");
    CHECK_THROWS_WITH(receive_line(pair.other.get(), 100, std::chrono::steady_clock::now() + 100ms),
                      Contains("in time"));
}

TEST_CASE("a wait for a line ends when the watched end is gone") {
    const Pair pair;
    Pair watched;
    watched.one = core::Fd();
    CHECK_THROWS_WITH(receive_line(pair.other.get(), 100, after(30s), watched.other.get()),
                      Contains("whoever asked is gone"));
}

TEST_CASE("each has as many slots as may be, and gets them back") {
    Slots slots(2);
    auto one = slots.take("a"), two = slots.take("a");
    CHECK(one);
    CHECK(two);
    CHECK_FALSE(slots.take("a"));
    CHECK(slots.take("b"));
    one.reset();
    CHECK(slots.take("a"));
}

TEST_CASE("a negative answer is aloftd's own form") {
    CHECK(negative_answer(core::Error(core::Fault::refused, "no")) ==
          "{\"error\":\"no\",\"fault\":5,\"ok\":false}\n");
}
