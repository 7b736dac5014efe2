#include "staging/work/run_folder.h"

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "support/shared_folder.h"

using namespace staging;
namespace fs = std::filesystem;

namespace {

const RunFolder::Mark kMark{"identity", "input"};

void touch(const fs::path& path) {
    core::write_atomically(path, "x");
}

}  // namespace

TEST_CASE("a work folder is one of the build's own, and what else lies there stays") {
    const core::Comm comm(MPI_COMM_WORLD);
    const SharedFolder folder(comm);
    (void)folder.key();
    const fs::path work = folder.path() / "scratch", out = folder.path() / "out";
    if (comm.is_root()) {
        fs::create_directories(work / "theirs");
        touch(work / "theirs/file");
        touch(work / "batch-7");
        touch(work / ".tmp-theirs");
    }
    comm.barrier();
    {
        RunFolder run(out, work, "digits@1");
        run.claim(comm);
        CHECK(run.work().parent_path() == work);
        if (comm.is_root()) {
            CHECK_FALSE(run.prepare(kMark, false));
            touch(run.work() / "segment-0");
            touch(run.shuffle() / "order-0.records");
        }
        comm.barrier();
        run.remove_work(comm);
        CHECK_FALSE(fs::exists(run.work()));
        CHECK_FALSE(fs::exists(out / ".lock"));
    }
    CHECK(fs::exists(work / "theirs/file"));
    CHECK(fs::exists(work / "batch-7"));
    CHECK(fs::exists(work / ".tmp-theirs"));
    comm.barrier();
}

TEST_CASE("what somebody else put into the work folder is never removed") {
    const core::Comm comm(MPI_COMM_WORLD);
    const SharedFolder folder(comm);
    (void)folder.key();
    RunFolder run(folder.path() / "out", {}, "digits@1");
    run.claim(comm);
    if (comm.is_root()) {
        run.prepare(kMark, false);
        touch(run.work() / "segment-0");
        touch(run.work() / "thesis.tex");
    }
    comm.barrier();
    run.remove_work(comm);
    CHECK(fs::exists(run.work() / "thesis.tex"));
    CHECK_FALSE(fs::exists(run.work() / "segment-0"));
    comm.barrier();
}

TEST_CASE("a folder that no build made is refused as a work folder") {
    const core::Comm comm(MPI_COMM_WORLD);
    const SharedFolder folder(comm);
    (void)folder.key();
    const fs::path out = folder.path() / "out";
    if (comm.is_root()) {
        fs::create_directories(out / ".work");
        touch(out / ".work/precious");
    }
    comm.barrier();
    RunFolder run(out, {}, "digits@1");
    CHECK_THROWS_WITH(run.claim(comm), Catch::Contains("no build of this version made"));
    CHECK(fs::exists(out / ".work/precious"));
    comm.barrier();
}

TEST_CASE("two builds into one folder, whatever their work folders: the second is refused") {
    const core::Comm comm(MPI_COMM_WORLD);
    if (comm.size() > 1) return;
    const SharedFolder folder(comm);
    (void)folder.key();
    fs::create_directories(folder.path() / "a");
    fs::create_directories(folder.path() / "b");
    RunFolder first(folder.path() / "out", folder.path() / "a", "digits@1");
    first.claim(comm);
    RunFolder second(folder.path() / "out", folder.path() / "b", "digits@1");
    CHECK_THROWS_WITH(second.claim(comm), Catch::Contains("another build is at work"));
}

TEST_CASE("an unfinished build of something else is refused until --discard, of other input done again") {
    const core::Comm comm(MPI_COMM_WORLD);
    if (comm.size() > 1) return;
    const SharedFolder folder(comm);
    (void)folder.key();
    const fs::path out = folder.path() / "out";
    const auto left = [&] {
        return fs::exists(out / "shards/shard-000000.h5") && fs::exists(out / ".work/segment-3");
    };
    const auto begin = [&](const RunFolder::Mark& mark, bool discard) {
        RunFolder run(out, {}, "digits@1");
        run.claim(comm);
        return run.prepare(mark, discard);
    };
    CHECK_FALSE(begin(kMark, false));
    touch(out / "shards/shard-000000.h5");
    touch(out / ".work/segment-3");
    CHECK(begin(kMark, false));
    CHECK(left());
    CHECK_THROWS_WITH(begin({"other", "input"}, false), Catch::Contains("--discard"));
    CHECK(left());
    SECTION("discarded") {
        CHECK_FALSE(begin({"other", "input"}, true));
    }
    SECTION("the deliveries have changed") {
        CHECK_FALSE(begin({"identity", "other"}, false));
    }
    CHECK_FALSE(left());
}

TEST_CASE("shards that no unfinished build made are not wiped without a word") {
    const core::Comm comm(MPI_COMM_WORLD);
    if (comm.size() > 1) return;
    const SharedFolder folder(comm);
    (void)folder.key();
    const fs::path out = folder.path() / "out";
    fs::create_directories(out / "shards");
    touch(out / "shards/shard-000000.h5");
    RunFolder run(out, {}, "digits@1");
    run.claim(comm);
    CHECK_THROWS_WITH(run.prepare(kMark, false), Catch::Contains("--discard"));
    CHECK(fs::exists(out / "shards/shard-000000.h5"));
}
