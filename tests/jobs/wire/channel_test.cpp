#include "jobs/wire/channel.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <cstring>
#include <future>

#include "tests/support/scratch.h"

using namespace jobs;
using std::chrono::milliseconds;

TEST_CASE("whose queue of callers is full is waited for, and not without end") {
    const test::Scratch folder;
    const std::filesystem::path path = folder / "s";
    struct sockaddr_un address {};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    const core::Fd full(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    REQUIRE(::bind(full.get(), reinterpret_cast<const struct sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(full.get(), 0) == 0);  // one place
    const core::Fd first = connect_to(path);
    CHECK_THROWS_WITH(connect_to(path, milliseconds(200)), Catch::Contains("cannot reach aloftd"));

    // A place that gets free is taken, and what is sent then waits as long as it takes.
    auto second = std::async(std::launch::async, [&] { return connect_to(path, std::chrono::minutes(5)); });
    CHECK(second.wait_for(milliseconds(50)) == std::future_status::timeout);
    const core::Fd accepted(::accept4(full.get(), nullptr, nullptr, SOCK_CLOEXEC));
    REQUIRE(accepted.is_open());
    const core::Fd socket = second.get();
    struct timeval bound {};
    socklen_t size = sizeof bound;
    REQUIRE(::getsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &bound, &size) == 0);
    CHECK((bound.tv_sec == 0 && bound.tv_usec == 0));
}

TEST_CASE("where nobody listens, or nothing is, that is said at once") {
    const test::Scratch folder;
    CHECK_THROWS_WITH(connect_to(folder / "none", std::chrono::minutes(5)),
                      Catch::Contains("cannot reach aloftd"));
    const core::Fd socket = listen_at(folder / "s", 0600);
    CHECK_NOTHROW(connect_to(folder / "s"));
}
