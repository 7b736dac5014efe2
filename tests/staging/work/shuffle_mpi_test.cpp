#include "staging/work/shuffle.h"

#include <catch2/catch.hpp>

#include "support/shared_folder.h"

using namespace staging;

namespace {

struct Record {
    std::int64_t number, partition;
};

Options small() {
    Options options;
    options.exchange_bytes = 4096;
    return options;
}

void fill(Shuffle<Record>& shuffle, const core::Comm& comm, std::int64_t count) {
    std::int64_t next = comm.rank();
    shuffle.fill([&](const Shuffle<Record>::Put& put) {
        if (next < count) put(next % shuffle.partitions(), {next, next % shuffle.partitions()});
        next += comm.size();
        return next < count;
    });
}

}  // namespace

TEST_CASE("each partition holds what was put there, read by any rank, after many rounds and flushes") {
    const core::Comm comm(MPI_COMM_WORLD);
    const SharedFolder folder(comm);
    const core::SecretKey key = folder.key();
    const Options options = small();
    const std::int64_t partitions = GENERATE(1, 3, 17), count = GENERATE(0, 5, 20000);
    Shuffle<Record> shuffle(comm, folder.path(), "test", partitions, key, options);
    fill(shuffle, comm, count);
    for (std::int64_t p = 0; p < partitions; ++p) {
        auto records = shuffle.records(p);
        std::sort(records.begin(), records.end(),
                  [](const Record& a, const Record& b) { return a.number < b.number; });
        CHECK(static_cast<std::int64_t>(records.size()) == (count - p + partitions - 1) / partitions);
        bool right = true;
        for (std::size_t i = 0; i < records.size(); ++i)
            right &= records[i].number == p + static_cast<std::int64_t>(i) * partitions &&
                     records[i].partition == p;
        CHECK(right);
    }
    comm.barrier();
}

TEST_CASE("two files for each rank, however many partitions") {
    const core::Comm comm(MPI_COMM_WORLD);
    const SharedFolder folder(comm);
    const core::SecretKey key = folder.key();
    const Options options = small();
    Shuffle<Record> shuffle(comm, folder.path(), "test", 500, key, options);
    fill(shuffle, comm, 5000);
    std::int64_t files = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder.path())) ++files;
    CHECK(files == 2 * comm.size());
    comm.barrier();
}

TEST_CASE("a file that is gone or cut is an error, not an empty partition") {
    const core::Comm comm(MPI_COMM_WORLD);
    const SharedFolder folder(comm);
    const core::SecretKey key = folder.key();
    const Options options = small();
    Shuffle<Record> shuffle(comm, folder.path(), "test", 4, key, options);
    fill(shuffle, comm, 5000);
    const std::string what = GENERATE("records gone", "records cut", "index gone");
    if (comm.is_root()) {
        const std::filesystem::path records = folder.path() / "test-0.records";
        if (what == "records gone") std::filesystem::remove(records);
        if (what == "records cut")
            std::filesystem::resize_file(records, std::filesystem::file_size(records) / 2);
        if (what == "index gone") std::filesystem::remove(folder.path() / "test-0.index");
        CHECK_THROWS_AS(shuffle.records(0), core::Error);
    }
    comm.barrier();
}

TEST_CASE("a rank that cannot put fails all of them") {
    const core::Comm comm(MPI_COMM_WORLD);
    const SharedFolder folder(comm);
    const core::SecretKey key = folder.key();
    const Options options = small();
    Shuffle<Record> shuffle(comm, folder.path(), "test", 4, key, options);
    CHECK_THROWS_WITH(shuffle.fill([&](const Shuffle<Record>::Put& put) {
        put(0, {1, 0});
        if (comm.rank() == comm.size() - 1) throw core::Error(core::Fault::system, "no space");
        return false;
    }),
                      "no space");
}
