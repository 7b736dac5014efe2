#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "jobs/slurm/job_policy.h"

// Whether a job could ever run on a partition's nodes, by what Slurm says of them: before it is submitted, in
// words. Slurm's controller refuses it too, without saying what is too much.

namespace jobs {

struct NodeSize {
    std::string name;
    std::int64_t cores = 0, memory_mib = 0;
    std::map<std::string, std::int64_t> gpus;  // by type; "" where they have none
    std::set<std::string> features;
};

// The nodes of `partition`, from what `scontrol --oneliner show node` prints. A line that does not say all of
// it is left out.
std::vector<NodeSize> parse_nodes(std::string_view shown, const std::string& partition);

// Asks scontrol. Nothing if it does not say, or shows no node of the partition: then nobody is refused for it.
std::optional<std::vector<NodeSize>> ask_nodes(const std::string& partition);

// How many GPUs it asks for, on all nodes; it may be given more, since its nodes are whole.
std::int64_t gpus_asked(const JobWish& wish);

// Throws Error(refused) if fewer nodes than asked for have what each is to have, or all of them together too few GPUs.
void require_fit(const JobWish& wish, const std::vector<NodeSize>& nodes);

// What a partition gives a job at most; absent: no limit.
struct PartitionLimits {
    std::optional<std::int64_t> minutes, nodes;
};
// From what `scontrol --oneliner show partition` prints; nothing if it does not show `partition`.
std::optional<PartitionLimits> parse_limits(std::string_view shown, const std::string& partition);
// Asks scontrol. Nothing if it does not say.
std::optional<PartitionLimits> ask_limits(const std::string& partition);
// Throws Error(refused) if more is asked for.
void require_within(const JobWish& wish, const PartitionLimits& limits);

}  // namespace jobs
