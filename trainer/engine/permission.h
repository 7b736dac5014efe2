#pragma once
#include <filesystem>
#include <memory>
#include <string>

#include "core/mpi/comm.h"
#include "trainer/data/dataset.h"

namespace trainer {

// What lets this process read a dataset.
struct Access {
    std::filesystem::path dataset, key;
    std::filesystem::path
        steward;  // public key the version must be sealed under; "" = the site's, if there is one
};

// Collective. Checks the job's grant ($ALOFT_GRANT, else /aloft/grant.json, where there is one), loads the
// key, opens the manifest. The fence outside enforces all of this; here it ends in one clear line. Throws
// AgreedError: refused (grant ended or not for this dataset, no key, not sealed), data (damaged manifest).
std::unique_ptr<Dataset> open_dataset(const Access& access, const core::Comm& comm);

}  // namespace trainer
