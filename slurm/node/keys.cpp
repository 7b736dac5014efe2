#include "slurm/node/keys.h"

#include <filesystem>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/keys/enclave_keys.h"

namespace slurm {

using core::Error;
using core::Fault;
namespace fs = std::filesystem;

namespace {

bool make(const fs::path& secret, const fs::path& open) {
    const bool is_new = !fs::exists(secret);
    if (is_new && fs::exists(open))
        throw Error(Fault::usage, open.string() +
                                      ": its private half is not here; remove this file first, and "
                                      "what was made of it on aloftd's host");
    if (is_new) core::SigningKey::generate().save(secret);
    const core::VerifyKey half = core::SigningKey::load(secret).verify_key();
    if (!fs::exists(open)) half.save(open);
    if (core::VerifyKey::load(open).bytes != half.bytes)
        throw Error(Fault::data, open.string() + ": is not the public half of " + secret.string());
    return is_new;
}

}  // namespace

bool make_node_key(const core::Site& site) {
    const fs::path keys = site.config / "keys";
    core::make_directories(keys, 0755);
    return make(keys / "node.key", keys / "node.pub");
}

bool make_next_node_key(const core::Site& site) {
    const fs::path keys = site.config / "keys";
    if (!fs::exists(keys / "node.key"))
        throw Error(Fault::usage,
                    (keys / "node.key").string() + ": there is no key yet; see: aloft-node init");
    const fs::path next = keys / "node.next.pub";
    if (!fs::exists(keys / "node.next.key") && fs::exists(next) &&
        core::VerifyKey::load(next).bytes == core::SigningKey::load(keys / "node.key").verify_key().bytes)
        throw Error(Fault::usage, "the new key signs already: aloft-node rotate node --switch");
    return make(keys / "node.next.key", next);
}

bool switch_node_key(const core::Site& site) {
    const fs::path keys = site.config / "keys";
    const bool comes = fs::exists(keys / "node.next.key");
    if (comes) {
        make_next_node_key(site);  // its public half, where making it was cut off
        fs::rename(keys / "node.next.key", keys / "node.key");
    }
    if (fs::exists(keys / "node.next.pub")) fs::rename(keys / "node.next.pub", keys / "node.pub");
    core::sync_directory(keys);
    return comes;
}

bool drop_old_enclave_key(const core::Site& site, const std::string& enclave) {
    const fs::path keys = site.config / "keys", seals = site.mirror / "keys" / enclave;
    const auto stays = core::OpeningKey::load(core::enclave_key(keys, enclave));
    std::error_code error;
    for (fs::directory_iterator entry(seals, error), end; !error && entry != end; entry.increment(error)) {
        if (entry->path().extension() != ".sealed") continue;
        const std::string seal = core::read_seal(entry->path());
        try {
            stays.open(core::from_base64(seal));
        } catch (const Error&) {
            throw Error(Fault::refused, entry->path().string() +
                                            ": is not sealed to the key that stays. Not sealed anew, or not "
                                            "here yet: aloft admin enclave rekey " +
                                            enclave + " --finish, and again in some seconds");
        }
    }
    if (error && error != std::errc::no_such_file_or_directory)
        throw Error(Fault::system, "cannot list " + seals.string());
    return core::drop_old_enclave_key(keys, enclave);
}

}  // namespace slurm
