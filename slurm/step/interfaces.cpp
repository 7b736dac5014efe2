#include "slurm/step/interfaces.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace slurm {
namespace {

constexpr std::uint32_t kLoopback = 127;

std::uint32_t address_of(const sockaddr* address) {
    sockaddr_in out{};
    std::memcpy(&out, address, sizeof out);
    return ntohl(out.sin_addr.s_addr);
}

std::vector<std::uint32_t> own_addresses() {
    char host[256] = {};
    if (gethostname(host, sizeof host - 1) != 0) return {};
    addrinfo wanted{}, *found = nullptr;
    wanted.ai_family = AF_INET;
    wanted.ai_socktype = SOCK_STREAM;
    if (getaddrinfo(host, nullptr, &wanted, &found) != 0) return {};
    std::vector<std::uint32_t> out;
    for (const addrinfo* each = found; each; each = each->ai_next) out.push_back(address_of(each->ai_addr));
    freeaddrinfo(found);
    return out;
}

}  // namespace

std::vector<std::string> interfaces_with(const Addresses& all, const std::vector<std::uint32_t>& own) {
    std::vector<std::string> out;
    for (const auto& [name, address] : all)
        if (address >> 24 != kLoopback && std::find(own.begin(), own.end(), address) != own.end() &&
            std::find(out.begin(), out.end(), name) == out.end())
            out.push_back(name);
    return out;
}

std::vector<std::string> job_interfaces() {
    ifaddrs* list = nullptr;
    if (getifaddrs(&list) != 0) return {};
    Addresses all;
    for (const ifaddrs* each = list; each; each = each->ifa_next)
        if (each->ifa_addr && each->ifa_addr->sa_family == AF_INET)
            all.emplace_back(each->ifa_name, address_of(each->ifa_addr));
    freeifaddrs(list);
    return interfaces_with(all, own_addresses());
}

}  // namespace slurm
