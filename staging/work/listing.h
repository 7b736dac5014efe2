#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/keys/keys.h"
#include "core/mpi/comm.h"
#include "staging/deid/identity.h"
#include "staging/read/worker.h"
#include "staging/work/options.h"
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

// A batch of files of one delivery: what a rank takes from the shared work at a time. An archive is one batch: it is
// read in one pass.
struct Batch {
    std::uint64_t delivery = 0, first_file = 0;  // the files' running numbers begin here
    std::vector<std::string> names;              // relative to the delivery; may hold identifiers: never log
    std::string archive;  // not empty: `names` are all the files in this one, in its order, as ARCHIVE/NAME

    // What the archive itself calls its file number `index`.
    std::string inner(std::size_t index) const { return names.at(index).substr(archive.size() + 1); }
};

// The files of all deliveries in one order: deliveries by name, files by their path's bytes, an archive's files in
// its own order at its place. An archive that is not whole, or holds no file, is a file itself. It lies sealed in
// the work folder, since names hold identifiers; no rank holds it in memory.
class Listing {
public:
    // Collective. Lists each delivery (one rank does, and reads archives in the sandbox), then looks at every file
    // (all ranks do). Both digests are joined from keyed digests of each file, so that order and ranks do not
    // matter. `state_digest` is over names, sizes and times of change: equal means that the files were not
    // touched since.
    struct Scan {
        std::vector<DeliveryCount> deliveries;
        std::string state_digest;
    };
    // `limits`: what reading an archive's list may cost.
    static Scan scan(const core::Comm& comm, const Readers& readers, const Limits& limits,
                     const std::vector<DeliveryFolder>& deliveries, const Options& options,
                     const std::filesystem::path& work, const core::SecretKey& run_key,
                     const Pseudonyms& pseudonyms);

    // `deliveries`: how many there are.
    Listing(const std::filesystem::path& work, std::size_t deliveries, const core::SecretKey& run_key,
            Disk& disk = Disk::real());
    std::uint64_t batches() const noexcept { return batches_; }
    std::uint64_t files() const noexcept { return files_; }
    // Valid until the next call: an archive's batch can be long, and is asked for many times in a row.
    const Batch& batch(std::uint64_t number) const;

private:
    struct Part {
        SealedReader names;
        core::Fd index;
        std::uint64_t first_batch = 0, first_file = 0;
    };
    Batch read(const Part& part, std::uint64_t number) const;
    Disk& disk_;
    std::vector<Part> parts_;
    mutable Batch last_;
    mutable std::optional<std::uint64_t> last_number_;
    std::uint64_t batches_ = 0, files_ = 0;
};

}  // namespace staging
