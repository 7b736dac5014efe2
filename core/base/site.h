#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace core {

// The site's configuration, /etc/aloft/site.toml (configs/clusters/site.toml is the commented example): where
// things live. Owned by root, the same on every host of the enclaves. Daemons, plugins and tools all read it.
struct Site {
    std::string name;
    // Whom a researcher asks who is sent to the admin: an address, a telephone number; "" if the site names nobody.
    std::string contact;
    // Shared between hosts:
    std::filesystem::path datasets;    // DATASET/VERSION/manifest.json, manifest.sig.json, shards/
    std::filesystem::path workspaces;  // root-owned 0700; ENCLAVE/ACCOUNT, a bind mount inside jobs
    std::filesystem::path published;   // signed files as they leave the login host: grants, list, sealed keys
    std::filesystem::path spool;       // NODE/*.json: signed records that aloftd collects
    std::filesystem::path released;    // the one way out: packages of approved releases
    // This host:
    std::filesystem::path config;  // /etc/aloft: enclaves/NAME.toml, keys/
    std::filesystem::path state;   // aloftd's own: ledger, database, quarantined copies of requests (0700)
    std::filesystem::path socket;  // aloftd's Unix socket
    std::filesystem::path run;     // node: policy files, unsealed keys (root, tmpfs)
    // The site says that /var/lib/aloft-node is there after a boot where a node cannot see that: on network storage of
    // the node's own, or an overlay over a disk.
    bool keeps_node_state = false;
    // This host's copy of `published`, same layout, on a tmpfs: what slurmctld, Prolog, the agent and tools
    // read. aloft-mirror keeps it. So a shared file system that hangs is a list that goes stale, never a
    // daemon that hangs.
    std::filesystem::path mirror;
    // What of it outlives the power: the last list and policies, so that a host knows from its first second
    // what counts, and which accounts and partitions are or were an enclave's (core/policy/known.h). Root's, on
    // a disk. Not to be configured: it must be found when the configuration cannot be read.
    std::filesystem::path known = "/var/lib/aloft-known";
    std::int64_t revocation_stale_seconds = 300;  // an older signed list means: refuse, and freeze what runs
    std::int64_t revocation_end_seconds = 7200;   // a still older one means: end what runs

    // `text`, and where it sends its reader to the admin, who that is.
    std::string with_contact(const std::string& text) const;

    // `path` empty: $ALOFT_SITE for unprivileged tools, else /etc/aloft/site.toml. A set-user-ID or root
    // process ignores the environment. Throws Error(usage).
    static Site load(const std::filesystem::path& path = {});
};

}  // namespace core
