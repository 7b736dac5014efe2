#include "trainer/engine/device.h"

#include <set>

namespace trainer {
namespace {

// A way for `rank` to a GPU that nobody has, moving others where need be (Kuhn 1955).
bool place(std::size_t rank, const std::vector<VisibleGpus>& ranks, std::map<std::string, std::size_t>& owner,
           std::set<std::string>& seen) {
    for (const std::string& gpu : ranks[rank]) {
        if (!seen.insert(gpu).second) continue;
        const auto taken = owner.find(gpu);
        if (taken == owner.end() || place(taken->second, ranks, owner, seen)) {
            owner[gpu] = rank;
            return true;
        }
    }
    return false;
}

}  // namespace

std::optional<std::vector<std::size_t>> share_out(const std::vector<VisibleGpus>& ranks) {
    std::map<std::string, std::size_t> owner;
    for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
        std::set<std::string> seen;
        if (!place(rank, ranks, owner, seen)) return std::nullopt;
    }
    std::vector<std::size_t> out(ranks.size());
    for (std::size_t rank = 0; rank < ranks.size(); ++rank)
        for (std::size_t i = 0; i < ranks[rank].size(); ++i)
            if (const auto found = owner.find(ranks[rank][i]); found != owner.end() && found->second == rank)
                out[rank] = i;
    return out;
}

bool job_has_gpus(const std::map<std::string, std::string>& environment) {
    const auto said = [&](const char* name) {
        const auto found = environment.find(name);
        return found == environment.end() ? std::string() : found->second;
    };
    for (const char* list : {"SLURM_JOB_GPUS", "SLURM_STEP_GPUS"})  // "0" is the first GPU
        if (!said(list).empty()) return true;
    for (const char* count :
         {"SLURM_GPUS", "SLURM_GPUS_ON_NODE", "SLURM_GPUS_PER_NODE", "SLURM_GPUS_PER_TASK"})
        if (!said(count).empty() && said(count) != "0") return true;
    return false;
}

}  // namespace trainer
