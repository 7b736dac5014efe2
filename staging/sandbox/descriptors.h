#pragma once
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <span>

#include "core/base/files.h"

namespace staging {

// One datagram of a SOCK_SEQPACKET pair, with the descriptors that travel with it (SCM_RIGHTS; at most 2).
template <class Message>
bool send_message(int socket, const Message& message, std::span<const int> descriptors = {}) {
    iovec bytes{const_cast<Message*>(&message), sizeof message};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(2 * sizeof(int))> control{};
    msghdr header{};
    header.msg_iov = &bytes;
    header.msg_iovlen = 1;
    if (!descriptors.empty()) {
        header.msg_control = control.data();
        header.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
        cmsghdr* rights = CMSG_FIRSTHDR(&header);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(descriptors.size_bytes());
        std::memcpy(CMSG_DATA(rights), descriptors.data(), descriptors.size_bytes());
    }
    ssize_t sent;
    do sent = ::sendmsg(socket, &header, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent == static_cast<ssize_t>(sizeof message);
}

template <class Message>
struct Received {
    Message message;
    std::array<core::Fd, 2> descriptors;
};

// nullopt at the end of the connection, or if the datagram has another size.
template <class Message>
std::optional<Received<Message>> receive_message(int socket) {
    Received<Message> received;
    iovec bytes{&received.message, sizeof received.message};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(2 * sizeof(int))> control{};
    msghdr header{};
    header.msg_iov = &bytes;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    ssize_t count;
    do count = ::recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
    while (count < 0 && errno == EINTR);
    if (count < 0) return std::nullopt;
    for (cmsghdr* part = CMSG_FIRSTHDR(&header); part; part = CMSG_NXTHDR(&header, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t found = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < found && i < 2; ++i) {
            int fd;
            std::memcpy(&fd, CMSG_DATA(part) + i * sizeof fd, sizeof fd);
            received.descriptors[i] = core::Fd(fd);
        }
    }
    if (count != static_cast<ssize_t>(sizeof received.message) || header.msg_flags & MSG_TRUNC)
        return std::nullopt;
    return received;
}

}  // namespace staging
