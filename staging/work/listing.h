#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "core/keys/keys.h"
#include "staging/deid/identity.h"
#include "staging/work/sealed_file.h"

namespace staging {

struct DeliveryFolder {
    std::string name;  // of the hospital: --delivery NAME=DIR
    std::filesystem::path folder;
};

// What a delivery holds, as its names and sizes tell.
struct DeliveryCount {
    std::uint64_t files = 0, bytes = 0;
    std::string names_digest;  // keyed, over names and sizes: whether a delivery is still what it was
};

// A batch of files of one delivery: what a rank takes from the queue at a time.
struct Batch {
    std::uint64_t delivery = 0, first_file = 0;  // the files' running numbers begin here
    std::vector<std::string> names;              // relative to the delivery; may hold identifiers: never log
};

// The files of all deliveries in one order: deliveries by name, files by their path's bytes. It lies sealed
// in the work folder, since names hold identifiers; no rank holds it in memory.
class Listing {
public:
    // Walks the deliveries (one rank does) and writes the listing. `state_digest` is over names, sizes and
    // times of change: equal means that the files were not touched since.
    struct Scan {
        std::vector<DeliveryCount> deliveries;
        std::string state_digest;
    };
    static Scan scan(const std::vector<DeliveryFolder>& deliveries, std::uint64_t files_per_batch,
                     const std::filesystem::path& work, const core::SecretKey& run_key,
                     const Pseudonyms& pseudonyms);

    Listing(const std::filesystem::path& work, const core::SecretKey& run_key);
    std::uint64_t batches() const noexcept { return batches_; }
    Batch batch(std::uint64_t number) const;

private:
    SealedReader names_;
    core::Fd index_;
    std::uint64_t batches_ = 0;
};

}  // namespace staging
