#include "slurm/fence/nft.h"

#include <filesystem>

#include "core/base/child.h"
#include "core/base/error.h"

namespace slurm {

using core::Error;
using core::Fault;

void run_nft(const std::string& rules, const char* doing) {
    if (!std::filesystem::exists(kNft))
        throw Error(Fault::system, std::string(kNft) + " is not here: install the package nftables");
    const core::Finished done = core::run_program({kNft, "-f", "-"}, rules);
    if (done.code != 0)
        throw Error(Fault::system, std::string("nft cannot ") + doing + ": " +
                                       done.errors.substr(0, done.errors.find('\n')));
}

}  // namespace slurm
