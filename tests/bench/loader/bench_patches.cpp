// Parts of volumes beside whole volumes, by one thread, warm.
//   bench_patches DIR ROUNDS    makes 8 volumes of 300 x 512 x 512 in 16 bits of noise (1.3 GB) in DIR
//                               unless they are there; in each round reads all of them whole, then a part of 128^3 of each.
// One JSON object: volumes per second of both, and their ratio, of every round.
#include <chrono>
#include <cstring>
#include <iostream>
#include <random>

#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/shard/writer.h"
#include "trainer/loader/raw_loader.h"

namespace {

constexpr std::int64_t kVolumes = 8;
const std::vector<std::int64_t> kShape{1, 300, 512, 512};

core::SecretKey key() {
    return core::SecretKey::from(core::Bytes(32, 1));
}

void make(const std::filesystem::path& dir) {
    core::Manifest manifest;
    manifest.dataset = "bench", manifest.version = "1", manifest.key_id = key().id();
    manifest.codec = core::Codec::none;
    manifest.schema = {{{"volume", core::DType::i16, {}, ""}},
                       {{"patient", core::ColumnType::id16, {}},
                        {"split", core::ColumnType::category, {"train", "validation", "test", "hidden"}}}};
    core::make_directories(dir / "shards");
    const core::SecretKey dataset_key = key();
    core::ManifestWriter pages(dir, manifest, dataset_key);
    core::WriterOptions options;
    options.codec = manifest.codec;
    std::mt19937_64 random(1);
    core::Bytes volume(300ull * 512 * 512 * 2);
    for (std::int64_t i = 0; i < kVolumes; ++i) {
        for (std::size_t at = 0; at < volume.size(); at += 8) {
            const std::uint64_t word = random();
            std::memcpy(volume.data() + at, &word, sizeof word);
        }
        core::ShardWriter writer(dir / "shards" / core::shard_file(i), manifest.schema, "bench@1", i, key(),
                                 options);
        core::Id16 patient{};
        patient[0] = static_cast<std::uint8_t>(i + 1);
        writer.append({{{volume, kShape}}, {patient, std::string("train")}});
        pages.add(writer.finish());
    }
    pages.finish();
}

double volumes_per_second(trainer::RawLoader& loader, std::int64_t epoch) {
    const auto start = std::chrono::steady_clock::now();
    loader.begin_epoch(epoch);
    std::int64_t samples = 0;
    while (const auto batch = loader.next()) samples += batch->valid;
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    return static_cast<double>(samples) / seconds.count();
}

int run(int argc, char** argv) {
    if (argc != 3) throw core::Error(core::Fault::usage, "bench_patches DIR ROUNDS");
    const std::filesystem::path dir = argv[1];
    if (!std::filesystem::exists(dir / "manifest.json")) make(dir);
    const trainer::Dataset dataset(dir, key(), {}, core::Seal::optional);
    trainer::LoaderOptions whole, part;
    whole.label = part.label = "";
    whole.batch_size = 1;
    part.batch_size = 2;
    part.crop = trainer::Crop{{128, 128, 128}, trainer::Crop::Place::random, 0};
    trainer::RawLoader volumes(dataset, whole), patches(dataset, part);
    nlohmann::ordered_json out{
        {"volume", kShape}, {"patch", part.crop->extent}, {"rounds", nlohmann::json::array()}};
    for (std::int64_t round = 0; round < std::atoll(argv[2]); ++round) {
        const double all = volumes_per_second(volumes, round);
        // Ten epochs: one is over too soon to be timed.
        double some = 0;
        for (std::int64_t i = 0; i < 10; ++i) some += volumes_per_second(patches, round * 10 + i) / 10;
        out["rounds"].push_back({{"volumes_per_s", all}, {"patches_per_s", some}, {"ratio", some / all}});
    }
    std::cout << out.dump(1) << std::endl;
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run(argc, argv);
    } catch (const core::Error& e) {
        std::cerr << e.what() << '\n';
        return static_cast<int>(e.fault());
    }
}
