#include "slurm/step/names.h"

#include <arpa/inet.h>
#include <netdb.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "core/base/split.h"

namespace slurm {
namespace {

struct Line {
    std::string address;
    std::vector<std::string> names;
};

std::vector<Line> lines_of(std::string_view text) {
    std::vector<Line> found;
    std::istringstream lines{std::string(text)};
    for (std::string one; std::getline(lines, one);) {
        std::istringstream words(one.substr(0, one.find('#')));
        Line line;
        words >> line.address;
        for (std::string name; words >> name;) line.names.push_back(name);
        if (!line.names.empty()) found.push_back(std::move(line));
    }
    return found;
}

// Lines of a passwd or group file that have a number, by their fields.
std::vector<std::vector<std::string>> entries_of(std::string_view text) {
    std::vector<std::vector<std::string>> found;
    std::istringstream lines{std::string(text)};
    for (std::string line; std::getline(lines, line);)
        if (auto fields = core::split(line, ':'); fields.size() >= 3) found.push_back(std::move(fields));
    return found;
}

std::set<std::string> addresses_of(const Policy& policy) {
    std::set<std::string> found;
    for (const Peer& peer : policy.peers) found.insert(peer.address);
    return found;
}

}  // namespace

std::string nsswitch_text(std::string_view hosts_own) {
    std::set<std::string> databases{"group", "hosts", "passwd"};
    std::istringstream lines{std::string(hosts_own)};
    for (std::string line; std::getline(lines, line);) {
        const auto colon = line.find(':');
        if (colon != std::string::npos && line.find('#') > colon)
            databases.insert(core::trimmed(line.substr(0, colon)));
    }
    std::string text;
    for (const std::string& database : databases) text += database + ": files\n";
    return text;
}

std::string passwd_text(std::string_view hosts_own, const Owner& owner) {
    if (owner.account.empty()) return std::string(hosts_own);
    const std::string uid = std::to_string(owner.uid);
    for (const auto& fields : entries_of(hosts_own))
        if (fields[0] == owner.account && fields[2] == uid) return std::string(hosts_own);
    return owner.account + ":x:" + uid + ":" + std::to_string(owner.gid) + "::/aloft/workspace:/bin/sh\n" +
           std::string(hosts_own);
}

std::string group_text(std::string_view hosts_own, const Owner& owner) {
    if (owner.account.empty()) return std::string(hosts_own);
    const std::string gid = std::to_string(owner.gid);
    for (const auto& fields : entries_of(hosts_own))
        if (fields[2] == gid) return std::string(hosts_own);
    return owner.account + ":x:" + gid + ":\n" + std::string(hosts_own);
}

std::string hosts_text(std::string_view hosts_own, const Policy& policy,
                       const std::vector<std::pair<std::string, std::string>>& names) {
    const std::set<std::string> peers = addresses_of(policy);
    std::string text = "127.0.0.1 localhost\n";
    for (const Line& line : lines_of(hosts_own)) {
        if (!peers.contains(line.address)) continue;
        text += line.address;
        for (const std::string& name : line.names) text += " " + name;
        text += "\n";
    }
    for (const auto& [address, name] : names) text += address + " " + name + "\n";
    return text;
}

std::vector<std::pair<std::string, std::string>> resolve_others(std::string_view hosts_own,
                                                                const Policy& policy) {
    const std::set<std::string> peers = addresses_of(policy);
    std::set<std::string> known;
    for (const Line& line : lines_of(hosts_own))
        if (peers.contains(line.address)) known.insert(line.names.begin(), line.names.end());
    std::vector<std::pair<std::string, std::string>> found;
    for (const std::string& node : policy.nodes) {
        if (known.contains(node)) continue;
        addrinfo hints{}, *list = nullptr;
        hints.ai_family = AF_INET;
        hints.ai_socktype = SOCK_STREAM;
        if (::getaddrinfo(node.c_str(), nullptr, &hints, &list)) continue;
        for (const addrinfo* one = list; one; one = one->ai_next) {
            char text[INET_ADDRSTRLEN];
            ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(one->ai_addr)->sin_addr, text,
                        sizeof text);
            if (peers.contains(text)) found.emplace_back(text, node);
        }
        ::freeaddrinfo(list);
    }
    return found;
}

}  // namespace slurm
