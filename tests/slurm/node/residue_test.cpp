#include "slurm/node/residue.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <fstream>
#include <functional>
#include <string>
#include <thread>

#include "core/base/child.h"
#include "core/base/files.h"
#include "slurm/node/cgroup.h"
#include "support/scratch.h"

namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
constexpr std::uint32_t kAccount = 54321;

// In a network of its own, whose tables are nobody else's. `work` returns 0, or the number of what is wrong.
int in_own_network(const std::function<int()>& work) {
    const pid_t child = ::fork();
    if (child == 0) {
        if (::unshare(CLONE_NEWNET)) ::_exit(100);
        const core::Fd any(::socket(AF_INET, SOCK_DGRAM, 0));
        ifreq loopback{};
        std::copy_n("lo", 3, loopback.ifr_name);
        loopback.ifr_flags = IFF_UP | IFF_RUNNING;
        if (::ioctl(any.get(), SIOCSIFFLAGS, &loopback)) ::_exit(101);
        ::_exit(work());
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFEXITED(status));
    return WEXITSTATUS(status);
}

sockaddr_in at(const char* address, std::uint16_t port) {
    sockaddr_in one{};
    one.sin_family = AF_INET;
    one.sin_port = htons(port);
    ::inet_pton(AF_INET, address, &one.sin_addr);
    return one;
}

template <class Call>
bool with(Call call, const core::Fd& socket, const sockaddr_in& address) {
    return call(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

// A connection between two addresses that say something, closed at both ends: it stays in TIME_WAIT.
bool leave_a_connection(const char* from, const char* to) {
    const core::Fd server(::socket(AF_INET, SOCK_STREAM, 0));
    core::Fd client(::socket(AF_INET, SOCK_STREAM, 0));
    const int one = 1;
    ::setsockopt(server.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (!with(::bind, server, at("0.0.0.0", 20777)) || ::listen(server.get(), 8) ||
        !with(::bind, client, at(from, 0)) || !with(::connect, client, at(to, 20777)))
        return false;
    const core::Fd served(::accept(server.get(), nullptr, nullptr));
    ::shutdown(client.get(), SHUT_WR);
    char byte = 0;
    return served.is_open() && ::read(served.get(), &byte, 1) == 0;
}

int connections() {  // beside those of a process
    std::ifstream table("/proc/thread-self/net/tcp");
    std::string line;
    return static_cast<int>(
               std::count_if(std::istreambuf_iterator<char>(table), {}, [](char c) { return c == '\n'; })) -
           1;
}

std::string metrics() {
    return core::output_of({"/usr/sbin/ip", "tcp_metrics", "show"}, 20s).value_or("");
}

}  // namespace

TEST_CASE("connections of a job that is over are forgotten, and what the kernel noted about their ends") {
    if (::geteuid() != 0) {
        WARN("skipped: needs root");
        return;
    }
    CHECK(in_own_network([] {
              for (int n = 0; n < 5; ++n)
                  if (!leave_a_connection("127.65.66.67", "127.68.69.70")) return 1;
              if (connections() < 5) return 2;
              if (metrics().find("127.68.69.70") == std::string::npos) return 3;
              std::string left;
              if (!slurm::forget_sockets(kAccount, 70s, left) || !left.empty()) return 4;
              if (connections() != 0) return 5;
              if (!slurm::forget_tcp_metrics()) return 6;
              return metrics().find("127.") == std::string::npos ? 0 : 7;
          }) == 0);
}

TEST_CASE("a connection that a process has is not touched") {
    if (::geteuid() != 0) {
        WARN("skipped: needs root");
        return;
    }
    CHECK(in_own_network([] {
              const core::Fd server(::socket(AF_INET, SOCK_STREAM, 0)),
                  client(::socket(AF_INET, SOCK_STREAM, 0));
              if (!with(::bind, server, at("127.0.0.1", 20778)) || ::listen(server.get(), 8) ||
                  !with(::connect, client, at("127.0.0.1", 20778)))
                  return 1;
              const core::Fd served(::accept(server.get(), nullptr, nullptr));
              std::string left;
              if (!slurm::forget_sockets(kAccount, 1s, left)) return 2;
              char byte = 'x';
              return ::write(client.get(), &byte, 1) == 1 && ::read(served.get(), &byte, 1) == 1 ? 0 : 3;
          }) == 0);
}

TEST_CASE(
    "what a daemon of the job could not send to a node that left is forgotten, and nothing else of a "
    "daemon's") {
    if (::geteuid() != 0) {
        WARN("skipped: needs root");
        return;
    }
    std::ifstream own("/proc/self/cgroup");
    std::string below;
    for (std::string line; std::getline(own, line);)
        if (line.starts_with("0::")) below = line.substr(3);
    const auto ids = slurm::cgroup_ids(slurm::cgroup_root().string() + below);
    REQUIRE_FALSE(ids.empty());
    CHECK(in_own_network([&] {
              const auto address = [](const char* what, const char* which) {
                  return core::output_of({"/usr/sbin/ip", "addr", what, which, "dev", "lo"}, 20s).has_value();
              };
              if (!address("add", "10.9.9.1/32") || !address("add", "10.9.9.9/32")) return 1;
              const core::Fd server(::socket(AF_INET, SOCK_STREAM, 0));
              core::Fd client(::socket(AF_INET, SOCK_STREAM, 0));
              if (!with(::bind, server, at("10.9.9.9", 20779)) || ::listen(server.get(), 8) ||
                  !with(::bind, client, at("10.9.9.1", 0)) || !with(::connect, client, at("10.9.9.9", 20779)))
                  return 2;
              const core::Fd served(::accept(server.get(), nullptr, nullptr));
              if (!address("del", "10.9.9.9/32")) return 3;  // the node has left: nothing arrives there
              if (::write(client.get(), "x", 1) != 1) return 4;
              client = core::Fd();
              const int waiting = connections();
              std::string left;
              for (const slurm::Parted& another :
                   {slurm::Parted{ids, {"10.9.9.8"}}, slurm::Parted{{~0ULL}, {"10.9.9.9"}}})
                  if (!slurm::forget_sockets(kAccount, 1s, left, another) || connections() != waiting)
                      return 5;
              if (!slurm::forget_sockets(kAccount, 1s, left, {ids, {"10.9.9.9"}}) || !left.empty()) return 6;
              return connections() == waiting - 1 ? 0 : 7;
          }) == 0);
}

TEST_CASE("cached pages of a file are forgotten") {
    if (::geteuid() != 0) {
        WARN("skipped: needs root");
        return;
    }
    const fs::path file =
        fs::current_path() / ("pages-" + std::to_string(::getpid()));  // on a disk, unlike /tmp
    core::write_atomically(file, std::string(1 << 16, 'x'));
    const core::Fd fd(::open(file.c_str(), O_RDONLY));
    fs::remove(file);
    std::array<char, 4096> page{};
    const iovec where{page.data(), page.size()};
    const auto is_cached = [&] { return ::preadv2(fd.get(), &where, 1, 0, RWF_NOWAIT) > 0; };
    // A cluster that another test runs on this machine may forget all pages just then.
    bool answers = false;
    for (int round = 0; round < 20 && !answers; ++round) {
        REQUIRE(::pread(fd.get(), page.data(), page.size(), 0) > 0);
        answers = is_cached();
    }
    if (!answers) {
        WARN("skipped: this file system does not answer RWF_NOWAIT");
        return;
    }
    // A page that was just written may be in the kernel's hand for a while yet.
    for (int round = 0; round < 50 && is_cached(); ++round) {
        CHECK(slurm::forget_page_cache());
        if (is_cached()) std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    CHECK_FALSE(is_cached());
}

TEST_CASE("flow labels are waited for; only the account's own are its fault") {
    const test::Scratch scratch;
    const std::string head = "Label S Owner  Users  Linger Expires  Dst                              Opt\n";
    const auto after = [&](const std::string& rows, bool& gone) {
        core::write_atomically(scratch / "table", head + rows);
        std::string left;
        gone = slurm::wait_for_flow_labels(kAccount, scratch / "table", 0ms, left);
        return left;
    };
    const auto row = [](int share, std::uint32_t owner) {
        return "0BEEF " + std::to_string(share) + "   " + std::to_string(owner) +
               "      0      6      59       fd00::1 0\n";
    };
    bool gone = false;
    CHECK(after("", gone).empty());
    CHECK(gone);
    CHECK(after(row(3, 1234), gone).empty());  // somebody else's
    CHECK(gone);
    CHECK_THAT(after(row(3, kAccount), gone), Catch::Contains("flow labels"));
    CHECK_FALSE(gone);
    CHECK(after(row(255, 0), gone).empty());  // anybody's: a warning on record, no drained node
    CHECK_FALSE(gone);
}

TEST_CASE("folders where everybody may write are found on this node's own file systems, and no others") {
    if (::geteuid() != 0) {
        WARN("skipped: needs root");
        return;
    }
    const test::Scratch scratch;
    const auto open_to_all = [&](const std::string& name) {
        core::make_directories(scratch / name);
        REQUIRE(::chmod((scratch / name).c_str(), 01777) == 0);
        return scratch / name;
    };
    const fs::path lock = open_to_all("local/run/lock"), shared = open_to_all("parallel/world"),
                   work = open_to_all("work/world"), deep = open_to_all("local/a/b/c/d/e/f/g");
    open_to_all("local/run/lock/below");
    fs::create_directory_symlink(shared, scratch / "local/link");
    const auto mount = [&](const char* device, const std::string& name, const char* type) {
        return "30 1 " + std::string(device) + " / " + (scratch / name).string() + " rw shared:1 - " + type +
               " x rw\n";
    };
    core::write_atomically(
        scratch / "mounts",
        mount("0:50", "local", "ext4") + mount("0:51", "parallel", "lustre") + mount("0:52", "work", "xfs"));
    const auto found = slurm::writable_folders(scratch / "mounts", {scratch / "work/enclaves"});
    const auto has = [&](const fs::path& path) {
        return std::find(found.begin(), found.end(), path) != found.end();
    };
    CHECK(has(lock));
    CHECK_FALSE(has(lock / "below"));  // scrub_files goes there by itself
    CHECK_FALSE(has(shared));
    CHECK_FALSE(has(work));  // what holds the workspaces is shared, whatever its type
    CHECK_FALSE(has(deep));
    CHECK(found.size() == 1);
}
