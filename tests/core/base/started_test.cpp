#include "core/base/started.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <cstring>
#include <string>

#include "core/base/files.h"
#include "support/scratch.h"

namespace {

// What waits at the manager's socket, "" if nothing does.
std::string waiting(int socket) {
    std::array<char, 64> text{};
    const ssize_t size = ::recv(socket, text.data(), text.size(), MSG_DONTWAIT);
    return size > 0 ? std::string(text.data(), static_cast<std::size_t>(size)) : "";
}

}  // namespace

TEST_CASE("a service that has started says so once to the manager that asked, and to nobody else") {
    const test::Scratch scratch;
    const std::string path = (scratch / "notify").string();
    const core::Fd manager(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, path.c_str());
    REQUIRE(::bind(manager.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);

    ::unsetenv("NOTIFY_SOCKET");
    core::tell_started();
    CHECK(waiting(manager.get()).empty());
    ::setenv("NOTIFY_SOCKET", "no path", 1);
    core::tell_started();
    CHECK(waiting(manager.get()).empty());

    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
    core::tell_started();
    CHECK(waiting(manager.get()) == "READY=1");
    core::tell_started();
    CHECK(waiting(manager.get()).empty());
    ::unsetenv("NOTIFY_SOCKET");
}
