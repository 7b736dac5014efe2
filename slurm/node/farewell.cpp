#include "slurm/node/farewell.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/event.h"
#include "core/base/split.h"
#include "core/base/wait.h"
#include "core/keys/keys.h"
#include "core/policy/enclave.h"
#include "core/policy/names.h"
#include "slurm/fence/fence_bpf.h"
#include "slurm/node/begin.h"
#include "slurm/node/cut.h"
#include "slurm/node/network.h"
#include "slurm/node/peers.h"

namespace slurm {
namespace {

namespace fs = std::filesystem;
using core::Error;
using core::Fault;
using core::with_errno;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kAgain{200};
constexpr std::size_t kLongest = 4096;  // of a message, bytes
constexpr std::string_view kPurpose = "aloft farewell 1";

fs::path folder(const core::Site& site) {
    return site.run / "closing";
}

fs::path closed_mark(const core::Site& site) {
    return site.run / "said-hello";
}

fs::path file_of(const core::Site& site, std::uint32_t job, const std::string& start) {
    return folder(site) / (std::to_string(job) + "." + start);
}

core::Fd lock(const core::Site& site) {
    core::make_directories(folder(site), 0700);
    core::Fd fd(::open((site.run / "closing.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd.is_open() || ::flock(fd.get(), LOCK_EX))
        throw Error(Fault::system, with_errno("cannot lock what this node is closed to", errno));
    return fd;
}

Leaving parse(const std::string& text, const fs::path& file) {
    Leaving leaving;
    try {
        const auto json = nlohmann::json::parse(text);
        leaving.job = json.at("job").get<std::uint32_t>();
        leaving.start = json.at("start").get<std::string>();
        leaving.enclave = json.at("enclave").get<std::string>();
        leaving.own = json.at("own").get<std::vector<std::string>>();
        leaving.closed = json.at("closed").get<std::set<std::string>>();
        leaving.slurmd_port = json.at("slurmd_port").get<std::uint16_t>();
    } catch (const nlohmann::json::exception&) {
        throw Error(Fault::data, file.string() + " is damaged");
    }
    return leaving;
}

// Nothing if it is not there. One that goes once it is open (its last fellow has answered) was there.
std::optional<Leaving> read_if_there(const fs::path& file) {
    const core::Fd open(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!open.is_open() && errno == ENOENT) return std::nullopt;
    if (!open.is_open()) throw Error(Fault::system, with_errno("cannot open " + file.string(), errno));
    std::ifstream opened("/proc/self/fd/" + std::to_string(open.get()));
    return parse(std::string(std::istreambuf_iterator<char>(opened), {}), file);
}

void write(const core::Site& site, const Leaving& leaving) {
    core::write_atomically(file_of(site, leaving.job, leaving.start),
                           nlohmann::json{{"job", leaving.job},
                                          {"start", leaving.start},
                                          {"enclave", leaving.enclave},
                                          {"own", leaving.own},
                                          {"closed", leaving.closed},
                                          {"slurmd_port", leaving.slurmd_port}}
                               .dump(),
                           0600);
}

std::vector<Leaving> all(const core::Site& site) {
    std::vector<Leaving> found;
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(folder(site), none))
        if (!entry.path().filename().string().starts_with("."))
            if (auto one = read_if_there(entry.path())) found.push_back(std::move(*one));
    return found;
}

// With the lock held. `besides`: what could not be written down.
void refresh(const core::Site& site, const std::set<std::string>& besides, std::uint16_t slurmd_port) {
    std::set<std::string> addresses = besides;
    for (const Leaving& one : all(site)) {
        addresses.insert(one.closed.begin(), one.closed.end());
        slurmd_port = one.slurmd_port;
    }
    close_node_to(addresses, slurmd_port);
}

std::vector<std::string> addresses_of(const Policy& policy, int kind) {
    std::vector<std::string> found;
    for (const Peer& peer : policy.peers)
        if (peer.kind == kind) found.push_back(peer.address);
    return found;
}

void close(const core::Site& site, const Policy& policy, const std::set<std::string>& addresses) {
    if (addresses.empty()) return;
    const core::Fd held = lock(site);
    // The kernel first: a full /run must not keep the node open.
    refresh(site, addresses, policy.slurmd_port);
    Leaving leaving{policy.job, policy.start,      policy.enclave, addresses_of(policy, PEER_SELF),
                    addresses,  policy.slurmd_port};
    if (auto before = read_if_there(file_of(site, policy.job, policy.start)))
        leaving.closed.merge(before->closed);
    write(site, leaving);
}

void open_to(const core::Site& site, const Leaving& told, const std::set<std::string>& answered) {
    if (answered.empty()) return;
    const core::Fd held = lock(site);
    const auto file = file_of(site, told.job, told.start);
    auto now = read_if_there(file);
    if (!now) return;
    for (const std::string& address : answered) now->closed.erase(address);
    if (now->closed.empty())
        fs::remove(file);
    else
        write(site, *now);
    refresh(site, {}, now->slurmd_port);
}

std::string joined(const std::vector<std::string>& words) {
    return words.empty() ? "-" : core::joined(words, ",");
}

// By each key that this node knows of the enclave; the first is its own.
std::vector<std::string> macs(const core::Site& site, const std::string& enclave, std::string_view text) {
    std::vector<std::string> out;
    for (const auto& key : enclave_secrets(site, enclave, "", kPurpose))
        out.push_back(core::to_hex(core::hmac_sha256(key.bytes(), {core::view(text)})));
    return out;
}

sockaddr_in at(const std::string& address, std::uint16_t port) {
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_port = htons(port);
    if (inet_pton(AF_INET, address.c_str(), &where.sin_addr) != 1)
        throw Error(Fault::data, "a node's address is not IPv4");
    return where;
}

core::Fd udp_socket() {
    core::Fd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd.is_open()) throw Error(Fault::system, with_errno("cannot make a socket", errno));
    return fd;
}

// From below 1024 too, so that no gate stops the answer.
core::Fd asking_socket() {
    core::Fd fd = udp_socket();
    for (std::uint16_t port = 1023; port >= 600; --port) {
        sockaddr_in own{};
        own.sin_family = AF_INET;
        own.sin_port = htons(port);
        if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own) == 0) return fd;
        if (errno != EADDRINUSE) break;
    }
    throw Error(Fault::system, with_errno("no port below 1024 is free to tell a job's end", errno));
}

bool is_readable(int fd, milliseconds patience) {
    pollfd ready{fd, POLLIN, 0};
    return ::poll(&ready, 1, static_cast<int>(std::max<std::int64_t>(0, patience.count()))) > 0;
}

}  // namespace

std::set<std::string> others_of(const core::Enclave& enclave, const std::string& host,
                                const NodeNetwork& network) {
    std::set<std::string> others;
    for (const std::string& node : enclave.nodes) {
        if (node == host) continue;
        try {
            for (const std::uint32_t address : addresses_of(node, enclave, network))
                others.insert(core::ip4_text(address));
        } catch (const Error& e) {
            core::Event("warning", "node_without_address").with("node", node).with("text", e.what());
        }
    }
    return others;
}

void open_to_forgotten(const core::Site& site, const std::string& enclave,
                       const std::set<std::string>& addresses) {
    for (const Leaving& one : all(site))
        if (one.enclave == enclave) open_to(site, one, addresses);
}

namespace {

bool can_be_told(const core::Site& site, const std::string& enclave) {
    try {
        macs(site, enclave, "");
        return true;
    } catch (const Error&) {  // its key is not here
        return false;
    }
}

}  // namespace

void close_to_fellows(const core::Site& site, const Policy& policy) {
    const auto fellows = addresses_of(policy, PEER_FELLOW);
    close(site, policy, {fellows.begin(), fellows.end()});
}

void close_after_boot(const core::Site& site, const std::string& host, std::int64_t now,
                      const fs::path& slurm_conf, const Fellows& remembered) {
    const fs::path mark = closed_mark(site), came_back = site.run / "came-back";
    if (fs::exists(mark)) return;
    // What is published here may come late; what began meanwhile is nothing that this node left.
    if (!fs::exists(came_back)) core::write_atomically(came_back, std::to_string(now), 0400);
    const std::string since = core::read_text(came_back, 32);
    const SlurmConf conf = load_slurm_conf(slurm_conf);
    NodeNetwork network = look_at_network(conf);
    // The controller may be down as well: what the files here say is enough to close the node.
    network.slurm_address = [&](const std::string& node) {
        return configured_address(conf, node).value_or(node);
    };
    std::vector<core::UnusableEnclave> unusable;
    Fellows former = remembered;
    for (const core::Enclave& enclave : core::load_enclaves(site, &unusable))
        if (enclave.has_node(host)) former[enclave.name].merge(others_of(enclave, host, network));
    for (const auto& [enclave, addresses] : former) {
        Policy everything;  // one run of job 0 for each enclave
        everything.enclave = enclave;
        everything.start = since + "-" + enclave;
        everything.slurmd_port = conf.slurmd_port;
        for (const std::string& address : addresses) everything.peers.push_back({address, PEER_FELLOW, {}});
        for (const OwnAddress& own : network.own)
            if (own.address >> 24 != 127)
                everything.peers.push_back({core::ip4_text(own.address), PEER_SELF, {}});
        close_to_fellows(site, everything);
        if (!can_be_told(site, enclave))
            core::Event("warning", "former_fellows_stay_closed")
                .with("enclave", enclave)
                .with("addresses", addresses.size());
    }
    if (!unusable.empty())
        throw Error(Fault::data, "the policy of enclave " + unusable.front().name +
                                     " is unusable here, so its nodes are not known");
    core::write_atomically(mark, "", 0400);
}

bool has_closed_after_boot(const core::Site& site, milliseconds patience) {
    return core::wait_until(patience, milliseconds(50), [&] { return fs::exists(closed_mark(site)); });
}

void close_to(const core::Site& site, const Policy& policy, const std::vector<std::string>& addresses) {
    std::set<std::string> gone;
    for (const std::string& fellow : addresses_of(policy, PEER_FELLOW))
        if (std::find(addresses.begin(), addresses.end(), fellow) != addresses.end()) gone.insert(fellow);
    close(site, policy, gone);
}

std::set<std::string> closed_by(const core::Site& site, const Policy& policy) {
    const auto leaving = read_if_there(file_of(site, policy.job, policy.start));
    return leaving ? leaving->closed : std::set<std::string>{};
}

std::string seal(const core::Site& site, const Farewell& farewell) {
    const std::string text = std::string(farewell.kind == Farewell::Kind::left ? "aloft-left" : "aloft-cut") +
                             " " + farewell.enclave + " " + std::to_string(farewell.job) + " " +
                             farewell.start + " " + joined(farewell.own) + " " + farewell.to + " " +
                             farewell.nonce;
    return text + " " + macs(site, farewell.enclave, text).front();
}

Farewell open_farewell(const core::Site& site, std::string_view text) {
    const auto words = core::split(text, ' ');
    if (words.size() != 8 || (words[0] != "aloft-left" && words[0] != "aloft-cut") ||
        !core::is_plain_name(words[1]))
        throw Error(Fault::data, "not a message between agents");
    const std::string shown = words.back();
    const auto expected = macs(site, words[1], text.substr(0, text.size() - shown.size() - 1));
    if (std::none_of(expected.begin(), expected.end(), [&](const std::string& one) {
            return core::equal_secret(core::view(shown), core::view(one));
        }))
        throw Error(Fault::refused, "a message between agents that the enclave's key did not make");
    Farewell farewell;
    farewell.kind = words[0] == "aloft-left" ? Farewell::Kind::left : Farewell::Kind::cut;
    farewell.enclave = words[1];
    farewell.job = static_cast<std::uint32_t>(std::strtoul(words[2].c_str(), nullptr, 10));
    farewell.start = words[3];
    if (words[4] != "-") farewell.own = core::split(words[4], ',');
    farewell.to = words[5];
    farewell.nonce = words[6];
    return farewell;
}

bool tell_fellows(const core::Site& site, milliseconds patience,
                  const std::function<bool(const Leaving&)>& wanted) {
    std::vector<Leaving> leavings;
    for (Leaving& one : all(site))
        if (wanted(one) && can_be_told(site, one.enclave)) leavings.push_back(std::move(one));
    if (leavings.empty()) return true;
    const core::Fd socket = asking_socket();
    const std::string nonce = core::random_id(8);
    std::map<std::string, std::set<std::string>> answered;  // by file
    const auto name = [&](std::uint32_t job, const std::string& start) {
        return file_of(site, job, start).string();
    };
    const auto is_complete = [&] {
        return std::all_of(leavings.begin(), leavings.end(), [&](const Leaving& one) {
            return answered[name(one.job, one.start)].size() >= one.closed.size();
        });
    };
    const auto end = steady_clock::now() + patience;
    while (!is_complete() && steady_clock::now() < end) {
        for (const Leaving& one : leavings)
            for (const std::string& to : one.closed) {
                if (answered[name(one.job, one.start)].contains(to)) continue;
                const std::string text =
                    seal(site, {Farewell::Kind::left, one.enclave, one.job, one.start, one.own, to, nonce});
                const sockaddr_in where = at(to, kFarewellPort);
                (void)!::sendto(socket.get(), text.data(), text.size(), 0,
                                reinterpret_cast<const sockaddr*>(&where), sizeof where);
            }
        const auto next = std::min(end, steady_clock::now() + kAgain);
        char buffer[kLongest];
        while (!is_complete() && steady_clock::now() < next) {
            const auto left = std::chrono::duration_cast<milliseconds>(next - steady_clock::now());
            if (!is_readable(socket.get(), left + milliseconds(1))) break;
            const ssize_t got = ::recv(socket.get(), buffer, sizeof buffer, 0);
            if (got <= 0) continue;  // a port that nobody listens on answers so, too
            try {
                const Farewell answer =
                    open_farewell(site, std::string_view(buffer, static_cast<std::size_t>(got)));
                if (answer.kind == Farewell::Kind::cut && answer.nonce == nonce)
                    for (const Leaving& one : leavings)
                        if (one.job == answer.job && one.start == answer.start &&
                            one.enclave == answer.enclave && one.closed.contains(answer.to))
                            answered[name(one.job, one.start)].insert(answer.to);
            } catch (const Error&) {
                // somebody else's packet
            }
        }
    }
    for (const Leaving& one : leavings) open_to(site, one, answered[name(one.job, one.start)]);
    return is_complete();
}

bool tell_all_fellows(const core::Site& site, milliseconds patience) {
    return tell_fellows(site, patience, [&](const Leaving& one) {
        // A run that goes on here waits for nobody's answer: it was left, it did not leave.
        const JobFiles files(site, one.job);
        if (!fs::exists(files.policy)) return true;
        try {
            return parse_policy(core::read_text(files.policy)).start != one.start;
        } catch (const Error&) {
            return false;
        }
    });
}

FarewellPort::FarewellPort() : socket_(udp_socket()) {
    sockaddr_in own{};
    own.sin_family = AF_INET;
    own.sin_port = htons(kFarewellPort);
    if (::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own))
        throw Error(Fault::system,
                    with_errno("UDP port " + std::to_string(kFarewellPort) + " is not free", errno));
}

bool FarewellPort::answer(const core::Site& site, milliseconds patience,
                          const std::function<bool(const Farewell&)>& on_left) {
    if (!is_readable(socket_.get(), patience)) return false;
    char buffer[kLongest];
    sockaddr_in from{};
    socklen_t length = sizeof from;
    const ssize_t got =
        ::recvfrom(socket_.get(), buffer, sizeof buffer, 0, reinterpret_cast<sockaddr*>(&from), &length);
    if (got <= 0 || ntohs(from.sin_port) >= 1024) return true;
    Farewell question;
    try {
        question = open_farewell(site, std::string_view(buffer, static_cast<std::size_t>(got)));
    } catch (const Error&) {
        return true;  // anybody may send a packet; it is not worth a line of the log
    }
    if (question.kind != Farewell::Kind::left || !on_left(question)) return true;
    question.kind = Farewell::Kind::cut;
    question.own.clear();
    const std::string text = seal(site, question);
    (void)!::sendto(socket_.get(), text.data(), text.size(), 0, reinterpret_cast<const sockaddr*>(&from),
                    length);
    return true;
}

}  // namespace slurm
