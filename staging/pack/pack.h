#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "core/mpi/share.h"
#include "core/shard/writer.h"
#include "staging/deid/definition.h"
#include "staging/report/quality.h"
#include "staging/work/shuffle.h"
#include "staging/work/spill.h"

namespace staging {

// The samples of each shard: the range of all order hashes is cut into equal parts, one for each shard, so
// that a shard mixes patients and hospitals, and nobody needs the list of all samples.
struct Plan {
    std::unique_ptr<Shuffle<SampleRef>> samples;
    struct Shard {
        std::int64_t part, samples;  // its partition, and how many were put there
    };
    std::vector<Shard> shards;  // those that hold samples, in order
};

// Parts of about target_bytes, and few enough samples that a rank can sort one part.
std::int64_t part_count(std::int64_t samples, std::int64_t bytes, std::int64_t target_bytes);

// What is known of a shard that is complete: kept in the work folder until the manifest is written.
struct Receipt {
    core::ShardEntry entry;
    Quality quality;
    std::map<std::string, std::int64_t> pieces;  // by site: files or rows that its samples are made of
};

// Writes shards and reads each back. A shard of an earlier run is taken over if it still has the SHA-256 of
// its receipt and every tag in it holds.
class ShardPacker {
public:
    // `env`: of a test that makes writing fail.
    ShardPacker(const Definition& definition, const Pseudonyms& pseudonyms, const Spill& spill,
                std::filesystem::path shards, std::filesystem::path work, const core::SecretKey& dataset_key,
                core::Env& env = core::Env::real())
        : definition_(definition),
          pseudonyms_(pseudonyms),
          spill_(spill),
          shards_(std::move(shards)),
          work_(std::move(work)),
          key_(dataset_key),
          env_(env) {}

    // Collective. How many shards were taken over from an earlier run.
    std::int64_t pack(const core::Comm& comm, const Plan& plan) const;
    Receipt receipt(std::int64_t number) const;

private:
    bool is_complete(std::int64_t number, std::int64_t samples) const;
    void write(std::int64_t number, std::vector<SampleRef> samples, core::Shared& others) const;
    std::filesystem::path receipt_path(std::int64_t number) const;
    const Definition& definition_;
    const Pseudonyms& pseudonyms_;
    const Spill& spill_;
    std::filesystem::path shards_, work_;
    const core::SecretKey& key_;
    core::Env& env_;
};

}  // namespace staging
