#include "core/policy/network.h"

#include <arpa/inet.h>

#include <charconv>

#include "core/base/error.h"

namespace core {
namespace {

std::uint32_t mask_of(std::uint8_t bits) {
    return bits == 0 ? 0 : ~std::uint32_t{0} << (32 - bits);
}

}  // namespace

bool Ip4Network::contains(std::uint32_t other) const noexcept {
    return (other & mask_of(bits)) == address;
}

std::string Ip4Network::text() const {
    return ip4_text(address) + "/" + std::to_string(bits);
}

std::uint32_t parse_ip4(std::string_view text) {
    in_addr address{};
    if (inet_pton(AF_INET, std::string(text).c_str(), &address) != 1)
        throw Error(Fault::usage, "not an IPv4 address such as 10.0.0.11");
    return ntohl(address.s_addr);
}

std::string ip4_text(std::uint32_t address) {
    const in_addr wire{htonl(address)};
    char text[INET_ADDRSTRLEN] = {};
    inet_ntop(AF_INET, &wire, text, sizeof text);
    return text;
}

Ip4Network parse_network(std::string_view text) {
    const auto slash = text.find('/');
    Ip4Network network{parse_ip4(text.substr(0, slash)), 32};
    if (slash != std::string_view::npos) {
        const auto bits = text.substr(slash + 1);
        unsigned value = 0;
        const auto [end, error] = std::from_chars(bits.data(), bits.data() + bits.size(), value);
        if (error != std::errc() || end != bits.data() + bits.size() || value > 32)
            throw Error(Fault::usage, "not a network such as 10.0.0.0/24");
        network.bits = static_cast<std::uint8_t>(value);
    }
    if (!network.contains(network.address))
        throw Error(Fault::usage, "a network has bits beyond its mask: 10.0.0.0/24, not 10.0.0.5/24");
    return network;
}

}  // namespace core
