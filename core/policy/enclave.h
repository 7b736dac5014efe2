#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/site.h"
#include "core/keys/keys.h"
#include "core/policy/list.h"
#include "core/policy/network.h"

namespace core {

// A container image that jobs may ask for: a SquashFS file that is a whole root, taken only with these bytes.
struct Image {
    std::string name;            // by which jobs ask for it (core/policy/job_options.h)
    std::filesystem::path file;  // absolute, on every node
    std::string sha256;          // of the file, lower-case hex

    std::string text() const { return name + "@sha256:" + sha256; }  // as it stands on record
    bool operator==(const Image&) const = default;
};

// An enclave's policy. The admin writes it on the login host: SITE.config/enclaves/NAME.toml
// (configs/enclaves/example.toml is the commented example). Hosts get it signed: enclaves/NAME.json, which
// aloft-sign publishes.
struct Enclave {
    std::string name;
    std::string partition;                        // the Slurm partition that is this enclave and nothing else
    std::vector<std::string> accounts;            // POSIX accounts: one per researcher, used here only
    std::vector<std::string> nodes;               // host names, as `hostname -s` prints them
    std::vector<std::filesystem::path> software;  // read-only trees beside the system's, absolute
    std::vector<Image> images;                    // no two of one name
    std::int64_t max_minutes = 0;                 // longest job
    std::uint16_t infiniband_pkey = 0;  // 15 bits, without the membership bit; 0: devices are withheld

    std::map<std::string, std::uint32_t> uids;  // of the accounts, as they were when the policy was signed
    std::string source;                         // the TOML it was read from
    // Where the nodes talk to each other (slurm/node/peers.h). Empty: this node's own networks.
    std::vector<Ip4Network> networks;
    std::vector<std::string> interfaces;  // by which interfaces; empty: whichever the routes name
    // The nodes' addresses, host order; a node that is not in it has the address that Slurm knows.
    std::map<std::string, std::vector<std::uint32_t>> addresses;
    std::vector<Allowance> allowed;  // what the site's own daemons need meanwhile

    bool has_account(std::string_view account) const;
    std::string account_of(std::uint32_t uid) const;  // by `uids`, no name service; "" if it is nobody's
    bool has_node(std::string_view node) const;
    const Image* image(std::string_view name) const;  // nullptr if there is none
    // The one that a job asked for. Throws Error(refused) with those that there are.
    const Image& asked_image(std::string_view name) const;
    bool has_address(std::uint32_t address) const;  // in one of `networks`, or there are none
};

// Throws Error(usage) with the file and key if the policy cannot be read or is not sound.
Enclave load_enclave(const std::filesystem::path& file);
Enclave parse_enclave(std::string_view toml, const std::filesystem::path& file);  // as `file` would hold it

// What the admin wrote, on the login host: one policy, or every one in order of name. Both throw as
// load_enclave; the second Error(usage) too if two enclaves share an account or a partition: an account
// that is in two enclaves could carry data between them.
Enclave load_enclave(const Site& site, std::string_view name);
std::vector<Enclave> load_enclave_sources(const Site& site);

// The second half of that. Of uids, where they are known: no uid in two enclaves, and none under two names.
void check_apart(const std::vector<Enclave>& enclaves);

// The signed form of a policy: `toml` as the admin wrote it, and the number of each of its accounts.
std::string sign_enclave(std::string_view toml, const std::map<std::string, std::uint32_t>& uids,
                         const SigningKey& key);
// The inverse; `name` is whose it must be. Throws Error(refused) if none of `keys` signed it or it is not
// sound.
Enclave open_enclave(std::string_view envelope, std::string_view name, const std::vector<VerifyKey>& keys);

// An enclave whose policy this host cannot use: its accounts and its partition are known all the same, and
// are nobody else's.
struct UnusableEnclave {
    std::string name, why, partition;
    std::vector<std::uint32_t> uids;
};

// What was published to this host (SITE.mirror), in order of name. One that is damaged, half written or not
// the one that the list means is left out, and told in `unusable`; it never hides another. The list's age
// does not matter. Throws ListIsStale if nothing was ever published to this host, Error(refused) if the
// list is forged: then nobody is known, and only what is certainly no enclave's matter may go on.
std::vector<Enclave> load_enclaves(const Site& site, std::vector<UnusableEnclave>* unusable = nullptr);

// The same, for more than one question about what was read and verified once.
struct Enclaves {
    std::vector<Enclave> usable;
    std::vector<UnusableEnclave> unusable;

    static Enclaves load(const Site& site);  // throws as load_enclaves
    // Nullptr if no enclave has it (an open account, an open partition). Throws Error(refused) if it belongs to
    // an enclave whose policy is unusable here, or if only its name or only its number is an enclave's: a
    // second name of one uid is no way out.
    const Enclave* of_user(std::string_view account, std::uint32_t uid) const;
    const Enclave* of_partition(std::string_view partition) const;
};

// A single question. Nothing if no enclave has it. Throws as Enclaves::of_user.
std::optional<Enclave> enclave_of_user(const Site& site, std::string_view account, std::uint32_t uid);
// By name alone, for texts and folders only, never to let anything in: nothing, too, where no policy can be
// used.
std::optional<Enclave> enclave_of_account(const Site& site, std::string_view account);

// The same question about what the admin wrote, on the login host. Throws as load_enclave_sources.
std::optional<Enclave> source_of_account(const Site& site, std::string_view account);

// The policy as the TOML that load_enclave reads.
std::string to_toml(const Enclave& enclave);

}  // namespace core
