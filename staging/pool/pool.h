#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "core/mpi/comm.h"
#include "staging/deid/definition.h"
#include "staging/pool/identity.h"
#include "staging/work/shuffle.h"
#include "staging/work/spill.h"

namespace staging {

// A sample that stage 1 let through and the whole dataset does not.
struct Drop {
    std::uint64_t batch = 0;
    Origin origin;
    std::uint64_t why = 0;  // WhyDropped
};
enum WhyDropped : std::uint64_t { kTwoPersons, kSamePixels, kSentAgain, kTooFewAlike };

// What stage 2 measured over the distinct patients of the dataset, exactly.
struct PooledRisk {
    std::int64_t patients = 0, groups = 0, smallest_group = 0;  // groups: classes that look alike
    std::int64_t patients_below = 0, samples_below = 0;         // in groups of fewer than k patients
    bool suppressed = false;
};

struct Counted {
    std::int64_t samples = 0, bytes = 0;
    std::vector<std::int64_t> split_samples, split_patients;  // by split
    std::int64_t patients = 0, patients_at_two_sites = 0;
};

// What only the whole dataset shows: duplicates and small groups. Everything is brought together by Shuffle,
// so that neither memory nor the outcome depends on the number of ranks. All functions are collective.
class Pool {
public:
    Pool(const core::Comm& comm, const Definition& definition, const Spill& spill, std::uint64_t batches,
         const std::filesystem::path& folder, const core::SecretKey& run_key, std::int64_t samples);
    ~Pool();

    // Who is one person: samples come with their person's pseudonym from here on; those of conflicts are dropped.
    void join_identities(const Identities::SplitOf& split_of);
    // The first of equal samples, in the deliveries' order, stays; later ones are dropped: the same content,
    // or the same SOP Instance UID (a file sent again), whatever became of the first.
    void find_duplicates();
    // Groups of patients with equal quasi-identifiers. Drops those below k if the profile says so.
    PooledRisk find_small_groups();
    // Totals of what stays.
    Counted count();

    // Calls `keep` or `drop` for each sample that stage 1 let through, of the batches that are this rank's.
    void each(const std::function<void(const SampleRef&)>& keep,
              const std::function<void(const SampleRef&, WhyDropped)>& drop) const;

private:
    const core::Comm& comm_;
    const Definition& definition_;
    const Spill& spill_;
    std::uint64_t batches_;
    std::filesystem::path folder_;
    const core::SecretKey& key_;
    std::int64_t partitions_;
    Identities identities_;
    std::unique_ptr<Shuffle<Drop>> duplicates_, small_;
};

}  // namespace staging
