#include "core/base/started.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "core/base/files.h"

namespace core {

void tell_started() noexcept {
    static bool told = false;
    const char* name = std::getenv("NOTIFY_SOCKET");
    if (told || !name || (*name != '/' && *name != '@')) return;
    told = true;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::size_t size = std::strlen(name);
    if (size >= sizeof address.sun_path) return;
    std::memcpy(address.sun_path, name, size);
    if (*name == '@') address.sun_path[0] = '\0';  // an abstract socket
    const Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    constexpr std::string_view kReady = "READY=1";
    // A manager that cannot be reached finds out by its own timeout.
    if (socket.is_open())
        ::sendto(socket.get(), kReady.data(), kReady.size(), MSG_NOSIGNAL,
                 reinterpret_cast<const sockaddr*>(&address),
                 static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + size));
}

}  // namespace core
