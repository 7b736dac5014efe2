// Our side of tests/bench/loader/run. Two commands, both with a key that is no secret:
//   bench_loader pack CORPUS SIDE DIR CODEC   a file of [N, SIDE, SIDE] uint8 becomes a dataset in DIR
//   bench_loader serve DIR BATCH THREADS    for every line on stdin, one epoch: "SAMPLES SECONDS" on stdout
#include <chrono>
#include <cstring>
#include <fstream>
#include <iostream>
#include <string>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/shard/writer.h"
#include "trainer/data/loader.h"

namespace {

core::SecretKey key() {
    return core::SecretKey::from(core::Bytes(32, 1));
}

void pack(const std::string& corpus, std::int64_t side, const std::filesystem::path& dir, core::Codec codec) {
    constexpr std::uint64_t kShardBytes = 256 << 20;
    const core::Schema schema{
        {{"image", core::DType::u8, {1, side, side}, ""}},
        {{"patient", core::ColumnType::id16, {}},
         {"site", core::ColumnType::category, {"here"}},
         {"vendor", core::ColumnType::category, {"any"}},
         {"label", core::ColumnType::i64, {}},
         {"split", core::ColumnType::category, {"train", "validation", "test", "hidden"}}}};
    core::Manifest manifest;
    manifest.dataset = "bench";
    manifest.version = "1";
    manifest.key_id = key().id();
    manifest.codec = codec;
    manifest.schema = schema;
    core::make_directories(dir / "shards");
    const core::SecretKey dataset_key = key();
    core::ManifestWriter pages(dir, manifest, dataset_key);
    std::int64_t shards = 0;
    std::ifstream in(corpus, std::ios::binary);
    core::Bytes image(static_cast<std::size_t>(side * side));
    const auto read = [&] {
        return static_cast<bool>(
            in.read(reinterpret_cast<char*>(image.data()), static_cast<std::streamsize>(image.size())));
    };
    core::WriterOptions options;
    options.codec = codec;
    options.threads = 2;
    std::int64_t sample = 0;
    for (bool more = read(); more;) {
        const std::int64_t number = shards++;
        core::ShardWriter writer(dir / "shards" / core::shard_file(number), schema, "bench@1", number, key(),
                                 options);
        for (; more && writer.bytes() < kShardBytes; more = read()) {
            core::Id16 patient{};
            std::memcpy(patient.data(), &sample, sizeof sample);
            writer.append(
                {{{image, {}}},
                 {patient, std::string("here"), std::string("any"), sample++ % 10, std::string("train")}});
        }
        pages.add(writer.finish());
    }
    pages.finish();
}

void serve(const std::filesystem::path& dir, std::int64_t batch_size, int threads) {
    const trainer::Dataset dataset(dir, key(), {}, core::Seal::optional);
    trainer::LoaderOptions options;
    options.batch_size = batch_size;
    options.tail = trainer::Tail::keep;
    options.threads = threads;
    trainer::Loader loader(dataset, options);
    std::string line;
    for (std::int64_t epoch = 0; std::getline(std::cin, line); ++epoch) {
        const auto start = std::chrono::steady_clock::now();
        std::int64_t samples = 0;
        loader.begin_epoch(epoch);
        while (const auto batch = loader.next()) samples += batch->inputs.size(0);
        const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
        std::cout << samples << ' ' << seconds.count() << std::endl;
    }
}

}  // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> words(argv + 1, argv + argc);
    try {
        if (words.size() == 5 && words[0] == "pack") {
            pack(words[1], std::stoll(words[2]), words[3], core::codec_of(words[4]));
        } else if (words.size() == 4 && words[0] == "serve") {
            serve(words[1], std::stoll(words[2]), std::stoi(words[3]));
        } else {
            std::cerr << "usage: bench_loader pack CORPUS SIDE DIR none|lz4|zstd\n"
                         "       bench_loader serve DIR BATCH THREADS   (one epoch per line on stdin)\n";
            return 2;
        }
    } catch (const core::Error& e) {
        std::cerr << e.what() << '\n';
        return static_cast<int>(e.fault());
    }
}
