#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/mpi/comm.h"
#include "staging/work/shuffle.h"
#include "staging/work/spill.h"

namespace staging {

// Records of what was left out, counted: [reason][site].
using ReasonCounts = std::map<std::string, std::map<std::string, std::int64_t>>;

// Collects what was left out and writes it as JSON lines, in the deliveries' order:
//   {"number":12,"row":3,"site":"north","name":"5f…","reason":"unlisted","detail":"label"}
// `number` is the file's running number, `row` is there for rows of tables, `name` is a keyed hash of the
// path, `detail` a name from the configuration. The files themselves are not copied and no value is repeated. Collective.
class QuarantineWriter {
public:
    QuarantineWriter(const core::Comm& comm, const std::filesystem::path& folder,
                     const core::SecretKey& run_key, const Options& options, std::vector<std::string> sites,
                     std::uint64_t files);
    // `step` hands over some records and returns false when it has no more. Every rank has the counts: files or
    // rows, also those that a sample of several was made of.
    ReasonCounts write(const std::filesystem::path& path,
                       const std::function<bool(const std::function<void(const Rejected&)>&)>& step);

private:
    const core::Comm& comm_;
    std::filesystem::path folder_;
    std::vector<std::string> sites_;
    std::uint64_t files_;
    Shuffle<Rejected> shuffle_;
};

}  // namespace staging
