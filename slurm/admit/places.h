#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "core/base/site.h"
#include "core/policy/known.h"

namespace slurm {

// Which enclave a job belongs to, as slurmctld last read it soundly. Read again when a file changed. An account
// or a partition that this host knows to be, or to have been, an enclave's (SITE.known, which aloft-mirror
// keeps) stays refused when its policy is missing, cut short or damaged, and nobody else is turned away.
// Asks no name service: the numbers of accounts are signed.
class Places {
public:
    struct Place {
        core::Site site;
        core::Enclave enclave;
        std::string account;
    };

    // `site_file`: /etc/aloft/site.toml. Policies are those that were published to this host (SITE.mirror).
    // `memory`: SITE.known. `log` gets lines for the admin.
    Places(std::filesystem::path site_file, std::filesystem::path memory,
           std::function<void(const std::string&)> log);

    // Where a job of `uid` for `partition` (a list, as --partition takes it; "" for none named) belongs: none
    // if it is no enclave's. Throws Error(refused) if the two do not belong together, or if it is an
    // enclave's and the configuration is not sound.
    std::optional<Place> place(std::uint32_t uid, const std::string& partition);

    // Whether `uid` is, or was, an enclave's account.
    bool is_enclave_account(std::uint32_t uid);

    // As last soundly read.
    const core::Site& site() const { return site_; }

private:
    void refresh();
    std::string look() const;  // what the files look like, to see that nothing changed
    void load();

    std::filesystem::path site_file_, memory_;
    std::function<void(const std::string&)> log_;
    std::string seen_;
    std::string fault_;  // why the configuration is not sound; "" if it is
    core::Site site_;
    core::Enclaves enclaves_;  // of the last sound configuration
    core::Known known_;        // all that are, or since this began ever were, an enclave's
};

}  // namespace slurm
