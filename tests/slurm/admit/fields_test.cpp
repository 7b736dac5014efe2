#include "slurm/admit/fields.h"

#include <dlfcn.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <cstring>
#include <set>

#include "core/base/error.h"
#include "slurm/admit/script.h"
#include "slurm/admit/submission.h"

// Slurm's allocator, as this test's own: it knows each block that admission makes, so that one of another
// allocator, one that is freed twice and one that is lost are seen. libslurm's lists of hosts have blocks of
// Slurm's real one, which takes those back.
namespace {
std::set<void*> g_blocks, g_freed;
void* note(void* block) {
    g_freed.erase(block);
    g_blocks.insert(block);
    return block;
}
}  // namespace
extern "C" {
char* slurm_xstrdup(const char* text) {
    return text ? static_cast<char*>(note(::strdup(text))) : nullptr;
}
void slurm_xfree(void** block) {
    if (*block) {
        REQUIRE_FALSE(g_freed.contains(*block));
        if (g_blocks.erase(*block) == 1) {
            g_freed.insert(*block);
            std::free(*block);
        } else {
            static const auto real = reinterpret_cast<void (*)(void**)>(::dlsym(RTLD_NEXT, "slurm_xfree"));
            real(block);
        }
    }
    *block = nullptr;
}
void* slurm_xcalloc(std::size_t count, std::size_t size, bool, bool, const char*, int, const char*) {
    return note(std::calloc(count, size));
}
}

namespace {

using slurm::Field;
using slurm::Kind;
using slurm::Rule;

constexpr std::int64_t kNow = 1'800'000'000;
constexpr const char* kMark = "PatientWang1945";
// As this release of slurmctld reads a GPU; the other form is none to it.
const std::string kGpu = SLURM_VERSION_NUMBER >= SLURM_VERSION_NUM(24, 11, 0) ? "gres/gpu" : "gres:gpu";

void put(char*& field, const char* text) {
    slurm_xfree(reinterpret_cast<void**>(&field));
    field = slurm_xstrdup(text);
}

char*& text_at(job_desc_msg_t& job, const Field& field) {
    return *reinterpret_cast<char**>(reinterpret_cast<char*>(&job) + field.offset);
}

// What sbatch sends for `sbatch script.sh`, freed at the end as slurmctld frees it.
struct Job {
    job_desc_msg_t desc;
    Job() {
        slurm_init_job_desc_msg(&desc);
        desc.het_job_offset = NO_VAL;
        desc.user_id = 70001;
        desc.min_nodes = 1;
        put(desc.script, "#!/bin/sh\ntrue\n");
        put(desc.work_dir, "/aloft/workspace/project");
        fill(desc.argv, desc.argc, {"/aloft/workspace/script.sh"});
        fill(desc.environment, desc.env_size, {"A=1"});
    }
    ~Job() {
        for (const Field& field : slurm::fields())
            if (field.kind == Kind::text) slurm_xfree(reinterpret_cast<void**>(&text_at(desc, field)));
        drop(desc.argv, desc.argc);
        drop(desc.environment, desc.env_size);
        drop(desc.spank_job_env, desc.spank_job_env_size);
    }
    static void drop(char** array, std::uint32_t count) {
        for (std::uint32_t i = 0; array && i < count; ++i) slurm_xfree(reinterpret_cast<void**>(&array[i]));
        slurm_xfree(reinterpret_cast<void**>(&array));
    }
    static void fill(char**& array, std::uint32_t& count, const std::vector<const char*>& words) {
        drop(array, count);
        count = static_cast<std::uint32_t>(words.size());
        array = static_cast<char**>(slurm_xcalloc(words.size() + 1, sizeof(char*), true, false, "", 0, ""));
        for (std::size_t i = 0; i < words.size(); ++i) array[i] = slurm_xstrdup(words[i]);
    }
};

std::vector<std::string> admit(Job& job) {
    slurm::Context context;
    context.enclave.name = context.enclave.partition = context.grant.enclave = "hel";
    context.enclave.accounts = {"e-alice"};
    context.enclave.nodes = {"node1", "node2", "node3"};
    context.enclave.max_minutes = 600;
    context.grant.id = "G-1";
    context.grant.account = context.account = "e-alice";
    context.grant.not_after = kNow + 86400;
    context.uid = 70001;
    context.now = kNow;
    context.kill_wait_seconds = 30;
    context.known = [] { return slurm::NodeWords{{"a100"}, {"a100", "nvme"}}; };
    context.find = [](std::uint32_t id) {
        return id < 100 ? slurm::JobOwner{slurm::JobOwner::State::known, 70001} : slurm::JobOwner{};
    };
    return slurm::admit_job(job.desc, context);
}

bool is_refused(Job& job) {
    try {
        admit(job);
        return false;
    } catch (const core::Error& e) {
        CHECK(e.fault() == core::Fault::refused);
        CHECK(std::strlen(e.what()) > 10);
        return true;
    }
}

// All texts that hang in the job, but the script and what the wrapper unpacks inside the fence.
std::string shown(job_desc_msg_t& job) {
    std::string all;
    for (const Field& field : slurm::fields())
        if (field.kind == Kind::text && std::string_view(field.name) != "script" && text_at(job, field))
            all += std::string(field.name) + "=" + text_at(job, field) + "\n";
    for (std::uint32_t i = 0; i < job.argc; ++i) all += std::string("argv ") + job.argv[i] + "\n";
    for (std::uint32_t i = 0; i < job.env_size; ++i) all += std::string("env ") + job.environment[i] + "\n";
    for (std::uint32_t i = 0; i < job.spank_job_env_size; ++i) all += job.spank_job_env[i];
    return all;
}

const Field& field_named(std::string_view name) {
    return *std::find_if(slurm::fields().begin(), slurm::fields().end(),
                         [&](const Field& field) { return field.name == name; });
}

}  // namespace

TEST_CASE("each byte of job_desc_msg_t belongs to one row of the table") {
    std::vector<Field> rows(slurm::fields().begin(), slurm::fields().end());
    std::sort(rows.begin(), rows.end(), [](const Field& a, const Field& b) { return a.offset < b.offset; });
    std::size_t end = 0;
    for (const Field& row : rows) {
        INFO(row.name);
        CHECK(row.offset >= end);
        const std::size_t alignment = row.size > 8 ? 1 : row.size;
        CHECK(row.offset == (end + alignment - 1) / alignment * alignment);  // nothing but padding before it
        CHECK((row.rule != Rule::refused || std::strlen(row.text) > 10));
        CHECK((row.rule != Rule::asked || (row.kind == Kind::number && row.most > 0)));
        CHECK((row.rule != Rule::unset || row.kind != Kind::other));
        end = row.offset + row.size;
    }
    CHECK((end + 7) / 8 * 8 == sizeof(job_desc_msg_t));
}

TEST_CASE("no text of a user's choice is left in a job, whichever field it is put into") {
    for (const Field& field : slurm::fields()) {
        if (field.kind != Kind::text || field.rule == Rule::slurms ||
            std::string_view(field.name) == "script")
            continue;
        INFO(field.name);
        for (const char* before :
             {"", "/aloft/workspace/", "gres:gpu:2,", "gres:gpu:", "a100&", "afterok:1:"}) {
            const std::string mark = std::string(before) + kMark;
            Job job;
            put(text_at(job.desc, field), mark.c_str());
            const bool refused = is_refused(job);
            if (field.rule == Rule::refused) CHECK(refused);
            if (!refused) CHECK(shown(job.desc).find(kMark) == std::string::npos);
        }
    }
}

TEST_CASE("no number of a user's choice is left in a job, but those that are asked for within their bounds") {
    const std::set<std::string> lists{"argc", "env_size", "spank_job_env_size"};  // lengths of lists
    for (const Field& field : slurm::fields()) {
        if (field.kind != Kind::number || field.rule == Rule::slurms || lists.contains(field.name)) continue;
        INFO(field.name);
        for (const std::uint64_t mark : {0x5A5A5A5A5A5A5A5Aull, 7ull}) {
            Job job;
            std::memcpy(reinterpret_cast<char*>(&job.desc) + field.offset, &mark, field.size);
            const std::uint64_t put = slurm::number_of(job.desc, field);
            const bool refused = is_refused(job);
            if (field.rule == Rule::refused) CHECK(refused);
            if (field.rule == Rule::asked && put > field.most) CHECK(refused);
            if (field.rule == Rule::unset && !refused) CHECK_FALSE(slurm::is_set(job.desc, field));
            if (refused || field.rule == Rule::asked) continue;
            const std::uint64_t left = slurm::number_of(job.desc, field);
            // What is asked in a field that admission writes: how long, how much, when to try.
            if (const std::string name = field.name; name == "time_limit" || name == "time_min")
                CHECK(left <= 600);
            else if (name == "pn_min_memory" || name == "bitflags")
                CHECK(left <= std::uint64_t{1} << 30);
            else
                CHECK(left != put);
        }
    }
}

TEST_CASE("lists of a user's choice: arguments and variables travel packed, those of plugins not at all") {
    Job job;
    Job::fill(job.desc.argv, job.desc.argc, {"/aloft/workspace/PatientWang1945.sh", kMark, "two words"});
    Job::fill(job.desc.environment, job.desc.env_size, {"NAME=PatientWang1945"});
    Job::fill(job.desc.spank_job_env, job.desc.spank_job_env_size, {"X=PatientWang1945"});
    CHECK(admit(job).empty());
    CHECK(shown(job.desc).find(kMark) == std::string::npos);
    CHECK(job.desc.argc == 1);
    CHECK(job.desc.argv[1] == nullptr);
    std::string call;
    for (std::uint32_t i = 0; i < job.desc.env_size; ++i)
        if (const std::string one = job.desc.environment[i]; one.starts_with("ALOFT_USER_CALL="))
            call = one.substr(16);
    const slurm::Call unpacked = slurm::unpack_call(call);
    CHECK(unpacked.folder == "/aloft/workspace/project");
    CHECK(unpacked.arguments == std::vector<std::string>{kMark, "two words"});
}

TEST_CASE("a list of none is NULL, and everything is Slurm's memory, freed once") {
    REQUIRE(g_blocks.empty());
    {
        Job job;
        Job::fill(job.desc.spank_job_env, job.desc.spank_job_env_size, {});
        REQUIRE(job.desc.spank_job_env != nullptr);  // as a plugin that has no variable may leave it
        admit(job);
        CHECK(job.desc.spank_job_env == nullptr);
        CHECK(job.desc.spank_job_env_size == 0);
        CHECK(job.desc.environment[job.desc.env_size] == nullptr);
        for (const Field& field : slurm::fields())
            if (field.kind == Kind::text && text_at(job.desc, field)) CHECK(*text_at(job.desc, field));
    }
    CHECK(g_blocks.empty());
}

TEST_CASE("what is asked for and may be asked for arrives") {
    Job job;
    put(job.desc.tres_per_node, "gres/gpu:a100:02");
    put(job.desc.tres_per_task, "gres:gpu:1");
    put(job.desc.features, "nvme&a100");
    put(job.desc.req_nodes, "node[2-3]");
    put(job.desc.array_inx, "1-20%4");
    put(job.desc.dependency, "afterok:17:18_2,singleton");
    job.desc.num_tasks = 8;
    job.desc.warn_signal = 10;
    job.desc.warn_time = 120;
    job.desc.priority = 0;
    job.desc.min_nodes = 2;
    admit(job);
    CHECK(job.desc.tres_per_node == kGpu + ":a100:2");
    CHECK(job.desc.tres_per_task == kGpu + ":1");
    CHECK(std::string(job.desc.features) == "a100&nvme");
    CHECK(std::string(job.desc.req_nodes) == "node2,node3");
    CHECK(std::string(job.desc.array_inx) == "1-20%4");
    CHECK(std::string(job.desc.dependency) == "afterok:17:18_2,singleton");
    CHECK(std::string(job.desc.std_out) == "/aloft/workspace/slurm-%A_%a.out");
    CHECK(job.desc.num_tasks == 8);
    CHECK(job.desc.warn_signal == 10);
    CHECK(job.desc.warn_time == 120);
    CHECK(job.desc.priority == 0);
    CHECK(std::string(job.desc.name) == "aloft");
}

TEST_CASE("processors of a task are no generic resource, wherever sbatch writes them") {
    Job job;
    job.desc.cpus_per_task = 2;
    put(job.desc.tres_per_task, "cpu=2");
    admit(job);
    CHECK(job.desc.tres_per_task == nullptr);
    CHECK(job.desc.cpus_per_task == 2);
    Job both;
    put(both.desc.tres_per_task, "cpu=2,gres/gpu:a100=1");
    admit(both);
    CHECK(both.desc.tres_per_task == kGpu + ":a100:1");
    Job other;
    put(other.desc.tres_per_task, "cpu=2,license/matlab=1");
    CHECK(is_refused(other));
}

TEST_CASE("every job is warned before its end, and run again, unless it says otherwise") {
    Job plain;
    plain.desc.warn_time = 7;
    plain.desc.warn_flags = KILL_JOB_BATCH;
    admit(plain);
    CHECK(plain.desc.warn_signal == 23);  // SIGURG
    CHECK(plain.desc.warn_time == 120);
    CHECK(plain.desc.warn_flags == 0);
    CHECK(plain.desc.requeue == 1);
    Job once;
    once.desc.requeue = 0;
    admit(once);
    CHECK(once.desc.requeue == 0);
}

TEST_CASE("heterogeneous jobs, those of scrontab and steps without a script are refused") {
    Job job;
    SECTION("heterogeneous") {
        job.desc.het_job_offset = 0;
    }
    SECTION("cron") {
        job.desc.bitflags |= CRON_JOB;
    }
    SECTION("a cron entry") {
        job.desc.crontab_entry = &job;
    }
    SECTION("no script") {
        put(job.desc.script, nullptr);
    }
    CHECK(is_refused(job));
}

TEST_CASE("an update holds or releases, and nothing else") {
    Job job;
    job_desc_msg_t update;
    const auto fresh = [&](std::uint32_t priority) {
        slurm_init_job_desc_msg(&update);
        update.job_id = 17;
        update.user_id = 70001;
        update.alloc_sid = 0;
        update.priority = priority;
    };
    for (const std::uint32_t priority : {0u, INFINITE}) {
        fresh(priority);
        CHECK(slurm::beyond_hold(update) == nullptr);
    }
    for (const std::uint32_t priority : {NO_VAL, 1u, 4'000'000'000u}) {
        fresh(priority);
        CHECK(slurm::beyond_hold(update) != nullptr);
    }
    const std::set<std::string> of_the_request{"job_id_str", "priority", "alloc_node", "alloc_sid",
                                               "het_job_offset"};
    for (const Field& field : slurm::fields()) {
        if (field.rule == Rule::slurms || of_the_request.contains(field.name)) continue;
        INFO(field.name);
        fresh(0);
        char text[] = "x";
        char* pointer = text;
        const std::uint64_t mark = std::string_view(field.name) == "bitflags" ? RESET_ACCRUE_TIME : 7;
        if (field.kind == Kind::number)
            std::memcpy(reinterpret_cast<char*>(&update) + field.offset, &mark, field.size);
        else
            std::memcpy(reinterpret_cast<char*>(&update) + field.offset, &pointer, sizeof pointer);
        CHECK(slurm::beyond_hold(update) != nullptr);
    }
    CHECK(field_named("job_id").rule == Rule::slurms);
}
