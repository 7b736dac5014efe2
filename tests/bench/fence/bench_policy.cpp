// What the fence's programs cost, packet by packet, and what it takes to attach them, with few and with many
// nodes in their map. Two hosts of a test cluster (network namespaces with a cable between them):
//   bench_policy serve                                   answers; on the other host
//   bench_policy measure --own A --to B [--rounds N] [--layers fence|wall|both]   root; prints a line of JSON per round and policy
// A process without privileges in a fresh cgroup sends to B: round trips over UDP and TCP (best batch,
// microseconds), and datagrams that nobody answers (best batch, thousands a second). "fellows": 0 is no
// fence.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/tool.h"
#include "slurm/fence/fence.h"
#include "slurm/fence/fence_bpf.h"
#include "slurm/fence/wall.h"
#include "slurm/node/cgroup.h"
#include "slurm/node/network.h"

namespace {

using core::Error;
using core::Fault;
using Clock = std::chrono::steady_clock;

constexpr std::uint16_t kUdpEcho = 9001, kTcpEcho = 9002, kUdpSink = 9003;
constexpr std::array<int, 4> kFellows = {0, 1, 10, 1000};
constexpr uid_t kNobody = 65534;
constexpr std::uint32_t kBench = 4294967295;  // no job has this number

long must(long result, const char* doing) {
    if (result < 0) throw Error(Fault::system, core::with_errno(doing, errno));
    return result;
}

sockaddr_in address(const std::string& text, std::uint16_t port) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    if (inet_pton(AF_INET, text.c_str(), &to.sin_addr) != 1) throw Error(Fault::usage, "not an address");
    return to;
}

core::Fd open_socket(int type) {
    core::Fd fd(static_cast<int>(must(::socket(AF_INET, type | SOCK_CLOEXEC, 0), "cannot open a socket")));
    const int yes = 1;
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (type == SOCK_STREAM) ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    return fd;
}

core::Fd bound(int type, std::uint16_t port) {
    core::Fd fd = open_socket(type);
    const sockaddr_in any = address("0.0.0.0", port);
    must(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any), "cannot bind");
    return fd;
}

core::Fd connected(int type, const std::string& to, std::uint16_t port) {
    core::Fd fd = open_socket(type);
    const sockaddr_in where = address(to, port);
    must(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&where), sizeof where), "cannot connect");
    return fd;
}

[[noreturn]] void serve() {
    const core::Fd echo = bound(SOCK_DGRAM, kUdpEcho), listener = bound(SOCK_STREAM, kTcpEcho),
                   sink = bound(SOCK_DGRAM, kUdpSink);  // never read: what overflows its buffer is dropped
    must(::listen(listener.get(), 8), "cannot listen");
    core::Fd talk;
    std::array<char, 64> buffer{};
    for (;;) {
        std::array<pollfd, 3> wanted = {
            pollfd{echo.get(), POLLIN, 0}, {listener.get(), POLLIN, 0}, {talk.get(), POLLIN, 0}};
        must(::poll(wanted.data(), wanted.size(), -1), "cannot poll");
        if (wanted[0].revents) {
            sockaddr_in from{};
            socklen_t size = sizeof from;
            const ssize_t got = ::recvfrom(echo.get(), buffer.data(), buffer.size(), 0,
                                           reinterpret_cast<sockaddr*>(&from), &size);
            if (got > 0)
                ::sendto(echo.get(), buffer.data(), static_cast<std::size_t>(got), 0,
                         reinterpret_cast<sockaddr*>(&from), size);
        }
        if (wanted[1].revents) {
            talk = core::Fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
            const int yes = 1;
            ::setsockopt(talk.get(), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
            continue;
        }
        if (wanted[2].revents) {
            const ssize_t got = ::recv(talk.get(), buffer.data(), buffer.size(), 0);
            if (got <= 0 ||
                ::send(talk.get(), buffer.data(), static_cast<std::size_t>(got), MSG_NOSIGNAL) < 0)
                talk = core::Fd();
        }
    }
}

// Seconds per call in the best of many short batches: other load only ever adds.
template <class Call>
double best(int batches, int calls, Call call) {
    double least = std::numeric_limits<double>::max();
    for (int batch = 0; batch < batches; ++batch) {
        const auto begin = Clock::now();
        for (int i = 0; i < calls; ++i) call();
        least = std::min(least, std::chrono::duration<double>(Clock::now() - begin).count() / calls);
    }
    return least;
}

double round_trip_us(const core::Fd& fd) {
    char byte = 'x';
    return 1e6 * best(60, 50, [&] {
               must(::send(fd.get(), &byte, 1, 0), "cannot send");
               must(::recv(fd.get(), &byte, 1, 0), "nothing came back");
           });
}

struct Figures {
    double udp_us = 0, tcp_us = 0, thousand_sends = 0;
};

Figures talk(const std::string& to) {
    Figures figures;
    figures.udp_us = round_trip_us(connected(SOCK_DGRAM, to, kUdpEcho));
    figures.tcp_us = round_trip_us(connected(SOCK_STREAM, to, kTcpEcho));
    const core::Fd sink = connected(SOCK_DGRAM, to, kUdpSink);
    const std::array<char, 32> text{};
    figures.thousand_sends =
        1e-3 / best(60, 500, [&] { (void)::send(sink.get(), text.data(), text.size(), 0); });
    return figures;
}

// In a child: in the cgroup, and nobody's.
Figures talk_inside(const std::filesystem::path& cgroup, const std::string& to) {
    std::array<int, 2> ends{};
    must(::pipe(ends.data()), "cannot make a pipe");
    const core::Fd read_end(ends[0]), write_end(ends[1]);
    const auto child = static_cast<pid_t>(must(::fork(), "cannot fork"));
    if (child == 0) try {
            const core::Fd procs(::open((cgroup / "cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
            core::write_all(procs.get(), core::view("0"));
            must(::setgid(kNobody), "cannot give up the group");
            must(::setuid(kNobody), "cannot give up root");
            const Figures figures = talk(to);
            must(::write(write_end.get(), &figures, sizeof figures), "cannot tell the figures");
            ::_exit(0);
        } catch (const std::exception& e) {
            std::fprintf(stderr, "bench_policy: %s\n", e.what());
            ::_exit(4);
        }
    int status = -1;
    Figures figures;
    if (::waitpid(child, &status, 0) != child || status != 0 ||
        ::read(read_end.get(), &figures, sizeof figures) != sizeof figures)
        throw Error(Fault::system, "the measuring process failed");
    return figures;
}

// By which interface of this host `to` is reached.
std::uint32_t interface_to(const std::string& to) {
    const auto route = slurm::look_at_network({}).route(core::parse_ip4(to));
    if (!route) throw Error(Fault::usage, "no route");
    return route->interface;
}

slurm::Policy policy(int fellows, const std::string& own, const std::string& to) {
    slurm::Policy policy;
    const std::uint32_t card = interface_to(to);
    policy.job = kBench;
    auto& peers = policy.peers;
    peers = {{own, PEER_SELF, {}}, {to, PEER_FELLOW, {card}}};
    for (int i = 1; i < fellows; ++i)  // documentation's addresses would be too few: benchmarking's, RFC 2544
        peers.push_back(
            {"198.18." + std::to_string(i / 250) + "." + std::to_string(1 + i % 250), PEER_FELLOW, {card}});
    return policy;
}

enum class Layers { fence, wall, both };

void measure(const std::string& own, const std::string& to, int rounds, Layers layers) {
    const auto job = slurm::cgroup_root() / "aloft-bench", cgroup = job / "step";
    core::Site site;
    site.run = "/run/aloft-bench";
    core::make_directories(slurm::JobFiles(site, kBench).folder, 0700);
    for (int round = 0; round < rounds; ++round)
        for (const int fellows : kFellows) {
            core::make_directories(cgroup, 0755);
            const slurm::Policy peers = policy(fellows, own, to);
            const auto begin = Clock::now();
            if (fellows && layers != Layers::wall) slurm::attach_fence(cgroup, slurm::Part::step, peers);
            if (fellows && layers != Layers::fence)
                slurm::raise_wall(site, peers, {{cgroup, slurm::Part::step}});
            const std::chrono::duration<double, std::milli> attach = Clock::now() - begin;
            const Figures figures = talk_inside(cgroup, to);
            slurm::take_wall_down(site, kBench);
            slurm::remove_cgroup(cgroup);
            slurm::remove_cgroup(job);
            std::printf(
                "{\"round\": %d, \"fellows\": %d, \"attach_ms\": %.3f, \"udp_us\": %.3f, \"tcp_us\": %.3f, "
                "\"thousand_sends\": %.1f}\n",
                round, fellows, fellows ? attach.count() : 0.0, figures.udp_us, figures.tcp_us,
                figures.thousand_sends);
            std::fflush(stdout);
        }
    std::filesystem::remove_all(site.run);
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{
        "Cost of the fence's network programs, by number of nodes in their map. See tests/bench/fence/run."};
    app.require_subcommand(1);
    std::string own, to;
    int rounds = 7;
    Layers layers = Layers::both;
    const std::map<std::string, Layers> names{
        {"fence", Layers::fence}, {"wall", Layers::wall}, {"both", Layers::both}};
    auto* server = app.add_subcommand("serve", "Answer on the other host");
    auto* client = app.add_subcommand("measure", "Measure, as root");
    client->add_option("--own", own, "This host's address")->required();
    client->add_option("--to", to, "The other host's address")->required();
    client->add_option("--rounds", rounds)->capture_default_str();
    client
        ->add_option("--layers", layers, "The BPF programs, the table of nftables, or both as a job has them")
        ->transform(CLI::CheckedTransformer(names));
    return core::run_tool(app, argc, argv, [&] {
        if (*server) serve();
        measure(own, to, rounds, layers);
    });
}
