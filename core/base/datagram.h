#pragma once
#include <string_view>

namespace core {

// One datagram to the Unix socket of that path, or abstract name if it begins with "@" (unix(7)). False if it cannot be
// sent; `flags` as send(2), besides MSG_NOSIGNAL.
bool send_datagram(std::string_view socket, std::string_view text, int flags = 0) noexcept;

}  // namespace core
