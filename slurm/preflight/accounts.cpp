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

}  // namespace

Check check_own_numbers(const core::Enclave& enclave, const fs::path& passwd_file,
                        const AskForAccounts& ask) {
    const std::string what = "accounts of enclave " + enclave.name;
    std::vector<Entry> entries = entries_of(passwd_file);
    std::vector<std::string> keys;
    for (const auto& [account, uid] : enclave.uids) keys.insert(keys.end(), {account, std::to_string(uid)});
    try {
        for (const core::Account& one : ask ? ask(keys) : core::accounts_of(keys))
            entries.push_back({one.name, one.uid});
    } catch (const core::Error& e) {
        return core::required(what, false, e.what(),
                              "nobody can tell whose their numbers are while it hangs: mend or restart it "
                              "(systemctl restart sssd)");
    }
    std::string fault;
    for (const auto& [account, uid] : enclave.uids) {
        for (const Entry& entry : entries) {
            if (entry.uid == uid && entry.name != account)
                fault = std::to_string(uid) + " is " + account + "'s and " + entry.name + "'s";
            else if (entry.name == account && entry.uid != uid)
                fault = account + " has the number " + std::to_string(entry.uid) + " here, " +
                        std::to_string(uid) + " in the policy";
            if (!fault.empty()) break;
        }
        if (!fault.empty()) break;
    }
    return core::required(what, fault.empty(), fault.empty() ? "no other name has their numbers" : fault,
                          "give the enclave's account a number of its own: what runs under that number "
                          "outside the "
                          "enclave is the same user to the kernel");
}

}  // namespace slurm
