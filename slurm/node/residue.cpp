#include "slurm/node/residue.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/genetlink.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp_metrics.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/klog.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <deque>
#include <fstream>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <thread>
#include <utility>

#include "core/base/error.h"
#include "core/base/event.h"
#include "core/base/files.h"
#include "core/base/mounts.h"

namespace slurm {
namespace {

namespace fs = std::filesystem;
using core::Error;
using std::chrono::steady_clock;

constexpr std::chrono::seconds kTimeWait{62};   // the kernel's TCP_TIMEWAIT_LEN is 60 s
constexpr std::chrono::seconds kFlowLabel{62};  // and so is FL_MAX_LINGER for an account without privileges
constexpr std::size_t kFolders = 50'000;
constexpr int kClear = 5;  // SYSLOG_ACTION_CLEAR

void warn(const char* what) {
    core::Event("warning", "residue_not_cleared").with("what", what).with("error", std::strerror(errno));
}

// Questions to the kernel, and its answers.
class Netlink {
public:
    explicit Netlink(int protocol) : socket_(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol)) {
        const timeval patience{5, 0};
        if (!socket_.is_open() ||
            ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience))
            throw Error(core::Fault::system, "netlink: " + std::string(std::strerror(errno)));
    }

    // `body` by type and flags; each message of the answer goes to `take`. Returns 0, or what errno would be.
    int ask(std::uint16_t type, std::uint16_t flags, const std::string& body,
            const std::function<void(const char*, std::size_t)>& take = {}) {
        nlmsghdr head{};
        head.nlmsg_len = static_cast<std::uint32_t>(sizeof head + body.size());
        head.nlmsg_type = type;
        head.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
        head.nlmsg_seq = ++sequence_;
        std::string message(reinterpret_cast<const char*>(&head), sizeof head);
        message += body;
        if (::send(socket_.get(), message.data(), message.size(), 0) < 0) return errno;
        while (true) {
            const ssize_t size = ::recv(socket_.get(), buffer_.data(), buffer_.size(), 0);
            if (size < 0) return errno;
            auto left = static_cast<std::uint32_t>(size);
            for (auto* one = reinterpret_cast<nlmsghdr*>(buffer_.data()); NLMSG_OK(one, left);
                 one = NLMSG_NEXT(one, left)) {
                if (one->nlmsg_seq != sequence_) continue;
                if (one->nlmsg_type == NLMSG_DONE) return 0;
                if (one->nlmsg_type == NLMSG_ERROR)
                    return -reinterpret_cast<const nlmsgerr*>(NLMSG_DATA(one))->error;
                if (take) take(static_cast<const char*>(NLMSG_DATA(one)), NLMSG_PAYLOAD(one, 0));
            }
        }
    }

private:
    core::Fd socket_;
    std::uint32_t sequence_ = 0;
    alignas(nlmsghdr) std::array<char, 65536> buffer_{};
};

template <class T>
std::string bytes_of(const T& value) {
    return {reinterpret_cast<const char*>(&value), sizeof value};
}

std::string address_bytes(int family, const void* address) {
    return {static_cast<const char*>(address), family == AF_INET ? sizeof(in_addr) : sizeof(in6_addr)};
}

std::set<std::string> own_addresses() {
    std::set<std::string> own;
    ifaddrs* list = nullptr;
    if (::getifaddrs(&list)) return own;
    for (const ifaddrs* one = list; one; one = one->ifa_next) {
        if (!one->ifa_addr) continue;
        if (one->ifa_addr->sa_family == AF_INET)
            own.insert(
                address_bytes(AF_INET, &reinterpret_cast<const sockaddr_in*>(one->ifa_addr)->sin_addr));
        if (one->ifa_addr->sa_family == AF_INET6)
            own.insert(
                address_bytes(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(one->ifa_addr)->sin6_addr));
    }
    ::freeifaddrs(list);
    return own;
}

bool is_own(const std::set<std::string>& own, int family, const void* bytes) {
    const std::string address = address_bytes(family, bytes);
    if (family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(static_cast<const in6_addr*>(bytes)))
        return is_own(own, AF_INET, static_cast<const char*>(bytes) + 12);
    return own.contains(address) || (family == AF_INET && address[0] == 127);
}

// In which cgroup the socket was made; 0 if it is no whole one any more.
std::uint64_t cgroup_of(const char* body, std::size_t size) {
    for (std::size_t at = sizeof(inet_diag_msg); at + sizeof(nlattr) <= size;) {
        nlattr one{};
        std::memcpy(&one, body + at, sizeof one);
        if (one.nla_len < sizeof one || at + one.nla_len > size) break;
        std::uint64_t id = 0;
        if (one.nla_type == INET_DIAG_CGROUP_ID && one.nla_len == sizeof one + sizeof id) {
            std::memcpy(&id, body + at + sizeof one, sizeof id);
            return id;
        }
        at += (one.nla_len + 3U) / 4 * 4;
    }
    return 0;
}

// "10.0.0.12", of IPv4 in IPv6 too; else nothing.
std::string ip4_of(const inet_diag_msg& one) {
    const auto* bytes = reinterpret_cast<const char*>(one.id.idiag_dst);
    const bool is_mapped =
        one.idiag_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(reinterpret_cast<const in6_addr*>(bytes));
    if (one.idiag_family != AF_INET && !is_mapped) return {};
    char text[INET_ADDRSTRLEN] = {};
    return ::inet_ntop(AF_INET, is_mapped ? bytes + 12 : bytes, text, sizeof text) ? text : "";
}

// Connections that no process has any more, and that the job can have shaped. A daemon's that still has bytes to
// send to another host is none, but where that is cut off: there they would be tried for 90 s, and hold the job's
// cgroup with its programs.
std::vector<inet_diag_msg> orphans(Netlink& kernel, std::uint32_t uid, const Parted& parted) {
    constexpr std::uint32_t kStates = 1U << TCP_TIME_WAIT | 1U << TCP_FIN_WAIT1 | 1U << TCP_FIN_WAIT2 |
                                      1U << TCP_CLOSING | 1U << TCP_LAST_ACK;
    const std::set<std::string> own = own_addresses();
    std::vector<inet_diag_msg> found;
    for (const int family : {AF_INET, AF_INET6}) {
        inet_diag_req_v2 question{};
        question.sdiag_family = static_cast<std::uint8_t>(family);
        question.sdiag_protocol = IPPROTO_TCP;
        question.idiag_states = kStates;
        const int failed = kernel.ask(
            SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, bytes_of(question), [&](const char* body, std::size_t size) {
                inet_diag_msg one{};
                if (size < sizeof one) return;
                std::memcpy(&one, body, sizeof one);
                const bool is_local = is_own(own, one.idiag_family, one.id.idiag_src) &&
                                      is_own(own, one.idiag_family, one.id.idiag_dst);
                const bool is_done = one.idiag_state == TCP_TIME_WAIT || one.idiag_state == TCP_FIN_WAIT2;
                const bool is_cut =
                    parted.addresses.contains(ip4_of(one)) && parted.cgroups.contains(cgroup_of(body, size));
                if (one.idiag_inode == 0 && (is_local || is_done || is_cut || one.idiag_uid == uid))
                    found.push_back(one);
            });
        if (failed) throw Error(core::Fault::system, "sock_diag: " + std::string(std::strerror(failed)));
    }
    return found;
}

std::string name_of(const inet_diag_msg& one) {
    inet_diag_sockid id = one.id;
    id.idiag_cookie[0] = id.idiag_cookie[1] = 0;
    return bytes_of(id) + static_cast<char>(one.idiag_family);
}

// False if this kernel cannot end one of them.
bool destroy(Netlink& kernel, const std::vector<inet_diag_msg>& sockets) {
    bool could = true;
    for (const inet_diag_msg& one : sockets) {
        inet_diag_req_v2 which{};
        which.sdiag_family = one.idiag_family;
        which.sdiag_protocol = IPPROTO_TCP;
        which.id = one.id;
        const int failed = kernel.ask(SOCK_DESTROY, NLM_F_ACK, bytes_of(which));
        could = could && (failed == 0 || failed == ENOENT);
    }
    return could;
}

// Attributes of netlink are padded to four bytes.
std::string attribute(std::uint16_t type, std::string value) {
    nlattr head{};
    head.nla_type = type;
    head.nla_len = static_cast<std::uint16_t>(sizeof head + value.size());
    value.resize((value.size() + 3) / 4 * 4);
    return bytes_of(head) + value;
}

std::uint16_t generic_family(Netlink& kernel, const char* name) {
    const genlmsghdr head{CTRL_CMD_GETFAMILY, 1, 0};
    std::uint16_t number = 0;
    const int failed = kernel.ask(
        GENL_ID_CTRL, NLM_F_ACK, bytes_of(head) + attribute(CTRL_ATTR_FAMILY_NAME, std::string(name) + '\0'),
        [&](const char* body, std::size_t size) {
            for (std::size_t at = sizeof head; at + sizeof(nlattr) <= size;) {
                nlattr one{};
                std::memcpy(&one, body + at, sizeof one);
                if (one.nla_len < sizeof one || at + one.nla_len > size) return;
                if (one.nla_type == CTRL_ATTR_FAMILY_ID && one.nla_len >= sizeof one + 2)
                    std::memcpy(&number, body + at + sizeof one, sizeof number);
                at += (one.nla_len + 3U) / 4 * 4;
            }
        });
    if (failed || !number) throw Error(core::Fault::system, "no netlink family " + std::string(name));
    return number;
}

struct Labels {
    bool any = false, of_account = false;
};

// Columns of /proc/net/ip6_flowlabel: label, share, owner. Of the shares (linux/in6.h) only "user" says whose.
Labels flow_labels(const fs::path& table, std::uint32_t uid) {
    constexpr unsigned kUser = 3;
    Labels labels;
    std::ifstream file(table);
    std::string line, label;
    std::getline(file, line);
    while (std::getline(file, line)) {
        std::istringstream words(line);
        unsigned share = 0;
        std::uint32_t owner = 0;
        if (!(words >> label >> share >> owner) || (share == kUser && owner != uid)) continue;
        labels.any = true;
        labels.of_account = labels.of_account || share == kUser;
    }
    return labels;
}

// True if the log, as dmesg shows it, has a line of that time. /dev/kmsg gives one record a read: "6,123,456789,-;text".
bool log_has_lines(std::int64_t since) {
    timespec now{}, up{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    ::clock_gettime(CLOCK_MONOTONIC, &up);
    constexpr std::int64_t kClocksDiffer = 5;  // the log has a clock of its own
    const std::int64_t first = (since - kClocksDiffer - (now.tv_sec - up.tv_sec)) * 1'000'000;
    const core::Fd log(::open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    if (!log.is_open()) return true;  // then it is cleared unseen
    ::lseek(log.get(), 0, SEEK_DATA);
    std::array<char, 8192> record{};
    while (true) {
        const ssize_t size = ::read(log.get(), record.data(), record.size());
        if (size < 0 && errno == EPIPE) continue;  // overwritten meanwhile
        if (size <= 0) return false;
        const std::string_view text(record.data(), static_cast<std::size_t>(size));
        const auto at = text.find(',', text.find(',') + 1);
        std::int64_t stamp = 0;
        if (at == std::string_view::npos) continue;
        std::from_chars(text.data() + at + 1, text.data() + text.size(), stamp);
        if (stamp >= first) return true;
    }
}

// Breadth first, so that a large tree hides none that is near. Below a writable folder scrub_files looks itself.
void add_writable(const fs::path& top, std::size_t& budget, std::vector<fs::path>& found) {
    constexpr int kDeep = 5;
    std::deque<std::pair<fs::path, int>> waiting{{top, 0}};
    for (dev_t device = 0; !waiting.empty() && budget > 0; waiting.pop_front(), --budget) {
        const auto& [path, depth] = waiting.front();
        core::Fd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        struct stat status {};
        if (!folder.is_open() || ::fstat(folder.get(), &status)) continue;
        if (depth == 0) device = status.st_dev;
        if (status.st_dev != device) continue;  // a mount, which has a turn of its own
        if (status.st_mode & S_IWOTH) {
            found.push_back(path);
            continue;
        }
        if (depth == kDeep) continue;
        const std::unique_ptr<DIR, int (*)(DIR*)> list(::fdopendir(folder.get()), ::closedir);
        if (!list) continue;
        folder.release();  // it is the list's now
        while (const dirent* entry = ::readdir(list.get()))
            if ((entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN) && std::strcmp(entry->d_name, ".") &&
                std::strcmp(entry->d_name, ".."))
                waiting.emplace_back(path / entry->d_name, depth + 1);
    }
}

}  // namespace

nlohmann::json Residue::to_json() const {
    return {{"page_cache", page_cache},   {"sockets", sockets},       {"tcp_metrics", tcp_metrics},
            {"flow_labels", flow_labels}, {"kernel_log", kernel_log}, {"left", left}};
}

bool forget_sockets(std::uint32_t uid, std::chrono::seconds patience, std::string& left,
                    const Parted& parted) try {
    Netlink kernel(NETLINK_SOCK_DIAG);
    std::set<std::string> waited;
    const auto end = steady_clock::now() + patience;
    for (int round = 0;; ++round) {
        std::vector<inet_diag_msg> sockets = orphans(kernel, uid, parted);
        const bool could = destroy(kernel, sockets);
        if (could && sockets.empty()) return true;
        if (could && round < 50) continue;  // closing ones may have become others meanwhile
        // A daemon of the node leaves new ones all the time; the job left those that were there at first.
        std::size_t still = 0;
        for (const auto& one : sockets)
            round == 0 ? void(waited.insert(name_of(one))) : void(still += waited.contains(name_of(one)));
        if (round > 0 && still == 0) return true;
        if (steady_clock::now() > end) {
            left +=
                std::string(left.empty() ? "" : "; ") + "connections that are closed, and shown to everybody";
            return false;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
    }
} catch (const Error& e) {
    core::Event("warning", "residue_not_cleared").with("what", "sockets").with("error", e.what());
    return false;
}

bool forget_tcp_metrics() try {
    Netlink kernel(NETLINK_GENERIC);
    const genlmsghdr head{TCP_METRICS_CMD_DEL, TCP_METRICS_GENL_VERSION, 0};  // without an address: all
    errno = kernel.ask(generic_family(kernel, TCP_METRICS_GENL_NAME), NLM_F_ACK, bytes_of(head));
    if (errno) warn("TCP metrics");
    return errno == 0;
} catch (const Error& e) {
    core::Event("warning", "residue_not_cleared").with("what", "TCP metrics").with("error", e.what());
    return false;
}

bool wait_for_flow_labels(std::uint32_t uid, const fs::path& table, std::chrono::milliseconds patience,
                          std::string& left) {
    const auto end = steady_clock::now() + patience;
    while (true) {
        const Labels labels = flow_labels(table, uid);
        if (!labels.any) return true;
        if (steady_clock::now() > end) {
            if (labels.of_account)
                left += std::string(left.empty() ? "" : "; ") + "IPv6 flow labels of the account";
            return false;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
    }
}

bool forget_page_cache() {
    const core::Fd file(::open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC));
    bool done = file.is_open();
    // Twice: a page that the kernel has in hand (written back, in a journal's commit, looked at) is passed by.
    for (int round = 0; done && round < 2; ++round) {
        if (round != 0) std::this_thread::sleep_for(std::chrono::milliseconds(20));
        done = ::pwrite(file.get(), "3", 1, 0) == 1;
    }
    if (!done) warn("page cache");
    return done;
}

bool forget_kernel_log(std::int64_t since) {
    if (!log_has_lines(since)) return true;
    const bool done = ::klogctl(kClear, nullptr, 0) == 0;
    if (!done) warn("kernel log");
    return done;
}

Residue clear_residue(const Policy& policy, const Parted& parted) {
    Residue residue;
    residue.sockets = forget_sockets(policy.uid, kTimeWait, residue.left, parted);
    residue.tcp_metrics = forget_tcp_metrics();  // after the sockets: a closing one writes some
    residue.flow_labels =
        wait_for_flow_labels(policy.uid, "/proc/net/ip6_flowlabel", kFlowLabel, residue.left);
    residue.kernel_log = forget_kernel_log(policy.began);
    residue.page_cache = forget_page_cache();  // last: all of the above reads files
    return residue;
}

std::vector<fs::path> writable_folders(const fs::path& mountinfo, const std::vector<fs::path>& shared) {
    const std::set<std::string> local = {"ext2", "ext3", "ext4",  "xfs",   "btrfs",
                                         "f2fs", "zfs",  "tmpfs", "ramfs", "overlay"};
    const std::vector<core::Mount> mounts = core::mounts_in(mountinfo);
    std::set<std::string> elsewhere;  // devices
    for (const fs::path& path : shared)
        if (const core::Mount* mount = core::mount_of(mounts, path); mount && mount->point != "/")
            elsewhere.insert(mount->device);
    std::vector<fs::path> found;
    std::set<std::string> seen;
    std::size_t budget = kFolders;
    for (const core::Mount& mount : mounts) {
        if (!local.contains(mount.type) || elsewhere.contains(mount.device) ||
            !seen.insert(mount.point).second)
            continue;
        if (core::mount_of(mounts, mount.point)->device != mount.device) continue;  // covered by another
        add_writable(mount.point, budget, found);
    }
    for (const char* spool :
         {"/var/spool/cron", "/var/spool/at", "/var/mail", "/var/spool/mail", "/run/user"})
        if (const core::Mount* mount = core::mount_of(mounts, spool);
            mount && local.contains(mount->type) && !elsewhere.contains(mount->device))
            found.emplace_back(spool);
    return found;
}

}  // namespace slurm
