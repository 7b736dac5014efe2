#include "slurm/decide/known.h"

#include <cstdlib>
#include <sstream>

#include "core/base/error.h"
#include "core/base/files.h"

namespace slurm {
namespace {

// Lines "account e-alice hel", "uid 70001 hel", "partition hel": plain names, so nothing needs quoting.
std::string text_of(const Known& known) {
    std::string text;
    for (const auto& [account, enclave] : known.accounts) text += "account " + account + " " + enclave + "\n";
    for (const auto& [uid, enclave] : known.uids) text += "uid " + std::to_string(uid) + " " + enclave + "\n";
    for (const std::string& partition : known.partitions) text += "partition " + partition + "\n";
    return text;
}

std::filesystem::path file_in(const std::filesystem::path& folder) {
    return folder / "known";
}

}  // namespace

std::string Known::enclave_of(const std::string& account, std::uint32_t uid) const {
    if (const auto found = uids.find(uid); found != uids.end()) return found->second;
    const auto found = accounts.find(account);
    return found == accounts.end() ? "" : found->second;
}

void Known::add(const Known& other) {
    accounts.insert(other.accounts.begin(), other.accounts.end());
    uids.insert(other.uids.begin(), other.uids.end());
    partitions.insert(other.partitions.begin(), other.partitions.end());
}

Known known_of(const std::vector<core::Enclave>& enclaves,
               const std::vector<core::UnusableEnclave>& unusable) {
    Known known;
    for (const core::Enclave& enclave : enclaves) {
        for (const std::string& account : enclave.accounts) known.accounts.emplace(account, enclave.name);
        for (const auto& [account, uid] : enclave.uids) known.uids.emplace(uid, enclave.name);
        known.partitions.insert(enclave.partition);
    }
    for (const core::UnusableEnclave& enclave : unusable) {
        for (const std::uint32_t uid : enclave.uids) known.uids.emplace(uid, enclave.name);
        known.partitions.insert(enclave.partition);
    }
    return known;
}

Known load_known(const std::filesystem::path& folder) {
    Known known;
    try {
        std::istringstream words(core::read_text(file_in(folder)));
        for (std::string what, name, enclave; words >> what >> name;)
            if (what == "partition")
                known.partitions.insert(name);
            else if (words >> enclave && what == "uid")
                known.uids.emplace(static_cast<std::uint32_t>(std::strtoul(name.c_str(), nullptr, 10)),
                                   enclave);
            else
                known.accounts.emplace(name, enclave);
    } catch (const core::Error&) {
        // never kept
    }
    return known;
}

bool keep_known(const Known& known, const std::filesystem::path& folder) noexcept {
    try {
        if (load_known(folder) == known) return true;
        core::make_directories(folder, 0755);
        core::write_atomically(file_in(folder), text_of(known), 0644);
        return true;
    } catch (const std::exception&) {
        return false;  // what was kept before stays
    }
}

}  // namespace slurm
