#include "slurm/fence/fence_check.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <set>

namespace {

attempt tried(std::uint32_t address, std::uint16_t port, std::uint16_t protocol, std::uint16_t family) {
    attempt key{};
    key.kind = BLOCKED_CONNECT;
    key.address[0] = address;
    key.port = port;
    key.protocol = protocol;
    key.family = family;
    return key;
}

}  // namespace

TEST_CASE("a record tells the class of an attempt, never what the job chose") {
    const auto https = slurm::class_of(tried(0x05710acb, 443, IPPROTO_TCP, 4), 1);
    CHECK(https.what == "TCP");
    CHECK(https.to == "https");
    CHECK(slurm::class_of(tried(1, 9, IPPROTO_UDP, 6), 1).what == "UDP by IPv6");
    attempt socket{};
    socket.kind = BLOCKED_SOCKET;
    socket.port = SOCK_STREAM;
    socket.protocol = IPPROTO_MPTCP;
    socket.family = AF_INET;
    CHECK(slurm::class_of(socket, 1).what == "a socket for MPTCP");
    // All that 16 bits of port, of protocol, of family and of address can say.
    std::set<std::string> words;
    for (std::uint32_t n = 0; n < 65536; ++n)
        for (const std::uint32_t kind : {BLOCKED_CONNECT, BLOCKED_SOCKET}) {
            const auto value = static_cast<std::uint16_t>(n);
            for (attempt key : {tried(n * 65521, value, IPPROTO_TCP, 4), tried(n, 443, value, 4),
                                tried(n, 443, IPPROTO_UDP, value)}) {
                key.kind = kind;
                const auto one = slurm::class_of(key, 1);
                words.insert(one.what + "/" + one.to);
            }
        }
    CHECK(words.size() <= 20);
}

TEST_CASE("counts in a record are powers of ten, a thousand at most") {
    std::set<std::uint64_t> rough;
    for (std::uint64_t count = 0; count < 100'000; ++count) rough.insert(slurm::rough_count(count));
    CHECK(rough == std::set<std::uint64_t>{0, 1, 10, 100, 1000});
    CHECK(slurm::rough_count(99) == 10);
    CHECK(slurm::rough_count(~std::uint64_t{0}) == 1000);
}

TEST_CASE("the same target met on several ways is one line, the most frequent first") {
    const auto lines = slurm::merged({{"TCP", "a", 1}, {"UDP", "a", 3}, {"TCP", "a", 5}});
    REQUIRE(lines.size() == 2);
    CHECK(lines[0].text() == "TCP to a (6 times)");
    CHECK(lines[1].text() == "UDP to a (3 times)");
}
