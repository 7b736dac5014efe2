#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/base/site.h"
#include "core/policy/enclave.h"

namespace slurm {

// The host's names, asked only while policies are read, and for accounts that had no uid then: a directory
// service may take seconds, and slurmctld waits meanwhile.
struct Names {
    std::function<std::optional<std::uint32_t>(const std::string& account)> uid_of;
    std::function<std::optional<std::string>(std::uint32_t uid)> account_of;
};

// Which accounts and partitions are an enclave's, as slurmctld last knew it soundly. Read again when a file
// changed, and kept in a small file besides, so that a policy which is missing, cut short or damaged turns
// neither an enclave's account into an ordinary one nor anybody else away. An account or a partition that was
// an enclave's once stays refused when its policy is gone, until the admin removes that file
// (slurm/admit/README.md).
class KnownEnclaves {
public:
    struct Place {
        core::Site site;
        core::Enclave enclave;
        std::string account;
    };

    // `site_file`: /etc/aloft/site.toml. Policies are those that were published to this host (SITE.mirror).
    // `memory`: where what is known is kept; "" for nowhere. `log` gets lines for the admin.
    KnownEnclaves(std::filesystem::path site_file, std::filesystem::path memory, Names names,
                  std::function<void(const std::string&)> log);

    // Where a job of `uid` for `partition` (a list, as --partition takes it; "" for none named) belongs: none
    // if it is no enclave's. Throws Error(refused) if the two do not belong together, or if it is an
    // enclave's and the configuration is not sound.
    std::optional<Place> place(std::uint32_t uid, const std::string& partition);

    // Whether `uid` is, or was, an enclave's account.
    bool is_enclave_account(std::uint32_t uid);

private:
    struct Account {
        std::string enclave;
        std::optional<std::uint32_t> uid;
    };

    void refresh();
    std::string look() const;  // what the files look like, to see that nothing changed
    void load();
    void add(const core::Enclave& enclave);
    void recall();
    void remember();
    std::optional<std::string> known_account(std::uint32_t uid);

    std::filesystem::path site_file_, memory_;
    Names names_;
    std::function<void(const std::string&)> log_;
    std::string seen_, remembered_;
    std::string fault_;  // why the configuration is not sound; "" if it is
    core::Site site_;
    std::vector<core::Enclave> enclaves_;            // of the last sound configuration
    std::map<std::string, Account> accounts_;        // by name: all that are or were an enclave's
    std::map<std::string, std::string> partitions_;  // to the enclave's name
    std::set<std::uint32_t> ordinary_;               // uids that have been looked up since the last load
};

}  // namespace slurm
