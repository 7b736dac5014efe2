#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

// Accounts as this host's name services have them. A child asks (getent), since the daemon of a directory may hang, and
// what the C library asks of it then waits for minutes: nobody here waits for longer than `patience`.

namespace core {

struct Account {
    std::string name;
    std::uint32_t uid = 0, gid = 0;
    std::string home, shell;
};

constexpr std::chrono::milliseconds kNamesPatience{5000};

// Those that there are of `keys`: names, or numbers as digits. Throws Error(system) if there is no answer in time.
std::vector<Account> accounts_of(const std::vector<std::string>& keys,
                                 std::chrono::milliseconds patience = kNamesPatience);
std::optional<Account> account_named(const std::string& name,
                                     std::chrono::milliseconds patience = kNamesPatience);
std::optional<Account> account_numbered(std::uint32_t uid,
                                        std::chrono::milliseconds patience = kNamesPatience);

// As this host's own file has it, which waits for nobody. None also where it cannot be read.
std::optional<Account> account_in_file(std::uint32_t uid, const std::filesystem::path& file = "/etc/passwd");

// The number of a group, in the same way.
std::optional<std::uint32_t> number_of_group(const std::string& name,
                                             std::chrono::milliseconds patience = kNamesPatience);

}  // namespace core
