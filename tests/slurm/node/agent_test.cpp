#include "slurm/node/agent.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "core/base/child.h"
#include "core/base/files.h"
#include "core/base/time.h"
#include "core/ledger/spool.h"
#include "slurm/fence/fence_bpf.h"
#include "slurm/fence/gate.h"
#include "slurm/fence/ingress.h"
#include "slurm/node/boot.h"
#include "slurm/node/cgroup.h"
#include "support/own_node.h"
#include "support/published.h"

// The agent itself, without its rounds. With Slurm, and as jobs see it: tests/cluster.

namespace {

namespace fs = std::filesystem;
constexpr const char* kFellow = "10.9.9.9";

// On every interface.
bool stands(std::uint32_t priority) {
    for (const int interface : slurm::interfaces_but_lo()) {
        const bpf_tc_hook hook = slurm::ingress_of(interface);
        bpf_tc_opts options = slurm::place_at(priority);
        if (bpf_tc_query(&hook, &options)) return false;
    }
    return true;
}

bool is_closed_as_it_booted() {
    const auto tables = core::output_of({"/usr/sbin/nft", "list", "tables"}, std::chrono::seconds(20));
    return tables.value().find("table ip aloft_boot") != std::string::npos;
}

// As a fellow's Epilog or agent says it, from below 1024.
class Fellow {
public:
    explicit Fellow(const core::Site& site) : site_(site), fd_(::socket(AF_INET, SOCK_DGRAM, 0)) {
        const sockaddr_in own = at(900), agent = at(slurm::kFarewellPort);
        if (::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own) ||
            ::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&agent), sizeof agent))
            throw std::runtime_error("cannot talk to the agent");
    }
    void says(std::uint32_t job, const std::string& start, const std::vector<std::string>& own,
              const std::string& nonce) {
        const std::string text =
            slurm::seal(site_, {slurm::Farewell::Kind::left, "hel", job, start, own, "127.0.0.1", nonce});
        if (::send(fd_.get(), text.data(), text.size(), 0) < 0)
            throw std::runtime_error("cannot talk to the agent");
    }
    // The nonce of the next answer.
    std::string answer() {
        const timeval patience{60, 0};
        ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        char text[4096];
        const ssize_t got = ::recv(fd_.get(), text, sizeof text, 0);
        return got > 0
                   ? slurm::open_farewell(site_, std::string_view(text, static_cast<std::size_t>(got))).nonce
                   : "none";
    }

private:
    static sockaddr_in at(std::uint16_t port) {
        sockaddr_in one{};
        one.sin_family = AF_INET;
        one.sin_port = htons(port);
        one.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return one;
    }
    core::Site site_;
    core::Fd fd_;
};

// A job's run on this node, with one fellow.
struct Run {
    std::uint32_t job = 4'000'000'000u + static_cast<std::uint32_t>(::getpid());
    fs::path part = slurm::is_pure_cgroup2()
                        ? slurm::cgroup_root() / ("job_" + std::to_string(job)) / "step_0"
                        : slurm::part_cgroup(job, slurm::Part::step);
    fs::path tasks = slurm::is_pure_cgroup2() ? part / "user" : slurm::task_cgroup(job, slurm::Part::step);
    const core::Site& site;

    Run(const core::Site& where, const std::string& start) : site(where) {
        slurm::Policy policy;
        policy.ruling = slurm::Ruling::enclave;
        policy.job = job;
        policy.enclave = "hel";
        policy.start = start;
        policy.began = core::now_seconds();
        policy.peers = {{kFellow, PEER_FELLOW, {}}};
        const slurm::JobFiles files(site, job);
        core::make_directories(files.folder, 0700);
        core::write_atomically(files.policy, slurm::to_json(policy), 0400);
        fs::create_directories(tasks);
    }
    ~Run() {
        std::error_code none;
        fs::remove_all(slurm::JobFiles(site, job).folder, none);
        for (const fs::path& one : {tasks, part, part.parent_path(), part.parent_path().parent_path()})
            ::rmdir(one.c_str());
    }
    bool is_cut() const {
        const core::Fd folder(::open(tasks.c_str(), O_RDONLY | O_DIRECTORY));
        std::uint32_t programs[8] = {}, count = 8;
        return !bpf_prog_query(folder.get(), BPF_CGROUP_INET_EGRESS, 0, nullptr, programs, &count) && count;
    }
};

}  // namespace

TEST_CASE(
    "a gate that is nobody's, and what a boot closed, stand until the agent has closed the node after it") {
    if (!test::is_root()) return;
    CHECK(test::on_own_node([](const core::Site& site) {
              slurm::Policy before;
              before.job = 17;
              before.enclave = "hel";
              slurm::close_gate(site, before);
              fs::remove(site.run / "gate");  // with the power went who it was for
              if (!stands(slurm::kGatePriority)) return 1;
              const std::string slurm_conf = (site.config / "slurm.conf").string();
              core::write_atomically(slurm_conf, "SlurmctldHost=ctld\n");
              before.peers = {{kFellow, PEER_FELLOW, {}}};
              slurm::remember_fellows(before, site.run / "state");
              slurm::close_before_network(slurm_conf, site.run / "state", site.run / "closed");
              slurm::Agent(site, slurm_conf,
                           site.run / "state");  // nothing has come to this host yet: whose fellow was it?
              if (!stands(slurm::kGatePriority) || !is_closed_as_it_booted()) return 2;
              if (stands(slurm::kCutPriority)) return 3;

              test::Published published(site, core::now_seconds(), core::now_seconds() + 60);
              core::Enclave hel;
              hel.name = hel.partition = "hel";
              hel.accounts = {"e-alice"};
              hel.nodes = {core::short_host_name(), "fellow"};
              hel.software = {"/opt/aloft"};
              hel.max_minutes = 60;
              hel.networks = {core::parse_network("10.9.9.0/24")};
              hel.addresses["fellow"] = {core::parse_network("10.9.9.9/32").address};
              published.policy(hel, {{"e-alice", 70001}});
              slurm::Agent(site, slurm_conf, site.run / "state");
              if (!stands(slurm::kCutPriority)) return 4;
              if (is_closed_as_it_booted()) return 6;
              return stands(slurm::kGatePriority) ? 5 : 0;
          }) == 0);
}

TEST_CASE("a node that came back and does not say its addresses is not told that all is cut") {
    if (!test::is_root()) return;
    CHECK(test::on_own_node([](const core::Site& site) {
              const slurm::Agent agent(site, "", site.run / "state");
              Fellow fellow(site);
              const std::string now = std::to_string(core::now_seconds());
              fellow.says(0, now, {}, "aa");
              fellow.says(0, now, {kFellow}, "bb");
              return fellow.answer() == "bb" ? 0 : 1;  // the agent answers in order
          }) == 0);
}

TEST_CASE("a run that is started again is cut like the one before, where that one's cgroups were") {
    if (!test::is_root()) return;
    CHECK(test::on_own_node([](const core::Site& site) {
              const slurm::Agent agent(site, "", site.run / "state");
              Fellow fellow(site);
              for (const char* start : {"0", "1"}) {
                  const Run run(site, start);
                  if (run.is_cut()) return 1;
                  fellow.says(run.job, start, {kFellow}, start);
                  if (fellow.answer() != start) return 2;
                  if (!run.is_cut()) return start[0] == '0' ? 3 : 4;
              }
              return 0;
          }) == 0);
}
