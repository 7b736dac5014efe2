#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "trainer/loader/dataset.h"

namespace trainer {

// What lets this process read a dataset.
struct Access {
    std::filesystem::path dataset, key;
    std::filesystem::path
        steward;  // public key the version must be sealed under; "" = the site's, if there is one
    std::string name =
        {};  // "digits@1", of one that was asked for so: its grant is asked for before it is opened

    // Of "digits@1" where a job sees it: $ALOFT_DATA/digits@1 and $ALOFT_KEYS/digits@1.key, without them
    // /aloft/data and /aloft/keys. Throws Error(usage) if `name` is not dataset@version.
    static Access of(const std::string& name);
    // All that a job sees, by name. Empty where there is no such folder.
    static std::vector<Access> all();
};

// A version that this process may read, and its key.
struct Granted {
    core::Version version;
    core::SecretKey key;
};

// Checks the job's grant ($ALOFT_GRANT, else /aloft/grant.json, where there is one), loads the key, opens the
// manifest. The fence outside enforces all of this; here it ends in one clear line. Without a steward's key on
// this machine the version's seal() is not SealState::valid. Throws Error: refused (grant ended or not for this
// dataset, none of that name here, no key, not sealed), data (damaged manifest).
Granted granted(const Access& access);
std::unique_ptr<Dataset> open_granted(const Access& access);

}  // namespace trainer
