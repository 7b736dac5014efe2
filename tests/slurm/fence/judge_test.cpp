#include "slurm/fence/judge.h"

#include <arpa/inet.h>

#include <array>
#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace {

constexpr unsigned kEth = 2, kIb = 3, kStorage = 4, kLo = LOOPBACK_INTERFACE;
constexpr std::uint16_t kSlurmd = 6818, kDaemon = 8004;

std::uint32_t ip(const char* text) {
    in_addr address{};
    REQUIRE(inet_pton(AF_INET, text, &address) == 1);
    return address.s_addr;
}

// A node with two cards on which it meets its fellows and a third for storage.
struct Node {
    std::map<std::uint32_t, peer> peers;
    std::array<unsigned char, CLOSED_BYTES> closed{};

    Node() {
        peers[ip("10.0.0.12")] = {PEER_FELLOW, {kEth}};
        peers[ip("10.1.0.12")] = {PEER_FELLOW, {kIb, kEth}};
        peers[ip("10.0.0.2")] = {PEER_CONTROLLER, {kEth}};
        peers[ip("10.0.0.11")] = peers[ip("10.9.0.11")] = {PEER_SELF, {}};
        peers[ip("10.0.0.255")] = peers[ip("10.0.0.0")] = {PEER_NEVER, {}};
        for (std::uint16_t port = 0; port < 1024; ++port) close_port(closed.data(), port);
        close_port(closed.data(), kSlurmd);
        close_port(closed.data(), kDaemon);
    }
    const peer* find(std::uint32_t address) const {
        const auto found = peers.find(address);
        return found == peers.end() ? nullptr : &found->second;
    }
    // As fence_egress does it.
    verdict out(const ip4_head& head, unsigned bytes, unsigned interface, bool is_trusted) const {
        packet p{};
        if (!read_packet(&head, bytes, &p)) return VERDICT_DROP;
        const peer* to = find(p.destination);
        const verdict slow = judge_out(&p, to, interface, is_trusted, closed.data());
        if (is_to_fellow(&p, to, interface, closed.data())) CHECK(slow == VERDICT_PASS);  // never wider
        return slow;
    }
};

ip4_head head_of(std::uint32_t source, std::uint32_t destination, unsigned char protocol,
                 std::uint16_t port) {
    ip4_head head{};
    head.version_and_words = 0x45;
    head.protocol = protocol;
    head.source = source;
    head.destination = destination;
    head.source_port = htons(40000);
    head.destination_port = htons(port);
    return head;
}

struct Row {
    const char* destination;
    std::uint16_t port;
    unsigned interface;
    verdict user, root;
};

const verdict kPass = VERDICT_PASS, kDrop = VERDICT_DROP, kAsk = VERDICT_ASK_RECEIVER;

}  // namespace

TEST_CASE("a packet out is judged by its address and its interface") {
    const Node node;
    const std::vector<Row> rows = {
        {"10.0.0.12", 5000, kEth, kPass, kPass},       // a fellow, by its route
        {"10.0.0.12", 5000, kIb, kDrop, kDrop},        // the same address on another card is somebody else
        {"10.0.0.12", 5000, kStorage, kDrop, kDrop},   //
        {"10.0.0.12", 5000, kLo, kDrop, kDrop},        //
        {"10.0.0.12", 5000, 0, kDrop, kDrop},          // none is none of the job's
        {"10.1.0.12", 5000, kIb, kPass, kPass},        // two rails
        {"10.1.0.12", 5000, kEth, kPass, kPass},       //
        {"10.1.0.12", 5000, kStorage, kDrop, kDrop},   //
        {"10.0.0.12", 22, kEth, kDrop, kPass},         // services of a fellow
        {"10.0.0.12", kSlurmd, kEth, kDrop, kPass},    //
        {"10.0.0.12", kDaemon, kEth, kDrop, kPass},    //
        {"10.0.0.12", 53, kEth, kDrop, kPass},         //
        {"10.0.0.2", 6817, kEth, kDrop, kPass},        // the controller is Slurm's
        {"10.0.0.2", 6817, kStorage, kDrop, kDrop},    //
        {"127.0.0.1", 80, kLo, kAsk, kPass},           // this node
        {"127.0.0.53", 53, kLo, kDrop, kPass},         // but not its resolver
        {"127.1.2.3", 9, kLo, kAsk, kPass},            //
        {"127.1.2.3", 9, kEth, kDrop, kDrop},          // a loopback address on a cable
        {"127.0.0.1", 9, kIb, kDrop, kDrop},           //
        {"127.255.255.255", 5353, kLo, kDrop, kDrop},  // broadcasts
        {"127.0.0.0", 5353, kLo, kDrop, kDrop},        //
        {"10.0.0.11", 5000, kLo, kAsk, kPass},         // own addresses
        {"10.0.0.11", 5000, kEth, kDrop, kDrop},       //
        {"10.9.0.11", 5000, kStorage, kDrop, kDrop},   //
        {"10.0.0.255", 5000, kEth, kDrop, kDrop},      // own networks' broadcasts
        {"10.0.0.0", 5000, kEth, kDrop, kDrop},        //
        {"10.0.0.255", 5000, kLo, kDrop, kDrop},       //
        {"255.255.255.255", 5000, kEth, kDrop, kDrop},
        {"239.1.2.3", 5000, kEth, kDrop, kDrop},
        {"203.0.113.5", 443, kEth, kDrop, kDrop},
        {"0.0.0.0", 5000, kLo, kDrop, kDrop},
    };
    for (const Row& row : rows)
        for (const unsigned char protocol : {JUDGE_TCP, JUDGE_UDP}) {
            INFO(row.destination << " port " << row.port << " interface " << row.interface);
            const auto head = head_of(ip("10.0.0.11"), ip(row.destination), protocol, row.port);
            CHECK(node.out(head, IP4_HEAD_BYTES, row.interface, false) == row.user);
            CHECK(node.out(head, IP4_HEAD_BYTES, row.interface, true) == row.root);
        }
}

TEST_CASE("whatever stands in a header, no packet to an address that is not a peer's leaves") {
    const Node node;
    std::mt19937 random(1);  // the same packets in each run
    const std::vector<std::uint32_t> near = {ip("10.0.0.12"), ip("10.0.0.13"),  ip("10.0.0.2"),
                                             ip("127.0.0.1"), ip("10.0.0.255"), ip("127.255.255.255"),
                                             ip("10.0.0.11")};
    int passed = 0;
    for (int n = 0; n < 200'000; ++n) {
        ip4_head head{};
        auto* bytes = reinterpret_cast<unsigned char*>(&head);
        for (std::size_t i = 0; i < sizeof head; ++i) bytes[i] = static_cast<unsigned char>(random());
        // Most would be refused for their first byte or their protocol: help some of them on.
        if (random() % 4) head.version_and_words = 0x45;
        if (random() % 4) head.protocol = random() % 2 ? JUDGE_TCP : JUDGE_UDP;
        if (random() % 2) head.destination = near[random() % near.size()];
        if (random() % 2) head.fragment = 0;
        const unsigned interface = random() % 6, size = random() % 2 ? IP4_HEAD_BYTES : random() % 25;
        const bool is_trusted = random() % 2;
        const verdict verdict = node.out(head, size, interface, is_trusted);
        if (verdict == VERDICT_DROP) continue;
        ++passed;
        const peer* to = node.find(head.destination);
        const bool is_here = is_loopback(head.destination) || (to && to->kind == PEER_SELF);
        REQUIRE(head.version_and_words == 0x45);  // no options
        REQUIRE((head.protocol == JUDGE_TCP || head.protocol == JUDGE_UDP));
        REQUIRE(size >= IP4_HEADER_BYTES);
        REQUIRE(is_here == (interface == kLo));
        if (is_here) continue;
        REQUIRE(to != nullptr);
        REQUIRE(is_on(to, interface));
        REQUIRE((to->kind == PEER_FELLOW || (to->kind == PEER_CONTROLLER && is_trusted)));
    }
    CHECK(passed > 1000);
}

TEST_CASE("every address, port and interface of a grid of packets is decided as it is written down") {
    // Two ways to say the same: the table of kinds against the judge. 9,216 packets.
    const Node node;
    const std::map<std::string, unsigned> homes = {
        {"10.0.0.12", 1u << kEth}, {"10.1.0.12", 1u << kIb | 1u << kEth},
        {"10.0.0.2", 1u << kEth},  {"10.0.0.11", 1u << kLo},
        {"10.9.0.11", 1u << kLo},  {"127.0.0.1", 1u << kLo},
        {"127.200.1.1", 1u << kLo}};
    const std::vector<const char*> addresses = {"10.0.0.12",  "10.1.0.12", "10.0.0.2",    "10.0.0.11",
                                                "10.9.0.11",  "127.0.0.1", "127.200.1.1", "127.0.0.0",
                                                "10.0.0.255", "10.0.0.13", "10.1.0.13",   "127.255.255.255",
                                                "8.8.8.8",    "224.0.0.1", "169.254.1.1", "126.255.255.255"};
    int count = 0;
    for (const char* address : addresses)
        for (unsigned interface = 0; interface < 8; ++interface)
            for (const std::uint16_t port : {0, 1, 22, 53, 111, 1023, 1024, 6817, 6818, 8004, 40000, 65535})
                for (const bool is_trusted : {false, true})
                    for (const unsigned char protocol : {JUDGE_TCP, JUDGE_UDP, 1}) {
                        const auto home = homes.find(address);
                        const std::string text = address;
                        const bool is_here = home != homes.end() && home->second == 1u << kLo;
                        verdict wanted = kDrop;
                        if (protocol != 1 && home != homes.end() && (home->second >> interface & 1)) {
                            const bool is_open = port >= 1024 && port != kSlurmd && port != kDaemon;
                            if (is_trusted)
                                wanted = kPass;
                            else if (is_here)
                                wanted = port == 53 ? kDrop : kAsk;
                            else
                                wanted = text != "10.0.0.2" && is_open ? kPass : kDrop;
                        }
                        INFO(text << ":" << port << " by " << interface << " protocol " << int(protocol));
                        CHECK(node.out(head_of(ip("10.0.0.11"), ip(address), protocol, port), IP4_HEAD_BYTES,
                                       interface, is_trusted) == wanted);
                        ++count;
                    }
    CHECK(count == 9216);
}

TEST_CASE("a fragment without ports goes where the first one went, and nowhere else") {
    const Node node;
    auto head = head_of(ip("10.0.0.11"), ip("10.0.0.12"), JUDGE_UDP, 22);
    head.fragment = htons(185);
    CHECK(node.out(head, IP4_HEADER_BYTES, kEth, false) == kPass);
    head.destination = ip("127.1.2.3");
    CHECK(node.out(head, IP4_HEADER_BYTES, kEth, false) == kDrop);
    head.fragment = htons(0x2000);  // the first of several has them
    head.destination = ip("10.0.0.12");
    CHECK(node.out(head, IP4_HEAD_BYTES, kEth, false) == kDrop);
    CHECK(node.out(head, IP4_HEADER_BYTES, kEth, false) == kDrop);
}

TEST_CASE("on this node a user's packet reaches the job's sockets, or nobody") {
    for (const int has_wall : {0, 1}) {
        CHECK(judge_receiver(1, 1, has_wall) == kPass);
        CHECK(judge_receiver(1, 0, has_wall) == kDrop);
    }
    CHECK(judge_receiver(0, 0, 1) == kPass);  // the wall refuses it
    CHECK(judge_receiver(0, 0, 0) == kDrop);  // somebody may listen when the kernel looks
}

TEST_CASE(
    "before the kernel has chosen an interface, the address decides; where a socket is bound, both do") {
    const Node node;
    const auto reach = [&](const char* to, unsigned interface) {
        return may_reach(node.find(ip(to)), ip(to), 5000, interface, 0, node.closed.data());
    };
    CHECK(reach("10.0.0.12", 0));
    CHECK(reach("127.0.0.1", 0));
    CHECK(reach("10.0.0.11", 0));
    CHECK_FALSE(reach("127.255.255.255", 0));
    CHECK_FALSE(reach("10.0.0.255", 0));
    CHECK_FALSE(reach("203.0.113.5", 0));
    CHECK_FALSE(reach("10.0.0.12", kStorage));
    CHECK_FALSE(reach("127.0.0.1", kEth));
}

TEST_CASE("a packet in is judged by its address and its interface") {
    const Node node;
    struct In {
        const char* source;
        const char* destination;
        unsigned interface;
        verdict wanted;
    };
    for (const In& row : std::vector<In>{
             {"10.0.0.12", "10.0.0.11", kEth, kPass},
             {"10.0.0.12", "10.0.0.11", kStorage, kDrop},
             {"10.0.0.12", "10.0.0.11", kLo, kDrop},
             {"10.1.0.12", "10.0.0.11", kIb, kPass},
             {"10.0.0.2", "10.0.0.11", kEth, kPass},
             {"10.0.0.2", "10.0.0.11", kIb, kDrop},
             {"10.0.0.13", "10.0.0.11", kEth, kDrop},
             {"127.0.0.1", "127.0.0.1", kLo, kPass},
             {"127.0.0.1", "127.0.0.1", kEth, kDrop},  // route_localnet
             {"10.0.0.12", "127.0.0.1", kEth, kDrop},
             {"10.0.0.11", "10.0.0.11", kLo, kPass},
             {"10.0.0.11", "10.0.0.11", kEth, kDrop},  // forged
             {"10.0.0.255", "10.0.0.11", kEth, kDrop},
             {"203.0.113.5", "10.0.0.11", kEth, kDrop},
         }) {
        INFO(row.source << " to " << row.destination << " by " << row.interface);
        CHECK(judge_in(ip(row.source), ip(row.destination), node.find(ip(row.source)), row.interface) ==
              row.wanted);
    }
}

namespace {

struct Knock {
    const char* source;
    unsigned interface;
    unsigned char protocol, flags;  // TCP's; 0x02 is SYN
    std::uint16_t port;
    receiver who;
    bool in = false, out = false;  // the policy's allowances
    const char* destination = "10.0.0.11";
    std::uint16_t fragment = 0;
};

// As fence_gate does it.
int at_gate(const Node& node, const Knock& knock) {
    const peer* from = node.find(ip(knock.source));
    int verdict = judge_gate_addresses(ip(knock.source), ip(knock.destination), knock.protocol,
                                       htons(knock.fragment), from);
    if (verdict != GATE_UNDECIDED) return verdict == VERDICT_PASS ? kPass : kDrop;
    const int is_peer = is_peer_at_gate(from, knock.interface);
    const int is_tcp = knock.protocol == JUDGE_TCP;
    verdict = judge_gate_ports(knock.port, is_tcp, knock.flags, htons(knock.fragment), is_peer, kSlurmd);
    if (verdict != GATE_UNDECIDED) return verdict == VERDICT_PASS ? kPass : kDrop;
    return judge_gate_receiver(&knock.who, is_tcp, is_peer, from && from->kind == PEER_FELLOW, knock.in,
                               knock.out);
}

constexpr receiver kNobody{0, 0, 0}, kSettled{1, 1, 0}, kService{1, 0, 0}, kOurs{1, 0, 1},
    kOursSettled{1, 1, 1};

}  // namespace

TEST_CASE("the gate lets in what the node began, what the job's nodes want of the job, and what is allowed") {
    const Node node;
    const std::vector<std::pair<Knock, int>> rows = {
        {{"203.0.113.5", kEth, JUDGE_TCP, 0x02, 22, kService},
         kPass},  // the system's ports are the site's matter
        {{"203.0.113.5", kEth, JUDGE_TCP, 0x02, kSlurmd, kService}, kPass},
        {{"203.0.113.5", kEth, JUDGE_TCP, 0x02, 5000, kService}, kDrop},
        {{"203.0.113.5", kEth, JUDGE_TCP, 0x02, 5000, kOurs}, kDrop},
        {{"203.0.113.5", kEth, JUDGE_TCP, 0x02, 5000, kNobody}, kDrop},  // all alike: no port tells anything
        {{"203.0.113.5", kEth, JUDGE_TCP, 0x10, 5000, kSettled}, kPass},
        {{"203.0.113.5", kEth, JUDGE_UDP, 0, 5000, kSettled}, kPass},
        {{"203.0.113.5", kEth, JUDGE_UDP, 0, 5000, kService}, kDrop},
        {{"203.0.113.5", kEth, 1, 0, 0, kNobody}, kPass},
        {{"10.0.0.12", kEth, JUDGE_TCP, 0x02, 5000, kOurs}, kPass},
        {{"10.0.0.12", kEth, JUDGE_TCP, 0x02, 5000, kNobody}, GATE_REFUSE},
        {{"10.0.0.2", kEth, JUDGE_TCP, 0x02, 5000, kNobody}, GATE_REFUSE},
        {{"10.0.0.12", kEth, JUDGE_TCP, 0x12, 5000, kNobody}, kPass},  // it opens nothing
        {{"10.0.0.12", kEth, JUDGE_UDP, 0, 5000, kNobody}, kDrop},
        {{"10.0.0.12", kEth, JUDGE_UDP, 0, 5000, kOurs}, kPass},
        {{"10.0.0.12", kEth, JUDGE_TCP, 0x02, 5000, kOurs, false, false, "10.0.0.11", 0x2000}, kDrop},
        {{"203.0.113.5", kEth, JUDGE_TCP, 0x10, 5000, kSettled, false, false, "10.0.0.11", 0x2000}, kPass},
        {{"203.0.113.5", kEth, JUDGE_TCP, 0x02, 22, kService, false, false, "10.0.0.11", 0x2000}, kPass},
        {{"10.0.0.12", kEth, JUDGE_TCP, 0x02, 5000, kService}, kDrop},
        {{"10.0.0.12", kEth, JUDGE_TCP, 0x10, 5000, kService}, kPass},
        {{"10.0.0.12", kStorage, JUDGE_TCP, 0x02, 5000, kOurs}, kDrop},  // a fellow's address by another card
        {{"10.0.0.12", kStorage, JUDGE_UDP, 0, 5000, kOurs}, kDrop},
        {{"10.0.0.2", kEth, JUDGE_TCP, 0x02, 5000, kOurs}, kPass},
        {{"127.0.0.1", kEth, JUDGE_UDP, 0, 5000, kOurs}, kDrop},
        {{"127.0.0.1", kEth, JUDGE_UDP, 0, 22, kService}, kDrop},
        {{"127.0.0.1", kEth, 1, 0, 0, kNobody}, kDrop},
        {{"203.0.113.5", kEth, JUDGE_UDP, 0, 5000, kService, false, false, "127.0.0.1"}, kDrop},
        {{"10.0.0.11", kEth, JUDGE_UDP, 0, 5000, kOurs}, kDrop},  // this node's own address
        {{"10.0.0.255", kEth, JUDGE_UDP, 0, 5000, kOurs}, kDrop},
        {{"203.0.113.5", kEth, JUDGE_UDP, 0, 5000, kService, false, false, "10.0.0.11", 185},
         kPass},  // no head
        // Allowances.
        {{"10.7.0.1", kStorage, JUDGE_TCP, 0x02, kDaemon, kService, true}, kPass},
        {{"10.7.0.1", kStorage, JUDGE_TCP, 0x02, kDaemon, kService, false, true}, kPass},
        {{"10.7.0.1", kStorage, JUDGE_TCP, 0x02, kDaemon, kOurs, true}, kDrop},
        {{"10.7.0.1", kStorage, JUDGE_TCP, 0x02, kDaemon, kNobody, true}, kDrop},  // as if the job listened
        {{"10.0.0.12", kEth, JUDGE_TCP, 0x02, kDaemon, kService, true}, kPass},    // its daemon; users cannot
        {{"10.0.0.12", kEth, JUDGE_UDP, 0, 5000, kService, false, true},
         kDrop},  // an answer of a fellow is no proof
        {{"10.7.0.1", kStorage, JUDGE_TCP, 0x10, 5000, kOursSettled}, kPass},  // fence_ingress judges it then
    };
    for (const auto& [knock, wanted] : rows) {
        INFO(knock.source << " by " << knock.interface << " to port " << knock.port << " protocol "
                          << int(knock.protocol));
        CHECK(at_gate(node, knock) == wanted);
    }
}

TEST_CASE("nothing passes the gate for the reason that nobody is there: somebody may be by then") {
    const Node node;
    for (const char* source : {"203.0.113.5", "10.0.0.12", "10.0.0.2", "10.1.0.12"})
        for (const unsigned char protocol : {JUDGE_TCP, JUDGE_UDP})
            for (unsigned flags = 0; flags < 256; ++flags)
                for (const bool allowed : {false, true})
                    for (const std::uint16_t fragment : {0, 0x2000, 0x4000}) {
                        const auto call = static_cast<unsigned char>(flags);
                        if (protocol == JUDGE_TCP && !is_call(1, call)) continue;
                        INFO(source << " protocol " << int(protocol) << " flags " << flags);
                        REQUIRE(at_gate(node, {source, kEth, protocol, call, 5000, kNobody, allowed, allowed,
                                               "10.0.0.11", fragment}) != VERDICT_PASS);
                    }
}

TEST_CASE("to a stranger all ports from 1024 up are alike, whether the job listens or nobody") {
    const Node node;
    for (std::uint32_t port = 1024; port < 65536; port += 7)
        for (const unsigned char protocol : {JUDGE_TCP, JUDGE_UDP})
            for (const bool allowed : {false, true}) {
                if (port == kSlurmd) continue;
                const auto at = [&](receiver who) {
                    return at_gate(node, {"203.0.113.5", kEth, protocol, 0x02,
                                          static_cast<std::uint16_t>(port), who, allowed, allowed});
                };
                REQUIRE(at(kOurs) == kDrop);
                REQUIRE(at(kNobody) == kDrop);
            }
}
