#include "core/shard/writer.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/shard/made.h"
#include "support/faulty_env.h"
#include "support/scratch.h"

using namespace core;

namespace {

Schema everything() {
    Schema schema{{{"image", DType::u16, {2, 3, 5}, "Hounsfield units"},
                   {"volume", DType::f32, {}, "arbitrary"},
                   {"features", DType::f64, {7}, ""}},
                  made::columns()};
    return schema;
}

void check_same(const ShardReader& reader, const Schema& schema, std::int64_t first) {
    const auto ages = reader.column(schema.column("age")).numbers;
    const auto sites = reader.column(schema.column("site")).codes;
    const auto days = reader.column(schema.column("day")).integers;
    const auto patients = reader.column(schema.column("patient")).ids;
    for (std::int64_t i = 0; i < reader.samples(); ++i) {
        const Sample sample = made::sample(schema, first + i);
        const auto at = static_cast<std::size_t>(i);
        for (std::size_t f = 0; f < schema.fields.size(); ++f) {
            const Array array = reader.array(f, i);
            CHECK(array.bytes == sample.fields[f].bytes);
            CHECK(array.shape ==
                  (schema.fields[f].ragged() ? sample.fields[f].shape : schema.fields[f].shape));
            if (schema.fields[f].ragged()) continue;
            Bytes bytes(array.bytes.size());
            reader.read(f, i, bytes, i + 1);
            CHECK(bytes == array.bytes);
        }
        const Cell& age = sample.columns[schema.column("age")];
        CHECK(
            (std::holds_alternative<double>(age) ? ages[at] == std::get<double>(age) : ages[at] != ages[at]));
        CHECK(schema.columns[schema.column("site")].names[static_cast<std::size_t>(sites[at])] ==
              std::get<std::string>(sample.columns[schema.column("site")]));
        CHECK(days[at] == first + i);
        CHECK(patients[at] == std::get<Id16>(sample.columns[schema.column("patient")]));
    }
}

}  // namespace

TEST_CASE("what is written is read: fixed and ragged fields, every column type, every codec") {
    const test::Scratch folder;
    const Schema schema = everything();
    const Codec codec = GENERATE(Codec::none, Codec::lz4, Codec::zstd);
    WriterOptions options;
    options.codec = codec;
    const ShardEntry entry = made::shard(folder.path(), schema, 3, 100, 57, options);
    CHECK(entry.file == "shard-000003.h5");
    CHECK(entry.samples == 57);
    CHECK(entry.bytes == std::filesystem::file_size(folder / entry.file));
    CHECK(entry.sha256 == sha256(read_file(folder / entry.file)));
    const ShardReader reader(folder / entry.file, entry, schema, "made@1", 3, made::key());
    check_same(reader, schema, 100);
    CHECK_NOTHROW(verify_shard(folder / entry.file, entry, schema, "made@1", 3, made::key()));
}

TEST_CASE("equal input gives equal bytes, whatever the threads, the folder and the time") {
    const test::Scratch folder;
    const Schema schema = everything();
    Bytes first;
    for (const int threads : {1, 2, 5}) {
        for (const std::uint64_t memory : {std::uint64_t{1}, std::uint64_t{64} << 20}) {
            WriterOptions options;
            options.codec = Codec::lz4;
            options.threads = threads;
            options.memory_bytes = memory;
            const auto dir = folder / std::to_string(threads) / std::to_string(memory);
            const ShardEntry entry = made::shard(dir, schema, 0, 0, 400, options);
            const Bytes bytes = read_file(dir / entry.file);
            if (first.empty()) {
                first = bytes;
                ::sleep(1);  // a time stamp in the file would differ now
            }
            CHECK(bytes == first);
        }
    }
}

TEST_CASE("a sample that does not fit the schema is refused, and the writer goes on without it") {
    const test::Scratch folder;
    const Schema schema = everything();
    ShardWriter writer(folder / shard_file(0), schema, "made@1", 0, made::key(), {});
    writer.append(made::sample(schema, 0));
    const auto refused = [&](auto change) {
        Sample sample = made::sample(schema, 1);
        change(sample);
        CHECK_THROWS_AS(writer.append(std::move(sample)), Error);
    };
    refused([](Sample& s) { s.fields.pop_back(); });
    refused([](Sample& s) { s.columns.pop_back(); });
    refused([](Sample& s) { s.fields[0].bytes.pop_back(); });
    refused([](Sample& s) { s.fields[0].shape = {3, 2, 5}; });
    refused([](Sample& s) { s.fields[1].shape.clear(); });
    refused([](Sample& s) { s.fields[1].shape = {std::int64_t{1} << 40, 1}; });
    refused([](Sample& s) { s.fields[1].shape = {1 << 20, 1 << 20, 1 << 20}; });
    refused([](Sample& s) { s.fields[1].shape = {-1, -1}; });
    refused([](Sample& s) { s.columns[1] = std::string("nowhere"); });
    refused([](Sample& s) { s.columns[6] = 1.5; });
    writer.append(made::sample(schema, 1));
    const ShardEntry entry = writer.finish();
    CHECK(entry.samples == 2);
    check_same(ShardReader(folder / entry.file, entry, schema, "made@1", 0, made::key()), schema, 0);
}

TEST_CASE("a missing value is a value of its own, and is counted") {
    const test::Scratch folder;
    const Schema schema = everything();
    ShardWriter writer(folder / shard_file(0), schema, "made@1", 0, made::key(), {});
    for (int i = 0; i < 3; ++i) {
        Sample sample = made::sample(schema, i);
        if (i == 1) std::fill(sample.columns.begin(), sample.columns.end(), Cell());
        writer.append(std::move(sample));
    }
    const ShardEntry entry = writer.finish();
    const ShardReader reader(folder / entry.file, entry, schema, "made@1", 0, made::key());
    CHECK(reader.column(schema.column("site")).codes[1] == kMissingCategory);
    CHECK(reader.column(schema.column("day")).integers[1] == kMissingInteger);
    CHECK(std::isnan(reader.column(schema.column("age")).numbers[1]));
    CHECK(reader.column(schema.column("patient")).ids[1] == Id16{});
    CHECK(entry.counts.at("split").at("") == 1);
}

TEST_CASE("a writer that ends without finish, or is killed, leaves nothing under the name") {
    const test::Scratch folder;
    const Schema schema = made::images({1, 64, 64});
    {
        ShardWriter(folder / shard_file(0), schema, "made@1", 0, made::key(), {})
            .append(made::sample(schema, 0));
    }
    CHECK(std::filesystem::is_empty(folder.path()));
    int complete = 0;
    for (int delay = 0; delay < 40; delay += 2) {
        const pid_t child = fork();
        if (child == 0) {
            made::shard(folder.path(), schema, 1, 0, 300);
            ::_exit(0);
        }
        ::usleep(static_cast<useconds_t>(delay * 1000));
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);
        const auto path = folder / shard_file(1);
        if (!std::filesystem::exists(path)) continue;
        ++complete;  // then it is the whole shard
        const ShardEntry entry = made::shard(folder / "again", schema, 1, 0, 300);
        CHECK(read_file(path) == read_file(folder / "again" / entry.file));
        std::filesystem::remove(path);
    }
    INFO("complete before the kill: " << complete << " of 20");
    CHECK(complete < 20);
}

TEST_CASE("a full disk is an error of the system, and nothing appears under the name") {
    const test::Scratch folder;
    const auto bytes = static_cast<rlim_t>(GENERATE(0, 1000, 30000, 200000, 1100000));
    const pid_t child = fork();
    if (child == 0) {
        ::signal(SIGXFSZ, SIG_IGN);
        const rlimit limit{bytes, bytes};
        ::setrlimit(RLIMIT_FSIZE, &limit);
        int code = 1;
        try {
            made::shard(folder.path(), made::images({1, 64, 64}), 0, 0, 300);
        } catch (const Error& e) {
            code = static_cast<int>(e.fault());
        }
        std::exit(code);  // with what HDF5 does at exit
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    REQUIRE(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == static_cast<int>(Fault::system));
    CHECK_FALSE(std::filesystem::exists(folder / shard_file(0)));
}

TEST_CASE("a failure of any write ends in an error of the system, and leaves nothing") {
    const test::Scratch folder;
    const Schema schema = everything();
    const auto write = [&](test::FaultyEnv& env) {
        WriterOptions options;
        options.env = &env;
        return to_hex(made::shard(folder / "faulty", schema, 0, 0, 3, options).sha256);
    };
    test::FaultyEnv sound;
    const std::string before = write(sound);
    std::filesystem::remove(folder / "faulty" / shard_file(0));
    CHECK(sound.calls() > 20);
    const int error = GENERATE(ENOSPC, EIO, EDQUOT);
    // Of what HDF5 writes, the file by the name that it will have, and what to do.
    const std::string remedy = error == EIO ? "" : ". Make room there, then run the same command again";
    int named = 0;
    for (int n = 1; n <= sound.calls(); ++n) {
        test::FaultyEnv env(n, error);
        try {
            write(env);
            FAIL_CHECK("call " << n << " failed, and nobody was told");
        } catch (const Error& e) {
            CHECK(e.fault() == Fault::system);
            CHECK_THAT(e.what(), !Catch::Contains(".tmp-"));
            named += std::string(e.what()) == "cannot write " + (folder / "faulty" / shard_file(0)).string() +
                                                  ": " + std::strerror(error) + remedy;
        }
        // The last two are the folder's flush: the shard has its name by then.
        if (n <= sound.calls() - 2) CHECK(std::filesystem::is_empty(folder / "faulty"));
        std::filesystem::remove(folder / "faulty" / shard_file(0));
    }
    CHECK(named > 10);
    // And HDF5 is as good as new: the same process goes on.
    CHECK(to_hex(made::shard(folder / "after", schema, 0, 0, 3).sha256) == before);
}

TEST_CASE("a thread that cannot be started is an error of the system") {
    const test::Scratch folder;
    const pid_t child = fork();
    if (child == 0) {
        pthread_attr_t attributes;
        ::pthread_attr_init(&attributes);
        ::pthread_attr_setstacksize(&attributes,
                                    std::size_t{1} << 45);  // a few fit the address space, not all
        int code = ::pthread_setattr_default_np(&attributes) ? 100 : 1;
        try {
            ShardWriter(folder / shard_file(0), everything(), "made@1", 0, made::key(),
                        {Codec::none, 16, 1 << 20});
        } catch (const Error& e) {
            code = static_cast<int>(e.fault());
        }
        ::_exit(code);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    REQUIRE(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == static_cast<int>(Fault::system));
    CHECK(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("a shard's moments are those of its samples by split, whatever the threads") {
    const test::Scratch folder;
    const Schema schema = made::everything();
    SplitMoments expected;
    for (int i = 0; i < 50; ++i) {
        const Sample sample = made::sample(schema, i);
        for (std::size_t f = 0; f < schema.fields.size(); ++f)
            expected[std::get<std::string>(sample.columns[schema.column("split")])][schema.fields[f].name]
                .merge(moments_of(sample.fields[f].bytes, schema.fields[f].dtype));
    }
    for (const int threads : {1, 4}) {
        const ShardEntry entry =
            made::shard(folder / std::to_string(threads), schema, 0, 0, 50, {Codec::none, threads, 1});
        CHECK(to_json(entry.moments).dump() == to_json(expected).dump());
    }
}

TEST_CASE("memory stays within bounds however many samples there are") {
    const test::Scratch folder;
    const pid_t child = fork();  // so that no earlier test has raised the mark
    if (child == 0) {
        const Schema schema = made::images({1, 256, 256});
        ShardWriter writer(folder / shard_file(0), schema, "made@1", 0, made::key(),
                           {Codec::none, 2, 8 << 20});
        const Sample sample = made::sample(schema, 0);
        rusage before{}, after{};
        for (int i = 0; i < 5000; ++i) {  // 328 MB
            writer.append(sample);
            if (i == 500) ::getrusage(RUSAGE_SELF, &before);
        }
        writer.finish();
        ::getrusage(RUSAGE_SELF, &after);
        ::_exit(after.ru_maxrss - before.ru_maxrss < 24 << 10 ? 0 : 1);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    CHECK(status == 0);
}
