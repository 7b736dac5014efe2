#include "staging/work/spill.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <map>
#include <set>

#include "support/shared_folder.h"

using namespace staging;

namespace {

core::Sample sample_of(std::int64_t number) {
    core::Sample sample;
    sample.fields.push_back({{1, static_cast<std::uint8_t>(number)}, {2}});
    sample.columns = {number, 0.5 * static_cast<double>(number), std::string("a"), core::Id16{7},
                      core::Cell()};
    return sample;
}

// Batches [from, to): two samples and one that was left out, each.
void write(Spill& spill, const core::Comm& comm, std::uint64_t from, std::uint64_t to) {
    SpillWriter writer(spill);
    for (std::uint64_t batch = from; batch < to; ++batch) {
        if (batch % static_cast<std::uint64_t>(comm.size()) != static_cast<std::uint64_t>(comm.rank()))
            continue;
        if (spill.is_done(batch)) continue;
        writer.begin(batch);
        for (std::uint64_t i = 0; i < 2; ++i) {
            SampleRef ref;
            ref.origin.file = 3 * batch + i;
            writer.add(ref, sample_of(static_cast<std::int64_t>(ref.origin.file)));
        }
        Rejected rejected;
        rejected.origin.file = 3 * batch + 2;
        writer.reject(rejected);
        BatchSummary summary;
        summary.files = 3;
        writer.finish(summary);
    }
}

// What all ranks find, as a sum over files' numbers, and how much of it.
void check_all(const Spill& spill, const core::Comm& comm, std::int64_t batches) {
    std::int64_t samples = 0, rejected = 0, found = 0, sum = 0;
    for (std::size_t i = static_cast<std::size_t>(comm.rank()); i < spill.segments();
         i += static_cast<std::size_t>(comm.size())) {
        spill.each_batch(i, [&](const BatchSummary& one) { found += static_cast<std::int64_t>(one.files); });
        spill.each_rejected(i, [&](const Rejected& one) {
            ++rejected;
            sum += static_cast<std::int64_t>(one.origin.file);
        });
        spill.each_sample(i, [&](const SampleRef& ref) {
            ++samples;
            sum += static_cast<std::int64_t>(ref.origin.file);
            CHECK(spill.ordinal_of(ref.segment) == i);
            const core::Sample sample = spill.sample(ref);
            CHECK(std::get<std::int64_t>(sample.columns[0]) == static_cast<std::int64_t>(ref.origin.file));
            CHECK(sample.fields[0].bytes[1] == static_cast<std::uint8_t>(ref.origin.file));
        });
    }
    CHECK(comm.sum(samples) == 2 * batches);
    CHECK(comm.sum(rejected) == batches);
    CHECK(comm.sum(found) == 3 * batches);
    CHECK(comm.sum(sum) == 3 * batches * (3 * batches - 1) / 2);
}

Options small() {
    Options options;
    options.block_records = 1;
    options.segment_samples = 4;
    options.sync_seconds = 0;
    return options;
}

}  // namespace

TEST_CASE("what was written is found by all ranks, in segments of any size") {
    const core::Comm comm(MPI_COMM_WORLD);
    const SharedFolder folder(comm);
    const core::SecretKey key = folder.key();
    const Options options = GENERATE(false, true) ? small() : Options{};
    Spill spill(folder.path(), key, options);
    spill.open(comm, 20);
    write(spill, comm, 0, 20);
    spill.close(comm);
    if (options.segment_samples == 4) CHECK(spill.segments() >= 10);
    check_all(spill, comm, 20);
}

TEST_CASE("another run goes on with what was written whole, whatever its ranks") {
    const core::Comm comm(MPI_COMM_WORLD);
    const SharedFolder folder(comm);
    const core::SecretKey key = folder.key();
    Options options;
    options.segment_samples = 6;
    {
        Spill spill(folder.path(), key, options);
        spill.open(comm, 20);
        write(spill, comm, 0, 12);
        SpillWriter killed(spill);  // in the middle of a batch
        killed.begin(static_cast<std::uint64_t>(12 + comm.rank()));
        killed.add({}, sample_of(1));
        comm.barrier();
    }
    Spill spill(folder.path(), key, options);
    spill.open(comm, 20);
    std::int64_t done = 0;
    for (std::uint64_t batch = 0; batch < 20; ++batch) done += spill.is_done(batch);
    CHECK(done == 12);
    write(spill, comm, 0, 20);
    spill.close(comm);
    check_all(spill, comm, 20);
}

TEST_CASE("what a machine lost when it went down is done again, and only that") {
    const core::Comm comm(MPI_COMM_WORLD);
    if (comm.size() > 1) return;
    const char* which = GENERATE("", ".refs", ".done");
    const SharedFolder folder(comm);
    const core::SecretKey key = folder.key();
    Options options;
    options.sync_seconds = 3600;
    {
        Spill spill(folder.path(), key, options);
        spill.open(comm, 10);
        write(spill, comm, 0, 10);
    }
    const std::filesystem::path file = folder.path() / ("segment-0" + std::string(which));
    std::filesystem::resize_file(file, std::filesystem::file_size(file) - 20);
    Spill spill(folder.path(), key, options);
    spill.open(comm, 10);
    std::int64_t done = 0;
    for (std::uint64_t batch = 0; batch < 10; ++batch) done += spill.is_done(batch);
    CHECK(done == 9);
    write(spill, comm, 0, 10);
    spill.close(comm);
    check_all(spill, comm, 10);
}

TEST_CASE("a segment that lost a block is an error, not fewer samples") {
    const core::Comm comm(MPI_COMM_WORLD);
    if (comm.size() > 1) return;
    const SharedFolder folder(comm);
    const core::SecretKey key = folder.key();
    const Options options;
    Spill spill(folder.path(), key, options);
    spill.open(comm, 4);
    write(spill, comm, 0, 4);
    spill.close(comm);
    const std::filesystem::path file = folder.path() / "segment-0.refs";
    SECTION("cut at a block's end") {
        SealedReader reader(file, key, "segment-0.refs");
        std::uint64_t last = 0, at = 0;
        while (at < reader.bytes()) {
            last = at;
            at = SealedReader::after(at, reader.at(at).size());
        }
        std::filesystem::resize_file(file, last);
    }
    SECTION("gone") {
        std::filesystem::remove(file);
    }
    CHECK_THROWS_AS(check_all(spill, comm, 4), core::Error);
}
