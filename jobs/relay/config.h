#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/base/site.h"
#include "core/keys/keys.h"
#include "jobs/wire/caller.h"

// /etc/aloft/relay.toml, of a login host and of aloftd's (configs/clusters/relay.toml is the commented example of
// both). Keys lie beside it: keys/relay.key, this host's own, and those of the other ends in keys/relays (load_host_keys).

namespace jobs {

struct Endpoint {
    std::string address;  // IPv4 or IPv6, as digits: no name service is asked
    std::uint16_t port = 0;
};

// What a login host's end knows.
struct LoginRelay {
    HostKind kind = HostKind::people;
    Endpoint aloftd;
    std::vector<core::VerifyKey> aloftd_keys;
    std::filesystem::path spool;

    // Throws Error(usage), and as the loaders of keys.
    static LoginRelay load(const core::Site& site);
};

// One login host, as the end on aloftd's host knows it.
struct RelayHost {
    HostKind kind = HostKind::people;
    std::string address;
    std::vector<std::string> enclaves;  // of a host for researchers: one at least
    std::vector<core::VerifyKey> keys;
};

struct ServeRelay {
    Endpoint listen;
    std::map<std::string, RelayHost> hosts;
    std::filesystem::path spool;

    // Throws as LoginRelay::load; also if a key is two hosts'.
    static ServeRelay load(const core::Site& site);
};

core::SecretKey own_relay_key(const core::Site& site);

// "10.0.0.5" or "fd00::5" in the one form that the system writes. Throws Error(usage).
std::string plain_address(const std::string& text);

}  // namespace jobs
