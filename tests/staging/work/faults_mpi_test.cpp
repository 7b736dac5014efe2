#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>

#include "staging/work/listing.h"
#include "staging/work/run_folder.h"
#include "staging/work/shuffle.h"
#include "staging/work/spill.h"
#include "support/faulty_env.h"
#include "support/shared_folder.h"

using namespace staging;
namespace fs = std::filesystem;

// Forked before main(), so before MPI.
static const Readers readers;

namespace {

// A disk whose n-th call fails, whatever it is. A write takes half before it fails. Nothing is flushed: power does
// not fail here.
class FaultyDisk final : public test::Faulty<Disk> {
public:
    using Faulty::Faulty;
    ssize_t write(int fd, const void* bytes, std::size_t size) override {
        if (!fails()) return Disk::write(fd, bytes, size);
        const int error = errno;
        (void)Disk::write(fd, bytes, size / 2);
        errno = error;
        return -1;
    }
    ssize_t pread(int fd, void* bytes, std::size_t size, off_t at) override {
        return fails() ? -1 : Disk::pread(fd, bytes, size, at);
    }
    int fsync(int) override { return fails() ? -1 : 0; }
    int fdatasync(int) override { return fails() ? -1 : 0; }
    int fstat(int fd, struct stat* status) override { return fails() ? -1 : Disk::fstat(fd, status); }
    int fstatat(int folder, const char* name, struct stat* status, int flags) override {
        return fails() ? -1 : Disk::fstatat(folder, name, status, flags);
    }
    int faccessat(int folder, const char* name, int mode, int flags) override {
        return fails() ? -1 : Disk::faccessat(folder, name, mode, flags);
    }
    int names(const char* folder, std::vector<std::string>* out) override {
        return fails() ? -1 : Disk::names(folder, out);
    }
    int mkdir(const char* path, mode_t mode) override { return fails() ? -1 : Disk::mkdir(path, mode); }
    int rmdir(const char* path) override { return fails() ? -1 : Disk::rmdir(path); }
    int unlink(const char* path) override { return fails() ? -1 : Faulty::unlink(path); }
};

struct Record {
    std::uint64_t file, value;
};

// What a build does with its work folder, all of it, in a build's order: the listing, what waits, what is exchanged.
class Run {
public:
    Run(const core::Comm& comm, const fs::path& root, const core::SecretKey& key)
        : comm_(comm), root_(root), key_(key), pseudonyms_(key) {}

    // What this rank found, as text; `published` once only the clearing up is left.
    std::string operator()(Disk& disk, bool& published) const {
        Options options;
        options.disk = &disk;
        options.files_per_batch = 2;
        options.segment_samples = 3;
        options.block_records = 2;
        options.exchange_bytes = 4096;
        options.sync_seconds = 0;
        RunFolder folder(root_ / "out", {}, "made@1", disk);
        folder.claim(comm_);
        if (published) {
            folder.remove_work(comm_);
            return {};
        }
        core::together(comm_, [&] {
            if (comm_.is_root()) folder.prepare({"identity", "input"}, false);
        });
        const std::vector<DeliveryFolder> deliveries{{"north", root_ / "in/north"},
                                                     {"south", root_ / "in/south"}};
        const Listing::Scan scan =
            Listing::scan(comm_, readers, {}, deliveries, options, folder.work(), key_, pseudonyms_);
        std::string found = scan.state_digest + scan.deliveries[0].names_digest;
        core::together(comm_, [&] { wait(folder.work(), options, found); });
        exchange(folder.shuffle(), options, found);
        published = comm_.max(1) == 1;
        folder.remove_work(comm_);
        return found;
    }

private:
    // Stage 1: each file becomes a sample, of its name and number.
    void wait(const fs::path& work, const Options& options, std::string& found) const {
        const Listing listing(work, 2, key_, *options.disk);
        Spill spill(work, key_, options);
        const core::Comm alone(MPI_COMM_SELF);
        // Ranks share the folder and not the spill here, so that one that fails leaves none waiting.
        if (!comm_.is_root()) return;
        spill.open(alone, listing.batches());
        SpillWriter writer(spill);
        for (std::uint64_t number = 0; number < listing.batches(); ++number) {
            if (spill.is_done(number)) continue;
            const Batch batch = listing.batch(number);
            writer.begin(number);
            for (std::size_t i = 0; i < batch.names.size(); ++i) {
                SampleRef ref;
                ref.origin.file = batch.first_file + i;
                core::Sample sample;
                const core::ByteView name = core::view(batch.names[i]);
                sample.fields.push_back(
                    {{name.begin(), name.end()}, {static_cast<std::int64_t>(name.size())}});
                writer.add(ref, sample);
            }
            BatchSummary summary;
            summary.files = batch.names.size();
            writer.finish(summary);
        }
        spill.close(alone);
        std::map<std::uint64_t, std::string> samples;
        for (std::size_t i = 0; i < spill.segments(); ++i)
            spill.each_sample(i, [&](const SampleRef& ref) {
                samples[ref.origin.file] += core::text(spill.sample(ref).fields.at(0).bytes);
            });
        for (const auto& [file, text] : samples) found += " " + std::to_string(file) + "=" + text;
    }
    void exchange(const fs::path& folder, const Options& options, std::string& found) const {
        Shuffle<Record> shuffle(comm_, folder, "test", 3, key_, options);
        std::uint64_t next = 0;
        shuffle.fill([&](const Shuffle<Record>::Put& put) {
            put(static_cast<std::int64_t>(next % 3), {next, static_cast<std::uint64_t>(comm_.rank())});
            return ++next < 400;
        });
        std::uint64_t sum = 0;
        core::together(comm_, [&] {
            for (std::int64_t i = 0; i < 3; ++i)
                for (const Record& one : shuffle.records(i)) sum += one.file * 7 + one.value;
        });
        found += " " + std::to_string(sum);
    }

    const core::Comm& comm_;
    fs::path root_;
    const core::SecretKey& key_;
    Pseudonyms pseudonyms_;
};

}  // namespace

TEST_CASE("whichever call of the work folder fails: the machine's fault, and the next run finds the same") {
    const core::Comm comm(MPI_COMM_WORLD);
    // For good: as a run leaves it that is killed there.
    const auto [error, failing] = GENERATE(table<int, test::Failing>({{EIO, test::Failing::once},
                                                                      {ENOSPC, test::Failing::once},
                                                                      {ESTALE, test::Failing::once},
                                                                      {EIO, test::Failing::for_good}}));
    // One rank meets every call. With several all of them must end: in the long form for every call of the last rank and of
    // the first, else for each seventh of the last one's.
    const bool is_long = std::getenv("ALOFT_LONG") != nullptr;
    const bool is_root = GENERATE(false, true);
    if (is_root && (comm.size() == 1 || !is_long)) return;
    if (comm.size() > 1 && !is_long && (error != EIO || failing == test::Failing::for_good)) return;
    const int step = comm.size() > 1 && !is_long ? 7 : 1;
    constexpr int first = 1;
    const int failing_rank = is_root ? 0 : comm.size() - 1;
    if (fs::exists("/dev/shm")) setenv("TMPDIR", "/dev/shm", 1);  // thousands of files are made
    const SharedFolder folder(comm);
    const core::SecretKey key = folder.key();
    if (comm.is_root())
        for (const char* name :
             {"north/a", "north/b", "north/c", "south/d", "south/e", "south/f", "south/g"}) {
            fs::create_directories((folder.path() / "in" / name).parent_path());
            core::write_atomically(folder.path() / "in" / name, name);
        }
    comm.barrier();
    const Run run(comm, folder.path(), key);
    bool published = false;
    FaultyDisk whole;
    const std::string sound = run(whole, published);
    CHECK((!comm.is_root() || sound.find("4=e") != std::string::npos));
    int failed = 0;
    for (int n = first;; n += step) {
        CAPTURE(n, error, failing == test::Failing::for_good, failing_rank);
        FaultyDisk disk(comm.rank() == failing_rank ? n : 0, error, failing);
        published = false;
        try {
            const std::string found = run(disk, published);
            CHECK(found == sound);
        } catch (const core::AgreedError& e) {
            ++failed;
            CAPTURE(e.what());
            CHECK(e.fault() == core::Fault::system);
        }
        const bool cleared_only = published;
        FaultyDisk repaired;
        const std::string again = run(repaired, published);
        CHECK((cleared_only || again == sound));
        CHECK_FALSE(fs::exists(folder.path() / "out/.work"));
        CHECK_FALSE(fs::exists(folder.path() / "out/.lock"));
        comm.barrier();
        if (comm.max(comm.rank() == failing_rank ? disk.calls() : 0) < n) break;
    }
    CHECK(failed > (comm.size() == 1 ? 100 : 35 / step));
}
