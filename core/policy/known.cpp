#include "core/policy/known.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <sstream>

#include "core/base/error.h"
#include "core/base/files.h"

namespace core {
namespace {

// Lines "account e-alice hel", "uid 70001 hel", "partition hel hel": plain names, so nothing needs quoting.
std::string text_of(const Known& known) {
    std::string text;
    for (const auto& [account, enclave] : known.accounts) text += "account " + account + " " + enclave + "\n";
    for (const auto& [uid, enclave] : known.uids) text += "uid " + std::to_string(uid) + " " + enclave + "\n";
    for (const auto& [partition, enclave] : known.partitions)
        text += "partition " + partition + " " + enclave + "\n";
    return text;
}

void read_line(const std::string& line, Known& known) {
    std::istringstream words(line);
    std::string what, name, enclave;
    if (!(words >> what >> name >> enclave)) return;
    if (what == "account") known.accounts[name] = enclave;
    if (what == "partition") known.partitions[name] = enclave;
    std::uint32_t uid = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), uid);
    if (what == "uid" && error == std::errc() && end == name.data() + name.size()) known.uids[uid] = enclave;
}

std::filesystem::path file_in(const std::filesystem::path& folder) {
    return folder / "known";
}

template <class Map>
void put_over(const Map& newer, Map& map) {
    for (const auto& [key, enclave] : newer) map[key] = enclave;
}

template <class Map>
bool includes(const Map& map, const Map& other) {
    return std::all_of(other.begin(), other.end(), [&](const auto& one) {
        const auto found = map.find(one.first);
        return found != map.end() && found->second == one.second;
    });
}

}  // namespace

std::string Known::enclave_of(const std::string& account, std::uint32_t uid) const {
    if (const auto found = uids.find(uid); found != uids.end()) return found->second;
    const auto found = accounts.find(account);
    return found == accounts.end() ? "" : found->second;
}

void Known::add(const Known& newer) {
    put_over(newer.accounts, accounts);
    put_over(newer.uids, uids);
    put_over(newer.partitions, partitions);
}

bool Known::has_all_of(const Known& other) const {
    return includes(accounts, other.accounts) && includes(uids, other.uids) &&
           includes(partitions, other.partitions);
}

Known known_of(const Enclaves& enclaves) {
    Known known;
    for (const Enclave& enclave : enclaves.usable) {
        for (const std::string& account : enclave.accounts) known.accounts[account] = enclave.name;
        for (const auto& [account, uid] : enclave.uids) known.uids[uid] = enclave.name;
        known.partitions[enclave.partition] = enclave.name;
    }
    for (const UnusableEnclave& enclave : enclaves.unusable) {
        for (const std::uint32_t uid : enclave.uids) known.uids[uid] = enclave.name;
        known.partitions[enclave.partition] = enclave.name;
    }
    return known;
}

Known known_of(const SignedList& list) {
    Known known;
    for (const auto& [name, policy] : list.policies) {
        for (const std::uint32_t uid : policy.uids) known.uids[uid] = name;
        known.partitions[policy.partition] = name;
    }
    return known;
}

Known load_known(const std::filesystem::path& folder) {
    Known known;
    try {
        std::istringstream lines(read_text(file_in(folder)));
        for (std::string line; std::getline(lines, line);) read_line(line, known);
    } catch (const Error&) {
        // never kept
    }
    return known;
}

void remember(const Known& known, const std::filesystem::path& folder) {
    Known all = load_known(folder);
    if (all.has_all_of(known)) return;
    all.add(known);
    make_directories(folder, 0755);
    write_atomically(file_in(folder), text_of(all), 0644);
}

}  // namespace core
