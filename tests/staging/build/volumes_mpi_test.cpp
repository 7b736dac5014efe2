#include "staging/build/volumes.h"

#include <mpi.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>
#include <set>

#include "staging/deid/computed.h"
#include "staging/image/fields.h"
#include "support/shared_folder.h"

using namespace staging;

namespace {

Definition of_volumes(Fit fit = Fit::exact, std::vector<std::int64_t> shape = {}) {
    Definition out;
    out.name = "ct", out.version = "1";
    out.kind = SampleKind::volume;
    FieldChoice choice;
    choice.rule.pixels = true;
    choice.field = {"image", core::DType::i16, std::move(shape), ""};
    choice.fit = fit;
    choice.padding = -1;
    out.fields = {choice};
    return out;
}

core::Id16 id(std::uint8_t a, std::uint8_t b = 0) {
    return {a, b, 1};
}

constexpr std::int64_t kRows = 2, kColumns = 3;

// One file with the slice at `z` of a series; its voxels are series * 1000 + z * 10 + place. `again`: the file whose
// instance it is once more, with other pixels.
void add_file(SpillWriter& writer, std::uint64_t file, int series, int z,
              std::optional<std::uint64_t> again = {}) {
    core::Array pixels;
    pixels.shape = {1, 1, kRows, kColumns};
    pixels.bytes.resize(12);
    for (std::int16_t i = 0; i < 6; ++i) {
        const auto value = static_cast<std::int16_t>(series * 1000 + z * 10 + i);
        std::memcpy(pixels.bytes.data() + i * 2, &value, 2);
    }
    SliceRef slice;
    slice.ref.origin.file = file;
    slice.ref.patient = id(static_cast<std::uint8_t>(series));
    slice.ref.content = id(static_cast<std::uint8_t>(series), static_cast<std::uint8_t>(z));
    slice.ref.instance = id(200, static_cast<std::uint8_t>(again.value_or(file)));
    if (again) slice.ref.content = id(static_cast<std::uint8_t>(series), static_cast<std::uint8_t>(100 + z));
    slice.file_content = id(201, static_cast<std::uint8_t>(file));
    // One file in three also tells a second name of its patient.
    slice.ref.aliases[0] = {slice.ref.patient, false};
    if (file % 3 == 0) slice.ref.aliases[1] = {id(202, static_cast<std::uint8_t>(series)), true};
    slice.series = id(static_cast<std::uint8_t>(series), 77);
    slice.series[0] = static_cast<std::uint8_t>(series * 51);  // in several partitions
    slice.rows = kRows, slice.columns = kColumns, slice.samples = 1;
    slice.file_name[0] = static_cast<char>('a' + file % 26);
    slice.place.position = {0, 0, 2.0 * z};
    slice.place.orientation = {1, 0, 0, 0, 1, 0};
    slice.place.spacing = {0.5, 0.75};
    slice.place.instance = z;
    writer.add_slices({slice}, core::Sample{{pixels}, {std::string("no"), std::int64_t{z}}});
}

// Series 1: five slices over three batches, in no order. Series 2: a slice is missing. Series 3: one slice. Series 4:
// two slices and a copy of one of them. Series 5: of its last slice there are two.
constexpr std::uint64_t kBatches = 3;
void write_batches(const core::Comm& comm, Spill& spill) {
    spill.open(comm, kBatches);
    SpillWriter writer(spill);
    for (std::uint64_t batch = 0; batch < kBatches; ++batch) {
        if (batch % static_cast<std::uint64_t>(comm.size()) != static_cast<std::uint64_t>(comm.rank()))
            continue;
        writer.begin(batch);
        if (batch == 0) {
            add_file(writer, 0, 1, 3);
            add_file(writer, 1, 2, 0);
            add_file(writer, 2, 1, 0);
            add_file(writer, 3, 4, 1);
        } else if (batch == 1) {
            add_file(writer, 32, 1, 4);
            add_file(writer, 33, 2, 1);
            add_file(writer, 34, 2, 4);
            add_file(writer, 35, 3, 0);
            add_file(writer, 36, 4, 0);
            for (const int z : {0, 1, 2}) add_file(writer, static_cast<std::uint64_t>(40 + z), 5, z);
        } else {
            add_file(writer, 64, 1, 1);
            add_file(writer, 65, 1, 2);
            add_file(writer, 66, 2, 2);
            add_file(writer, 67, 4, 1);
            add_file(writer, 68, 5, 2, 42);
        }
        writer.finish({});
    }
    spill.close(comm);
}

std::string text(const char* field, std::size_t size) {
    return {field, strnlen(field, size)};
}

}  // namespace

TEST_CASE("a series becomes one volume by where its slices lie, on any number of ranks") {
    const core::Comm comm(MPI_COMM_WORLD);
    const SharedFolder shared(comm);
    const core::SecretKey key = shared.key();
    const Pseudonyms pseudonyms(core::SecretKey::from(core::Bytes(32, 6)));
    Options options;
    options.block_records = 2;
    options.segment_samples = 3;
    options.partition_records = 8;  // partitions of one slice
    Spill spill(shared.path(), key, options), volumes(spill, "volumes");
    write_batches(comm, spill);
    const Definition definition = of_volumes();
    CHECK(make_volumes(comm, definition, pseudonyms, spill, volumes, shared.path(), key, options) == 2);

    // The same on every rank: what lies in the folder.
    std::map<std::uint64_t, core::Sample> samples;  // by first file
    std::map<std::uint64_t, std::vector<std::uint64_t>> files;
    std::map<std::uint64_t, std::string> left;
    for (std::size_t i = 0; i < volumes.segments(); ++i) {
        volumes.each_sample(i, [&](const SampleRef& ref) {
            samples[ref.origin.file] = volumes.sample(ref);
            for (const Piece& piece : volumes.composite(ref).pieces) {
                files[ref.origin.file].push_back(piece.file);
                CHECK(piece.instance == id(200, static_cast<std::uint8_t>(piece.file)));
                CHECK(piece.content == id(201, static_cast<std::uint8_t>(piece.file)));
            }
            CHECK(ref.pieces == files[ref.origin.file].size());
            // All names of its patient, whichever of its slices tells them.
            CHECK(ref.aliases[0].id == ref.patient);
            CHECK(ref.aliases[1].id == id(202, ref.patient[0]));
            CHECK(ref.aliases[2].id == core::Id16{});
            CHECK(ref.bytes == samples[ref.origin.file].fields[0].bytes.size());
        });
        volumes.each_rejected(i, [&](const Rejected& one) {
            CHECK(one.origin.row == 0);
            CHECK(one.pieces == 1);
            CHECK(one.file_name[0] == static_cast<char>('a' + one.origin.file % 26));
            left[one.origin.file] = text(one.reason, sizeof one.reason);
        });
    }
    CHECK(left == std::map<std::uint64_t, std::string>{{1, "series_gap"},
                                                       {33, "series_gap"},
                                                       {34, "series_gap"},
                                                       {35, "series_single"},
                                                       {40, "uid_conflict"},
                                                       {41, "uid_conflict"},
                                                       {42, "uid_conflict"},
                                                       {68, "uid_conflict"},
                                                       {66, "series_gap"},
                                                       {67, "series_duplicate"}});
    REQUIRE(samples.size() == 2);
    CHECK(files[0] == std::vector<std::uint64_t>{2, 64, 65, 0, 32});
    CHECK(files[3] == std::vector<std::uint64_t>{36, 3});
    const core::Array& image = samples[0].fields[0];
    CHECK(image.shape == std::vector<std::int64_t>{1, 5, kRows, kColumns});
    std::vector<std::int16_t> voxels(30), expected;
    REQUIRE(image.bytes.size() == 60);
    std::memcpy(voxels.data(), image.bytes.data(), 60);
    for (int k = 0; k < 5; ++k)
        for (int i = 0; i < 6; ++i) expected.push_back(static_cast<std::int16_t>(1000 + k * 10 + i));
    CHECK(voxels == expected);

    // Its own columns are the lowest slice's; then size, spacing, orientation, part and affine.
    const auto& cells = samples[0].columns;
    REQUIRE(cells.size() == 1 + computed_columns(SampleKind::volume).size());
    CHECK(std::get<std::int64_t>(cells[1]) == 0);
    for (const auto& [at, size] : {std::pair{2, 5}, {3, 2}, {4, 3}})
        CHECK(std::get<std::int64_t>(cells[static_cast<std::size_t>(at)]) == size);
    for (const auto& [at, mm] : {std::pair{5, 2.0}, {6, 0.5}, {7, 0.75}})
        CHECK(std::get<double>(cells[static_cast<std::size_t>(at)]) == mm);
    CHECK(std::get<std::string>(cells[8]) == "LPS");

    // Run again after a kill: what is whole is taken over, and nothing is written.
    Spill once_more(spill, "volumes");
    once_more.open(comm, 17 + 16);
    for (std::uint64_t batch = 0; batch < 17 + 16; ++batch) CHECK(once_more.is_done(batch));
    comm.barrier();
    CHECK(make_volumes(comm, definition, pseudonyms, spill, once_more, shared.path(), key, options) == 2);
    CHECK(once_more.segments() == volumes.segments());
}

TEST_CASE("a volume of another shape than the field's is fitted, or all of its files say so") {
    const core::Comm comm(MPI_COMM_WORLD);
    const Pseudonyms pseudonyms(core::SecretKey::from(core::Bytes(32, 6)));
    for (const Fit fit : {Fit::exact, Fit::crop_pad}) {
        const SharedFolder shared(comm);
        const core::SecretKey key = shared.key();
        const Options options;
        Spill spill(shared.path(), key, options), volumes(spill, "volumes");
        write_batches(comm, spill);
        const Definition definition = of_volumes(fit, {1, 4, 2, 4});
        CHECK(make_volumes(comm, definition, pseudonyms, spill, volumes, shared.path(), key, options) ==
              (fit == Fit::exact ? 0 : 2));
        int differ = 0;
        for (std::size_t i = 0; i < volumes.segments(); ++i) {
            volumes.each_sample(i, [&](const SampleRef& ref) {
                core::Sample sample = volumes.sample(ref);
                finish_volume(sample, definition, volumes.composite(ref).spacing, {}, {});
                CHECK(sample.fields[0].shape == std::vector<std::int64_t>{1, 4, 2, 4});
                CHECK(ref.bytes == sample.fields[0].bytes.size());
                std::int16_t last;  // of the first row: filled
                std::memcpy(&last, sample.fields[0].bytes.data() + 6, 2);
                CHECK(last == -1);
            });
            volumes.each_rejected(i, [&](const Rejected& one) {
                differ += text(one.reason, sizeof one.reason) == "shape_differs";
            });
        }
        CHECK(differ == (fit == Fit::exact ? 7 : 0));
    }
}
