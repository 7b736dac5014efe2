#pragma once
#include <string>

namespace slurm {

constexpr const char* kNft = "/usr/sbin/nft";

// Gives `rules` to nftables, all of them or none. `doing` says in an error what for. Throws Error(system).
void run_nft(const std::string& rules, const char* doing);

}  // namespace slurm
