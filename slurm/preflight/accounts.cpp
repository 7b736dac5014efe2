#include <pwd.h>

#include <fstream>
#include <sstream>

#include "core/base/split.h"
#include "slurm/preflight/preflight.h"

namespace slurm {
namespace {

namespace fs = std::filesystem;

struct Entry {
    std::string name;
    std::uint32_t uid;
};

// Of the file alone: a directory of accounts (LDAP) may have a hundred thousand, and does not list them.
std::vector<Entry> entries_of(const fs::path& passwd_file) {
    std::vector<Entry> entries;
    std::ifstream file(passwd_file);
    for (std::string line; std::getline(file, line);) {
        const auto words = core::split(line, ':');
        if (words.size() < 3 || words[2].empty() ||
            words[2].find_first_not_of("0123456789") != std::string::npos)
            continue;
        entries.push_back(
            {words[0], static_cast<std::uint32_t>(std::strtoul(words[2].c_str(), nullptr, 10))});
    }
    return entries;
}

std::string name_of_uid(std::uint32_t uid) {
    const passwd* entry = ::getpwuid(uid);
    return entry ? entry->pw_name : "";
}

}  // namespace

Check check_own_numbers(const core::Enclave& enclave, const fs::path& passwd_file, const NameOf& name_of) {
    const auto entries = entries_of(passwd_file);
    std::string fault;
    const auto is_wrong = [&](const std::string& account, std::uint32_t uid, const std::string& other) {
        if (other.empty() || other == account) return false;
        fault = std::to_string(uid) + " is " + account + "'s and " + other + "'s";
        return true;
    };
    for (const auto& [account, uid] : enclave.uids) {
        if (is_wrong(account, uid, (name_of ? name_of : name_of_uid)(uid))) break;
        for (const Entry& entry : entries) {
            if (entry.uid == uid && is_wrong(account, uid, entry.name)) break;
            if (entry.name != account || entry.uid == uid) continue;
            fault = account + " has the number " + std::to_string(entry.uid) + " here, " +
                    std::to_string(uid) + " in the policy";
            break;
        }
        if (!fault.empty()) break;
    }
    return core::required(
        "accounts of enclave " + enclave.name, fault.empty(),
        fault.empty() ? "no other name has their numbers" : fault,
        "give the enclave's account a number of its own: what runs under that number outside the "
        "enclave is the same user to the kernel");
}

}  // namespace slurm
