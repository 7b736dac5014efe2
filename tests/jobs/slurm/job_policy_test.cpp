#include "jobs/slurm/job_policy.h"

#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "core/base/files.h"
#include "support/scratch.h"

using namespace jobs;
using Catch::Contains;

namespace {

constexpr std::int64_t kNow = 1'790'000'000, kKillWait = 5;

struct World {
    test::Scratch scratch;
    core::Site site;
    core::Enclave enclave;
    core::Grant grant{"G-1", "A-1", "e-alice", 70001, "hel", {"digits@1"}, {}, kNow - 100, kNow + 7200};
    World() {
        site.mirror = scratch.path();
        enclave.name = enclave.partition = "hel";
        enclave.nodes = {"n1", "n2"};
        enclave.software = {"/opt/aloft"};
        enclave.images = {{"monai", "/srv/images/monai.sqfs", std::string(64, 'a')}};
        enclave.max_minutes = 60;
        core::make_directories(site.mirror / "keys" / "hel");
        core::write_atomically(site.mirror / "keys" / "hel" / "digits@1.sealed", "x");
    }
    std::string words(const JobWish& wish = {}) const {
        return in_words(job_policy(site, enclave, grant, wish, kKillWait, kNow));
    }
};

}  // namespace

TEST_CASE("the policy of a job names all that it may and may not do") {
    const World world;
    CHECK_THAT(
        world.words({2, 4, 0}),
        Contains("enclave   hel, under grant G-1, which ends at 2026-09-21T16:13:20Z") &&
            Contains("2 nodes of n1, n2, whole") && Contains("4 processes on each") &&
            Contains("60 minutes at most: the enclave's longest") &&
            Contains("digits@1, read-only at /aloft/data/digits@1, its key at /aloft/keys/digits@1.key\n") &&
            Contains("read-only: /usr, /etc, /opt/aloft") && Contains("this job's own nodes only") &&
            Contains("Slurm's commands") && Contains("/aloft/workspace/slurm-JOB.out") &&
            Contains("aloft release request"));
}

TEST_CASE("the image that a job's tasks run in is told, and one that the enclave has not is refused") {
    const World world;
    JobWish wish;
    wish.image = "monai";
    CHECK_THAT(world.words(wish), Contains("in place of the system's, image monai\n"));
    CHECK_THAT(world.words(), !Contains("image"));
    wish.image = "other";
    CHECK_THROWS_WITH(world.words(wish), Contains("it has monai"));
}

TEST_CASE("the time cap says why it is what it is") {
    World world;
    CHECK_THAT(world.words({1, 1, 10}),
               Contains("10 minutes at most: as asked for") && !Contains("you asked"));
    CHECK_NOTHROW(world.words({1, 1, 60}));
    CHECK_THROWS_WITH(world.words({1, 1, 61}), Contains("could never run") &&
                                                   Contains("asks for 61 minutes") &&
                                                   Contains("hel gives a job 60 at most"));
    world.grant.not_after = kNow + 45 + 20 * 60;  // 45 s: 30, KillWait and 10
    CHECK_THAT(world.words({1, 1, 30}),
               Contains("20 minutes at most: what is left of the grant") && Contains("you asked for 30"));
    world.grant.not_after = kNow + 44 + 60;
    CHECK_THROWS_WITH(world.words(), Contains("no job can end in time"));
}

TEST_CASE("what would be refused is said before it is submitted") {
    World world;
    CHECK_THROWS_WITH(world.words({3, 1, 0}), Contains("has 2 nodes"));
    world.grant.datasets.push_back("wdbc@2");
    CHECK_THAT(world.words(), Contains("wdbc@2") && Contains("not sealed for this enclave"));
    world.grant.datasets.clear();
    CHECK_THAT(world.words(), Contains("the grant names no dataset"));
}

TEST_CASE("what a job asks beside nodes and time is in its policy, and in what sbatch is told") {
    const World world;
    JobWish wish;
    wish.gpus = "a100:4";
    wish.gpus_per_task = "1";
    wish.cpus_per_task = 8;
    wish.constraint = "nvme&a100&nvme";
    wish.memory = "32G";
    wish.requeue = false;
    wish.array = "0-9:1%2";
    wish.signal = "USR1@120";
    wish.begin = kNow + 1;
    const std::int64_t hour = (kNow / 3600 + 1) * 3600;
    CHECK_THAT(world.words(wish),
               Contains("array     tasks 0-9%2\n") && Contains("gpus      a100:4 for the job\n") &&
                   Contains("gpus      1 for each process\n") && Contains("cores     8 for each process\n") &&
                   Contains("features  of each node: a100&nvme\n") &&
                   Contains("again     after exit code 75 (state saved) only") &&
                   Contains("memory    32G on each node\n") && Contains("signal    USR1@120 before"));
    CHECK(sbatch_options(wish, kNow) ==
          std::vector<std::string>{"--nodes=1", "--ntasks-per-node=1", "--gpus=a100:4", "--gpus-per-task=1",
                                   "--cpus-per-task=8", "--constraint=a100&nvme", "--mem=32768M",
                                   "--array=0-9%2", "--signal=USR1@120", "--no-requeue",
                                   "--begin=uts" + std::to_string(hour)});
    CHECK(sbatch_options({}, kNow) == std::vector<std::string>{"--nodes=1", "--ntasks-per-node=1"});
    wish.begin = world.grant.not_after;  // less is left of the grant than a minute
    CHECK_THROWS_WITH(world.words(wish), Contains("no job can end in time"));
}

TEST_CASE("a job that asks for no signal is told which it gets, and that it is run again") {
    const World world;
    CHECK_THAT(world.words(), Contains("signal    URG@120") &&
                                  Contains("again     after exit code 75 (state saved) or a lost node"));
    CHECK_THAT(world.words({1, 1, 5}), Contains("signal    URG@60"));
}

TEST_CASE("what admission refuses is refused before, in the same words") {
    const World world;
    const auto refused = [&](auto change, const char* text) {
        JobWish wish;
        change(wish);
        CHECK_THROWS_WITH(check_wish(wish, kNow), Contains(text));
        CHECK_THROWS_WITH(world.words(wish), Contains(text));
    };
    refused([](JobWish& wish) { wish.gpus = "2;x"; }, "GPUs of one type only");
    refused([](JobWish& wish) { wish.gpus_per_node = "2,licence:1"; }, "GPUs of one type only");
    refused([](JobWish& wish) { wish.gpus_per_task = "1,2"; }, "GPUs of one type");
    refused([](JobWish& wish) { wish.constraint = "a|b"; }, "--constraint");
    refused([](JobWish& wish) { wish.memory = "lots"; }, "--mem");
    refused([](JobWish& wish) { wish.array = "7-9"; }, "--array");
    refused([](JobWish& wish) { wish.signal = "USR1 x"; }, "--signal");
    refused([](JobWish& wish) { wish.begin = kNow + 31 * 86400; }, "30 days");
    refused([](JobWish& wish) { wish.grant = "G-1;x"; }, "--grant");
}

TEST_CASE("a beginning is a duration from now on, or a moment") {
    CHECK(parse_begin("2h", kNow) == kNow + 7200);
    CHECK(parse_begin("2026-11-27T06:00:00Z", kNow) == 1795759200);
    for (const char* bad : {"", "tomorrow", "2h30m", "-2h", "2026-11-27", "2026-13-27T06:00:00Z"})
        CHECK_THROWS_WITH(parse_begin(bad, kNow), Contains("--begin must be"));
}
