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
// path, `detail` a name from the configuration. The files themselves are not copied and no value is repeated. Collective but for add().
class QuarantineWriter {
public:
    QuarantineWriter(const core::Comm& comm, const std::filesystem::path& folder,
                     const core::SecretKey& run_key, std::vector<std::string> sites, std::uint64_t files);
    void add(const Rejected& rejected);
    // Rank 0 has the counts.
    ReasonCounts write(const std::filesystem::path& path);

private:
    const core::Comm& comm_;
    std::filesystem::path folder_;
    std::vector<std::string> sites_;
    std::uint64_t files_;
    Shuffle<Rejected> shuffle_;
};

}  // namespace staging
