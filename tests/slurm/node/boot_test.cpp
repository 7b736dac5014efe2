#include "slurm/node/boot.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <thread>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/time.h"
#include "core/ledger/spool.h"
#include "slurm/fence/fence_bpf.h"
#include "slurm/node/agent.h"
#include "slurm/node/cut.h"
#include "slurm/node/farewell.h"
#include "slurm/node/forget.h"
#include "support/own_node.h"
#include "support/published.h"

// A node that boots, and another machine at the end of its cable, which has the address of a former fellow (10.9.9.9)
// and one of nobody (10.9.9.8).

namespace {

namespace fs = std::filesystem;
constexpr const char *kNode = "10.9.9.1", *kFellow = "10.9.9.9", *kNobody = "10.9.9.8";

using test::run;

sockaddr_in at(const char* address, std::uint16_t port) {
    sockaddr_in one{};
    one.sin_family = AF_INET;
    one.sin_port = htons(port);
    inet_pton(AF_INET, address, &one.sin_addr);
    return one;
}

void fail_if(bool failed, const char* what) {
    if (failed) throw std::runtime_error(what);
}

enum class Piece : std::uint8_t { whole, first, last };
enum Closed { control, by_boot, by_agent };

// One of the two fragments of a datagram that begins with the address it comes from. Where the last one would have its ports if it
// had any stands what lets a packet pass: a port below 1024.
std::string fragment_of(const char* from, std::uint16_t port, Piece piece) {
    constexpr std::size_t kFirst = sizeof(udphdr) + 8, kLast = 8;  // bytes after the header, multiples of 8
    iphdr ip{};
    ip.version = 4;
    ip.ihl = sizeof ip / 4;
    ip.ttl = 9;
    ip.protocol = IPPROTO_UDP;
    ip.id = htons(4711);
    ip.saddr = at(from, 0).sin_addr.s_addr;
    ip.daddr = at(kNode, 0).sin_addr.s_addr;
    ip.frag_off = htons(piece == Piece::first ? IP_MF : kFirst / 8);
    std::string bytes(reinterpret_cast<const char*>(&ip), sizeof ip);
    if (piece == Piece::last) return bytes + std::string("\0\0\0\x16", 4) + "last";
    udphdr udp{};
    udp.source = htons(7);
    udp.dest = htons(port);
    udp.len = htons(kFirst + kLast);  // without a checksum
    return bytes + std::string(reinterpret_cast<const char*>(&udp), sizeof udp) +
           std::string(from).substr(0, 8);
}

// The machine: a process with a network of its own, which sends one datagram, or a piece of one, for each line that it is told.
class Machine {
public:
    // Its cable is plugged in now: the node's end did not exist before.
    Machine() {
        int down[2], up[2];
        fail_if(::pipe(down) || ::pipe(up), "pipe");
        child_ = ::fork();
        if (child_ == 0) {
            ::close(down[1]);
            fail_if(::unshare(CLONE_NEWNET), "unshare");
            char one = 1;
            (void)!::write(up[1], &one, 1);
            (void)!::read(down[0], &one, 1);  // the cable is there
            const bool is_up = run({"/usr/sbin/ip", "addr", "add", "10.9.9.9/24", "dev", "far"}) &&
                               run({"/usr/sbin/ip", "addr", "add", "10.9.9.8/24", "dev", "far"}) &&
                               run({"/usr/sbin/ip", "link", "set", "far", "up"});
            one = is_up ? 1 : 0;
            (void)!::write(up[1], &one, 1);
            Order order{};
            while (::read(down[0], &order, sizeof order) == sizeof order) send_out(order);
            ::_exit(0);
        }
        ::close(down[0]);
        told_ = core::Fd(down[1]);
        core::Fd heard(up[0]);
        char one = 0;
        fail_if(::read(up[0], &one, 1) != 1, "no machine");
        fail_if(!run({"/usr/sbin/ip", "link", "add", "cable", "type", "veth", "peer", "name", "far", "netns",
                      std::to_string(child_)}) ||
                    !run({"/usr/sbin/ip", "addr", "add", "10.9.9.1/24", "dev", "cable"}) ||
                    !run({"/usr/sbin/ip", "link", "set", "cable", "up"}),
                "no cable");
        (void)!::write(down[1], &one, 1);
        fail_if(::read(up[0], &one, 1) != 1 || one != 1, "no address");
    }
    ~Machine() {
        told_ = core::Fd();
        ::waitpid(child_, nullptr, 0);
    }
    void sends(const char* from, std::uint16_t port, Piece piece = Piece::whole) const {
        const Order order{from, port, piece};
        fail_if(::write(told_.get(), &order, sizeof order) != sizeof order, "the machine is gone");
    }

private:
    struct Order {
        const char* from;  // the child is a copy of this process
        std::uint16_t port;
        Piece piece;
    };
    static void send_out(const Order& order) {
        const bool is_whole = order.piece == Piece::whole;
        const core::Fd s(is_whole ? ::socket(AF_INET, SOCK_DGRAM, 0)
                                  : ::socket(AF_INET, SOCK_RAW, IPPROTO_RAW));
        const sockaddr_in own = at(order.from, 0), to = at(kNode, is_whole ? order.port : 0);
        const std::string text = is_whole ? order.from : fragment_of(order.from, order.port, order.piece);
        ::bind(s.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own);
        (void)!::sendto(s.get(), text.data(), text.size(), 0, reinterpret_cast<const sockaddr*>(&to),
                        sizeof to);
    }
    pid_t child_ = -1;
    core::Fd told_;
};

// A service of the node's. The first that gets through to it: what is sent on a cable arrives in order.
class Service {
public:
    explicit Service(std::uint16_t port) : port_(port), fd_(::socket(AF_INET, SOCK_DGRAM, 0)) {
        const sockaddr_in own = at("0.0.0.0", port);
        fail_if(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own), "no service");
    }
    // Up to the whole datagram of nobody's that ends what the machine is told to send.
    std::string hears(const Machine& machine, Piece piece = Piece::whole) {
        machine.sends(kFellow, port_, piece);
        if (piece != Piece::whole) machine.sends(kNobody, port_, piece);
        machine.sends(kNobody, port_);
        std::string heard, one;
        while (one != kNobody) {
            pollfd ready{fd_.get(), POLLIN, 0};
            if (::poll(&ready, 1, 60'000) <= 0) return heard + "nothing more";
            char text[64];
            const ssize_t got = ::recv(fd_.get(), text, sizeof text, 0);
            one = std::string(text, got > 0 ? static_cast<std::size_t>(got) : 0);
            if (one.ends_with("last")) one = one.substr(0, 8) + " in pieces";
            heard += (heard.empty() ? "" : ", ") + one;
        }
        return heard;
    }

private:
    std::uint16_t port_;
    core::Fd fd_;
};

const std::string kBoth = std::string(kFellow) + ", " + kNobody;

slurm::Policy shared_with(const char* address, const char* enclave = "hel") {
    slurm::Policy policy;
    policy.enclave = enclave;
    policy.peers = {{address, PEER_FELLOW, {}}, {"10.9.9.1", PEER_SELF, {}}};
    return policy;
}

}  // namespace

TEST_CASE(
    "a node that boots is closed to its former fellows before it has a network, until its agent has closed "
    "it") {
    if (!test::is_root()) return;
    CHECK(test::on_own_node([](const core::Site& site) {
              const fs::path state = site.run / "state", conf = site.config / "slurm.conf";
              core::write_atomically(conf, "SlurmctldHost=ctld\nSlurmdPort=7001\n");
              const fs::path mark = site.run / "closed";
              slurm::close_before_network(conf, state, mark);  // it never had any
              if (!fs::exists(mark)) return 5;
              slurm::remember_fellows(shared_with(kFellow), state);
              slurm::remember_fellows(shared_with("10.9.9.7"), state);
              slurm::close_before_network(conf, state, mark);
              slurm::close_before_network(conf, state, mark);  // again is the same
              const Machine machine;
              Service job(7777), slurmd(7001), low(900);
              if (job.hears(machine) != kNobody) return 1;
              if (slurmd.hears(machine) != kBoth) return 2;
              if (low.hears(machine) != kBoth) return 3;
              slurm::end_closing_before_network();
              if (job.hears(machine) != kBoth) return 4;
              slurm::end_closing_before_network();  // there is none
              return 0;
          }) == 0);
}

TEST_CASE("a node whose memory of its fellows is damaged is closed to everybody, and begins no job") {
    if (!test::is_root()) return;
    CHECK(test::on_own_node([](const core::Site& site) {
              const fs::path state = site.run / "state";
              slurm::remember_fellows(shared_with("10.9.9.7"), state);
              core::write_atomically(state / "fellows", "10.9.9.7 hel\n10.9.", 0600);
              try {
                  slurm::remember_fellows(shared_with(kFellow), state);
                  return 1;
              } catch (const core::Error&) {
              }
              slurm::close_before_network("", state, site.run / "closed");
              const Machine machine;
              Service job(7777), low(900);
              machine.sends(kNobody, 7777);
              if (low.hears(machine) != kBoth) return 2;
              slurm::end_closing_before_network();
              return job.hears(machine) == kBoth ? 0 : 3;  // nothing came before
          }) == 0);
}

TEST_CASE("a fragment whose first one came before the node was closed goes nowhere") {
    if (!test::is_root()) return;
    const Closed closed = GENERATE(control, by_boot, by_agent);
    CAPTURE(closed);
    CHECK(test::on_own_node([&](const core::Site& site) {
              const fs::path state = site.run / "state", conf = site.config / "slurm.conf";
              core::write_atomically(conf, "SlurmctldHost=ctld\nSlurmdPort=7001\n");
              std::ofstream("/proc/sys/net/ipv4/ipfrag_time")
                  << 600;  // seconds: as slow as this machine may be
              slurm::remember_fellows(shared_with(kFellow), state);
              const Machine machine;
              Service job(7777);
              if (job.hears(machine, Piece::first) != kNobody) return 1;
              if (closed == by_boot) slurm::close_before_network(conf, state, site.run / "closed");
              if (closed == by_agent) slurm::close_node_to({kFellow}, 7001);
              const std::string heard = job.hears(machine, Piece::last);
              const std::string of_nobody = std::string(kNobody) + " in pieces, " + kNobody;
              if (closed == control)
                  return heard == std::string(kFellow) + " in pieces, " + of_nobody ? 0 : 2;
              return heard == of_nobody ? 0 : 3;
          }) == 0);
}

namespace {

// The enclave hel of `nodes`. With their addresses or without: then slurm.conf alone knows them.
void publish(const core::Site& site, const std::vector<std::string>& nodes, bool has_addresses = true) {
    test::Published published(site, core::now_seconds(), core::now_seconds() + 60);
    core::Enclave hel;
    hel.name = hel.partition = "hel";
    hel.accounts = {"e-alice"};
    hel.nodes = nodes;
    hel.software = {"/opt/aloft"};
    hel.max_minutes = 60;
    hel.networks = {core::parse_network("10.9.9.0/24")};
    for (const std::string& node : nodes)
        if (has_addresses)
            hel.addresses[node] = {
                core::parse_network(node == "fellow" ? "10.9.9.9/32" : "10.9.9.1/32").address};
    published.policy(hel, {{"e-alice", 70001}});
}

// Which this node is not of, or no more.
void publish_without_this_node(const core::Site& site) {
    publish(site, {"fellow"});
}

// Its closing after a boot, by the addresses that the policy has, and to whom it remembers.
void come_back_without_this_node(const core::Site& site, const fs::path& state) {
    const fs::path conf = site.config / "slurm.conf";
    core::write_atomically(conf, "SlurmctldHost=ctld\n");
    publish_without_this_node(site);
    slurm::close_after_boot(site, core::short_host_name(), core::now_seconds(), conf,
                            slurm::remembered_fellows(state));
}

std::size_t closings(const core::Site& site) {
    const fs::directory_iterator all(site.run / "closing");
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

}  // namespace

TEST_CASE("a node that was taken out of an enclave while it was down stays closed to that enclave's nodes") {
    if (!test::is_root()) return;
    CHECK(test::on_own_node([](const core::Site& site) {
              const fs::path state = site.run / "state", conf = site.config / "slurm.conf";
              core::write_atomically(conf, "SlurmctldHost=ctld\nSlurmdPort=7001\n");
              publish_without_this_node(site);
              const char* const enclave = "gone";  // whose key is not here any more
              slurm::remember_fellows(shared_with(kFellow, enclave), state);
              slurm::close_before_network(conf, state, site.run / "closed");
              const Machine machine;
              Service job(7777), slurmd(7001), low(900);
              if (job.hears(machine) != kNobody) return 1;
              const slurm::Agent agent(site, conf, state);
              if (!slurm::has_closed_after_boot(site, std::chrono::milliseconds(0))) return 2;
              if (job.hears(machine) != kNobody) return 3;
              if (slurmd.hears(machine) != kBoth || low.hears(machine) != kBoth) return 4;
              slurm::end_closing_before_network();  // the agent itself keeps it closed
              return job.hears(machine) == kNobody ? 0 : 5;
          }) == 0);
}

TEST_CASE("a node is closed after its boot once slurm.conf can say its fellows' addresses, not before") {
    if (!test::is_root()) return;
    CHECK(test::on_own_node([](const core::Site& site) {
              const fs::path state = site.run / "state", conf = site.config / "slurm.conf";
              publish(site, {core::short_host_name(), "fellow"}, false);
              core::make_directories(state);
              slurm::Agent(site, conf, state);  // before slurmd has fetched it
              if (slurm::has_closed_after_boot(site, std::chrono::milliseconds(0))) return 1;
              if (!fs::exists(site.run / "came-back")) return 6;  // jobs that begin from now on were not left
              const Machine machine;
              Service slurmd(7001), job(7777);
              if (slurmd.hears(machine) != kBoth) return 2;
              core::write_atomically(
                  conf, "SlurmctldHost=ctld\nSlurmdPort=7001\nNodeName=fellow NodeAddr=10.9.9.9\n");
              slurm::Agent(site, conf, state);
              if (!slurm::has_closed_after_boot(site, std::chrono::milliseconds(0))) return 3;
              if (closings(site) != 1 || job.hears(machine) != kNobody) return 4;
              return slurmd.hears(machine) == kBoth ? 0 : 5;
          }) == 0);
}

TEST_CASE("a former fellow that answers is opened to, and one that cannot be told delays nobody") {
    if (!test::is_root()) return;
    CHECK(test::on_own_node([](const core::Site& site) {
              const fs::path state = site.run / "state";
              slurm::remember_fellows(shared_with(kFellow, "gone"), state);
              slurm::remember_fellows(shared_with("127.0.0.1"), state);
              const Machine machine;
              come_back_without_this_node(site, state);
              if (closings(site) != 2) return 1;
              slurm::FarewellPort port;
              std::jthread fellow([&](const std::stop_token& stop) {
                  while (!stop.stop_requested())
                      port.answer(site, std::chrono::milliseconds(100), [](const slurm::Farewell& one) {
                          return one.job == 0 && one.enclave == "hel";
                      });
              });
              if (!slurm::tell_all_fellows(site, std::chrono::seconds(60))) return 2;
              if (closings(site) != 1) return 3;
              Service job(7777);
              return job.hears(machine) == kNobody ? 0 : 4;
          }) == 0);
}

TEST_CASE("root forgets a former fellow who will never answer, and the node is open to it") {
    if (!test::is_root()) return;
    CHECK(test::on_own_node([](const core::Site& site) {
              const fs::path state = site.run / "state";
              slurm::remember_fellows(shared_with(kFellow, "gone"), state);
              slurm::remember_fellows(shared_with("10.9.9.7", "gone"), state);
              slurm::remember_fellows(shared_with(kFellow, "hel"), state);
              const Machine machine;
              come_back_without_this_node(site, state);
              const std::string host = core::short_host_name();
              const auto forget = [&](const char* enclave, const std::set<std::string>& which,
                                      bool dry_run = false) {
                  return slurm::forget(site, host, slurm::SlurmConf{}, enclave, which, dry_run, state);
              };
              Service job(7777);
              if (forget("gone", {}, true).size() != 2 || job.hears(machine) != kNobody) return 1;
              if (forget("gone", {kFellow}).size() != 1) return 2;
              if (job.hears(machine) != kNobody) return 3;  // it was one in hel as well
              if (slurm::remembered_fellows(state).at("gone") != std::set<std::string>{"10.9.9.7"}) return 4;
              if (forget("hel", {}) != std::set<std::string>{kFellow}) return 5;
              if (job.hears(machine) != kBoth) return 6;
              if (forget("gone", {}).size() != 1 || !slurm::remembered_fellows(state).empty()) return 7;
              if (fs::exists(state / "fellows") || !forget("gone", {}).empty()) return 8;
              try {
                  forget("gone", {kFellow});  // it is not there
                  return 9;
              } catch (const core::Error& e) {
                  return e.fault() == core::Fault::usage ? 0 : 10;
              }
          }) == 0);
}

TEST_CASE("a node of the enclave's policy, or of a job that is here, is not forgotten") {
    if (!test::is_root()) return;
    CHECK(test::on_own_node([](const core::Site& site) {
              const fs::path state = site.run / "state";
              const std::string host = core::short_host_name();
              slurm::remember_fellows(shared_with(kFellow), state);
              const auto is_refused = [&] {
                  try {
                      slurm::forget(site, host, slurm::SlurmConf{}, "hel", {kFellow}, false, state);
                      return false;
                  } catch (const core::Error& e) {
                      return e.fault() == core::Fault::refused && !slurm::remembered_fellows(state).empty();
                  }
              };
              if (!is_refused()) return 1;  // nothing was ever published here
              publish(site, {host, "fellow"});
              if (!is_refused()) return 2;
              fs::remove(site.config / "keys" / "grant.pub");
              publish(site, {"fellow"});
              const slurm::JobFiles files(site, 7);
              core::make_directories(files.policy.parent_path());
              core::write_atomically(files.policy, slurm::to_json(shared_with(kFellow)), 0600);
              if (!is_refused()) return 3;
              fs::remove_all(files.policy.parent_path());
              return is_refused() ? 4 : 0;
          }) == 0);
}

TEST_CASE("fellows that cannot be looked for are not none") {
    const test::Scratch scratch;
    CHECK(slurm::remembered_fellows(scratch.path()).empty());
    fs::create_symlink("fellows", scratch / "fellows");  // and round and round
    CHECK_THROWS_AS(slurm::remembered_fellows(scratch.path()), core::Error);
    CHECK_THROWS_AS(slurm::remember_fellows(shared_with(kFellow), scratch.path()), core::Error);
}

TEST_CASE("a node that cannot tell who its fellows were is not closed after its boot") {
    if (!test::is_root()) return;
    CHECK(test::on_own_node([](const core::Site& site) {
              const fs::path state = site.run / "state";
              publish_without_this_node(site);
              core::make_directories(state);
              core::write_atomically(state / "fellows", "10.9.9.9\n", 0600);  // of which enclave?
              slurm::close_before_network("", state, site.run / "closed");
              const Machine machine;
              const slurm::Agent agent(site, "", state);
              Service job(7777), low(900);
              machine.sends(kNobody, 7777);
              if (low.hears(machine) != kBoth) return 1;
              if (slurm::has_closed_after_boot(site, std::chrono::milliseconds(0))) return 2;
              slurm::end_closing_before_network();
              return job.hears(machine) == kBoth ? 0 : 3;  // nothing came before
          }) == 0);
}
