#include "core/base/accounts.h"

#include <charconv>
#include <fstream>
#include <sstream>

#include "core/base/child.h"
#include "core/base/error.h"
#include "core/base/split.h"

namespace core {
namespace {

constexpr const char* kAsk = "/usr/bin/getent";
constexpr int kNotAll = 2;  // getent's exit code where it has not found every key

std::optional<std::uint32_t> number_in(const std::string& text) {
    std::uint32_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return number;
}

std::optional<Account> account_of(const std::vector<std::string>& fields) {
    if (fields.size() < 6) return std::nullopt;
    const auto uid = number_in(fields[2]), gid = number_in(fields[3]);
    if (!uid || !gid) return std::nullopt;
    return Account{fields[0], *uid, *gid, fields[5], fields.size() > 6 ? fields[6] : ""};
}

// The fields of each line that it prints.
std::vector<std::vector<std::string>> ask(const std::string& database, const std::vector<std::string>& keys,
                                          std::chrono::milliseconds patience) {
    if (keys.empty()) return {};  // getent would list everybody
    std::vector<std::string> words{kAsk, database, "--"};
    words.insert(words.end(), keys.begin(), keys.end());
    const auto answer = finished_within(words, patience);
    if (!answer || (answer->code != 0 && answer->code != kNotAll))
        throw Error(Fault::system, "this host's name service does not answer (getent " + database +
                                       "). See sssd's, or the directory's, own log");
    std::vector<std::vector<std::string>> lines;
    std::istringstream text(answer->output);
    for (std::string line; std::getline(text, line);) lines.push_back(split(line, ':'));
    return lines;
}

}  // namespace

std::vector<Account> accounts_of(const std::vector<std::string>& keys, std::chrono::milliseconds patience) {
    std::vector<Account> found;
    for (const auto& fields : ask("passwd", keys, patience))
        if (auto account = account_of(fields)) found.push_back(std::move(*account));
    return found;
}

std::optional<Account> account_named(const std::string& name, std::chrono::milliseconds patience) {
    for (Account& one : accounts_of({name}, patience))
        if (one.name == name) return std::move(one);
    return std::nullopt;
}

std::optional<Account> account_numbered(std::uint32_t uid, std::chrono::milliseconds patience) {
    for (Account& one : accounts_of({std::to_string(uid)}, patience))
        if (one.uid == uid) return std::move(one);
    return std::nullopt;
}

std::optional<Account> account_in_file(std::uint32_t uid, const std::filesystem::path& file) {
    std::ifstream text(file);
    for (std::string line; std::getline(text, line);)
        if (auto account = account_of(split(line, ':')); account && account->uid == uid) return account;
    return std::nullopt;
}

std::optional<std::uint32_t> number_of_group(const std::string& name, std::chrono::milliseconds patience) {
    for (const auto& fields : ask("group", {name}, patience))
        if (fields.size() >= 3 && fields[0] == name) return number_in(fields[2]);
    return std::nullopt;
}

}  // namespace core
