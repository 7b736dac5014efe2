#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace core {

// A network as an enclave's policy names it: "10.0.0.0/24".
struct Ip4Network {
    std::uint32_t address = 0;  // host byte order; no bit is set beyond `bits`
    std::uint8_t bits = 0;

    bool contains(std::uint32_t other) const noexcept;
    std::string text() const;
    auto operator<=>(const Ip4Network&) const = default;
};

// "10.0.0.11" in host byte order. Throws Error(usage) that names no value if it is not one.
std::uint32_t parse_ip4(std::string_view text);
std::string ip4_text(std::uint32_t address);

// "10.0.0.0/24", or an address alone: /32. Throws Error(usage) if it is neither, or has bits beyond its mask.
Ip4Network parse_network(std::string_view text);

// What a daemon of the site, not the job's, may exchange with a network while a job has the node: [[allow]].
struct Allowance {
    Ip4Network network;  // who is at the other end
    bool is_tcp = true;  // else UDP
    // Inbound: the others call `port` of this node. Else: the node asks, and answers come from their `port`.
    bool is_inbound = true;
    std::uint16_t port = 0;
    auto operator<=>(const Allowance&) const = default;
};

}  // namespace core
