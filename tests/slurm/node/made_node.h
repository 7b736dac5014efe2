#pragma once
#include "core/base/files.h"
#include "core/base/site.h"
#include "core/keys/keys.h"
#include "support/scratch.h"

namespace test {

// A host with a key of its own: site.config is set, and nothing else of the site.
struct MadeNode {
    Scratch scratch;
    core::Site site;
    core::SigningKey key = core::SigningKey::generate();
    MadeNode() {
        site.config = scratch / "etc";
        core::make_directories(site.config / "keys");
        key.save(site.config / "keys" / "node.key");
    }
    std::filesystem::path state() const { return scratch / "state"; }
};

}  // namespace test
