#include "slurm/step/mark.h"

#include <catch2/catch.hpp>
#include <set>
#include <string>

using slurm::Fenced;
using slurm::is_fenced_cgroup;
using slurm::Part;

TEST_CASE("where v1 lies beside v2, a task is in the cgroup of ours") {
    CHECK(is_fenced_cgroup("/aloft/job_7/batch/tasks", 7, Part::batch, Fenced::ours));
    CHECK(is_fenced_cgroup("/../aloft/job_7/step/tasks", 7, Part::step, Fenced::ours));
    for (const char* other : {"/aloft/job_7/batch/tasks", "/aloft/job_7/step", "/aloft/job_17/step/tasks",
                              "/", "", "/system.slice/slurmstepd.scope/job_7/step_0/user/task_0"})
        CHECK_FALSE(is_fenced_cgroup(other, 7, Part::step, Fenced::ours));
}

TEST_CASE("with v2 alone a task is in its step's cgroup of Slurm, beside slurmstepd's") {
    const std::string scope = "/system.slice/node1_slurmstepd.scope";
    CHECK(is_fenced_cgroup(scope + "/job_7/step_batch/user/task_0", 7, Part::batch, Fenced::slurms));
    CHECK(is_fenced_cgroup(scope + "/job_7/step_0/user/task_3", 7, Part::step, Fenced::slurms));
    CHECK(is_fenced_cgroup(scope + "/job_7/step_12/user/task_special", 7, Part::step, Fenced::slurms));
    for (const char* other : {"/job_7/step_batch/user/task_0", "/job_7/step_0/slurm", "/job_7/step_0/user",
                              "/job_17/step_0/user/task_0", "/job_7/step_extern/user/task_0",
                              "/job_7/step_/user/task_0", "/job_7/step_0x/user/task_0", "/job_7", ""})
        CHECK_FALSE(is_fenced_cgroup(scope + other, 7, Part::step, Fenced::slurms));
    CHECK_FALSE(is_fenced_cgroup(scope + "/job_7/step_0/user/task_0", 7, Part::batch, Fenced::slurms));
    CHECK_FALSE(is_fenced_cgroup("/aloft/job_7/step/tasks", 7, Part::step, Fenced::slurms));
}

TEST_CASE("a mark is of one job, one part and one kind of cgroup") {
    std::set<std::string> texts;
    for (const std::uint32_t job : {1u, 11u})
        for (const Part part : {Part::batch, Part::step})
            for (const Fenced fenced : {Fenced::ours, Fenced::slurms})
                texts.insert(slurm::mark_text(job, part, fenced));
    CHECK(texts.size() == 8);
}

TEST_CASE("the mark of another version's plugin is known as one, of the same job and part alone") {
    using slurm::is_mark_of_other_version;
    const auto of = [](const char* version) {
        return slurm::mark_text(7, Part::step, Fenced::slurms, version);
    };
    CHECK(is_mark_of_other_version(of("0.0.0"), 7, Part::step));
    CHECK(is_mark_of_other_version(slurm::mark_text(7, Part::batch, Fenced::ours, "12.3.4~rc1"), 7,
                                   Part::batch));
    CHECK_FALSE(is_mark_of_other_version(of(core::version()), 7, Part::step));
    CHECK_FALSE(is_mark_of_other_version(of("0.0.0"), 7, Part::batch));
    CHECK_FALSE(is_mark_of_other_version(of("0.0.0"), 17, Part::step));
    CHECK_FALSE(is_mark_of_other_version(of("0.0.0") + "x", 7, Part::step));
    for (const char* other : {"", "aloft ", "aloft 0.0.0", "other 0.0.0 job 7 step\n"})
        CHECK_FALSE(is_mark_of_other_version(other, 7, Part::step));
}
