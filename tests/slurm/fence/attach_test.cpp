// What counts as a fence, on cgroups of the running kernel.
#include <fcntl.h>
#include <linux/bpf.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>

#include "core/base/error.h"
#include "core/base/files.h"
#include "slurm/decide/policy.h"
#include "slurm/fence/fence.h"
#include "slurm/fence/fence_check.h"

namespace fs = std::filesystem;

namespace {

struct Hook {
    bpf_attach_type where;
    bpf_prog_type type;
    const char* name;
};
constexpr Hook kHooks[] = {
    {BPF_CGROUP_INET4_CONNECT, BPF_PROG_TYPE_CGROUP_SOCK_ADDR, "fence_connect4"},
    {BPF_CGROUP_INET6_CONNECT, BPF_PROG_TYPE_CGROUP_SOCK_ADDR, "fence_connect6"},
    {BPF_CGROUP_UDP4_SENDMSG, BPF_PROG_TYPE_CGROUP_SOCK_ADDR, "fence_sendmsg4"},
    {BPF_CGROUP_UDP6_SENDMSG, BPF_PROG_TYPE_CGROUP_SOCK_ADDR, "fence_sendmsg6"},
    {BPF_CGROUP_INET_SOCK_CREATE, BPF_PROG_TYPE_CGROUP_SOCK, "fence_socket"},
    {BPF_CGROUP_INET_EGRESS, BPF_PROG_TYPE_CGROUP_SKB, "fence_egress"},
    {BPF_CGROUP_INET_INGRESS, BPF_PROG_TYPE_CGROUP_SKB, "fence_ingress"},
};

long call(bpf_cmd command, bpf_attr& attr) {
    return ::syscall(SYS_bpf, command, &attr, sizeof attr);
}

// A map as the fence's constants are in, which begin with the job.
core::Fd constants_of(std::uint64_t job) {
    bpf_attr attr{};
    attr.map_type = BPF_MAP_TYPE_ARRAY;
    attr.key_size = sizeof(std::uint32_t);
    attr.value_size = sizeof job;
    attr.max_entries = 1;
    std::strcpy(attr.map_name, "fence_bp.rodata");
    core::Fd map(static_cast<int>(call(BPF_MAP_CREATE, attr)));
    REQUIRE(map.is_open());
    const std::uint32_t first = 0;
    bpf_attr value{};
    value.map_fd = static_cast<std::uint32_t>(map.get());
    value.key = reinterpret_cast<std::uint64_t>(&first);
    value.value = reinterpret_cast<std::uint64_t>(&job);
    REQUIRE(call(BPF_MAP_UPDATE_ELEM, value) == 0);
    return map;
}

// As a site's own software might: lets everything pass. It carries the constants of `job`.
core::Fd foreign_program(const Hook& hook, const char* name, std::uint64_t job = 0) {
    const core::Fd constants = constants_of(job);
    const std::array<bpf_insn, 4> text = {
        bpf_insn{.code = BPF_LD | BPF_DW | BPF_IMM,
                 .dst_reg = 1,
                 .src_reg = BPF_PSEUDO_MAP_FD,
                 .off = 0,
                 .imm = constants.get()},
        bpf_insn{},
        bpf_insn{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 1},
        bpf_insn{.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
    bpf_attr attr{};
    attr.prog_type = hook.type;
    attr.expected_attach_type = hook.where;
    attr.insns = reinterpret_cast<std::uint64_t>(text.data());
    attr.insn_cnt = text.size();
    attr.license = reinterpret_cast<std::uint64_t>("GPL");
    std::strncpy(attr.prog_name, name, sizeof attr.prog_name - 1);
    core::Fd program(static_cast<int>(call(BPF_PROG_LOAD, attr)));
    REQUIRE(program.is_open());
    return program;
}

bool change(bpf_cmd command, int program, int cgroup, bpf_attach_type where) {
    bpf_attr attr{};
    attr.target_fd = static_cast<std::uint32_t>(cgroup);
    attr.attach_bpf_fd = static_cast<std::uint32_t>(program);
    attr.attach_type = where;
    attr.attach_flags = command == BPF_PROG_ATTACH ? BPF_F_ALLOW_MULTI : 0;
    return call(command, attr) == 0;
}

// The only program that is attached there.
core::Fd program_on(int cgroup, bpf_attach_type where) {
    std::uint32_t id = 0;
    bpf_attr query{};
    query.query.target_fd = static_cast<std::uint32_t>(cgroup);
    query.query.attach_type = where;
    query.query.prog_ids = reinterpret_cast<std::uint64_t>(&id);
    query.query.prog_cnt = 1;
    REQUIRE(call(BPF_PROG_QUERY, query) == 0);
    bpf_attr attr{};
    attr.prog_id = id;
    return core::Fd(static_cast<int>(call(BPF_PROG_GET_FD_BY_ID, attr)));
}

// A job's cgroup and the part of it that is fenced; no process is in either.
class Cgroup {
public:
    Cgroup() {
        std::string name = (slurm::cgroup_root() / "aloft-test-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()));
        job_ = name;
        REQUIRE(::mkdir(part().c_str(), 0755) == 0);
        fd_ = core::Fd(::open(part().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    }
    Cgroup(const Cgroup&) = delete;
    Cgroup& operator=(const Cgroup&) = delete;
    ~Cgroup() {
        for (const fs::path& folder : {part() / "tasks", part(), job_}) ::rmdir(folder.c_str());
    }
    fs::path part() const { return job_ / "step"; }
    int fd() const { return fd_.get(); }
    std::uint64_t job() const {  // as the fence knows it
        struct stat status {};
        REQUIRE(::stat(job_.c_str(), &status) == 0);
        return status.st_ino;
    }
    void fence() const { slurm::attach_session_fence(part(), {}, std::vector<std::uint8_t>(CLOSED_BYTES)); }

private:
    fs::path job_;
    core::Fd fd_;
};

bool is_root() {
    if (::geteuid() == 0) return true;
    WARN("skipped: needs root");
    return false;
}

constexpr const char* kNone = "the job's cgroup has no fence on it";

}  // namespace

TEST_CASE("programs of others on a job's cgroup are no fence, by whatever name") {
    if (!is_root()) return;
    const bool same_names = GENERATE(false, true);
    const Cgroup cgroup;
    // Of the same name, or with the same job: either alone is not enough.
    for (const Hook& hook : kHooks)
        REQUIRE(change(
            BPF_PROG_ATTACH,
            foreign_program(hook, same_names ? hook.name : "site_accounting", same_names ? 0 : cgroup.job())
                .get(),
            cgroup.fd(), hook.where));
    CHECK_THROWS_WITH(slurm::require_fence(cgroup.fd()), kNone);
    cgroup.fence();  // beside them, and behind them: it is found
    CHECK_NOTHROW(slurm::require_fence(cgroup.fd()));
}

TEST_CASE("a fence that lacks one program is none, even if another's program stands there") {
    if (!is_root()) return;
    for (const Hook& hook : kHooks) {
        CAPTURE(hook.name);
        const Cgroup cgroup;
        cgroup.fence();
        CHECK_NOTHROW(slurm::require_fence(cgroup.fd()));
        REQUIRE(change(BPF_PROG_DETACH, program_on(cgroup.fd(), hook.where).get(), cgroup.fd(), hook.where));
        CHECK_THROWS_WITH(slurm::require_fence(cgroup.fd()), kNone);
        REQUIRE(change(BPF_PROG_ATTACH, foreign_program(hook, hook.name).get(), cgroup.fd(), hook.where));
        CHECK_THROWS_WITH(slurm::require_fence(cgroup.fd()), kNone);
    }
}

TEST_CASE("the fence of one job is none for another") {
    if (!is_root()) return;
    const Cgroup one, other;
    one.fence();
    for (const Hook& hook : kHooks)
        REQUIRE(change(BPF_PROG_ATTACH, program_on(one.fd(), hook.where).get(), other.fd(), hook.where));
    CHECK_NOTHROW(slurm::require_fence(one.fd()));
    CHECK_THROWS_WITH(slurm::require_fence(other.fd()), kNone);
}
