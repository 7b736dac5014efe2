#include "core/base/datagram.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>

#include "core/base/files.h"

namespace core {

bool send_datagram(std::string_view socket, std::string_view text, int flags) noexcept {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (socket.empty() || socket.size() >= sizeof address.sun_path) return false;
    std::memcpy(address.sun_path, socket.data(), socket.size());
    if (socket.front() == '@') address.sun_path[0] = '\0';
    const Fd sender(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    return sender.is_open() &&
           ::sendto(sender.get(), text.data(), text.size(), MSG_NOSIGNAL | flags,
                    reinterpret_cast<const sockaddr*>(&address),
                    static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket.size())) >= 0;
}

}  // namespace core
