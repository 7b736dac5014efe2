#include "slurm/preflight/closing.h"

#include <arpa/inet.h>

#include <algorithm>
#include <sstream>
#include <string>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/mounts.h"
#include "core/base/split.h"
#include "core/policy/names.h"
#include "slurm/preflight/kernel_settings.h"

namespace slurm {
namespace {

namespace fs = std::filesystem;
using core::advised;
using core::Check;
using core::Error;
using core::Fault;
using core::required;

constexpr const char *kBootId = "/proc/sys/kernel/random/boot_id", *kUnit = "aloft-node-close.service";
constexpr const char* kUnits = ALOFT_PREFIX "/lib/systemd/system/aloft-node-close.service";

fs::path below(const fs::path& root, const fs::path& path) {
    return root / path.relative_path();
}

// Where systemd looks for units, the first one first.
constexpr const char* kUnitFolders[] = {"/etc/systemd/system", "/run/systemd/system",
                                        "/usr/local/lib/systemd/system", "/usr/lib/systemd/system",
                                        "/lib/systemd/system"};

bool is_there(const fs::path& path) {  // a link that leads nowhere is
    std::error_code none;
    return fs::symlink_status(path, none).type() > fs::file_type::not_found;
}

// The unit's text, through links of `root`'s own; empty if there is none, or it is masked.
std::string unit_text(const fs::path& root, fs::path file) {
    std::error_code none;
    for (int links = 0; links < 8 && fs::is_symlink(below(root, file), none); ++links) {
        const fs::path to = fs::read_symlink(below(root, file), none);
        file = to.is_absolute() ? to : (file.parent_path() / to).lexically_normal();
    }
    if (!fs::is_regular_file(below(root, file), none)) return {};
    try {
        return core::read_text(below(root, file), 1 << 16);
    } catch (const core::Error&) {
        return {};
    }
}

bool has_line(const std::string& text, const std::string& line) {
    return ("\n" + text + "\n").find("\n" + line + "\n") != std::string::npos;
}

// What is wrong with the unit; empty if it will run before the next boot's network.
std::string fault_of_unit(const fs::path& root) {
    std::string text;
    for (const fs::path folder : kUnitFolders) {
        if (!is_there(below(root, folder / kUnit))) continue;
        text = unit_text(root, folder / kUnit);
        if (text.empty()) return "masked, or its file is gone";
        break;
    }
    if (text.empty()) return "not installed";
    if (!has_line(text, "ExecStart=" ALOFT_PREFIX "/libexec/aloft/aloft-node close") ||
        text.find("\nBefore=network-pre.target") == std::string::npos)
        return "a unit of this name that is not ours";
    const bool is_wanted =
        std::any_of(std::begin(kUnitFolders), std::end(kUnitFolders), [&](const char* folder) {
            return is_there(below(root, fs::path(folder) / "sysinit.target.wants" / kUnit));
        });
    return is_wanted ? "" : "not enabled";
}

Check check_next_boot(const fs::path& root) {
    constexpr const char* what = "closing at each boot";
    const std::string remedy = std::string("systemctl enable ") + kUnits;
    std::error_code none;
    if (!fs::is_directory(root / "run/systemd/system", none))  // sd_booted(3)
        return advised(what, false, "no systemd here: what starts it cannot be seen",
                       "have " ALOFT_PREFIX
                       "/libexec/aloft/aloft-node close run at each boot, before the network");
    const std::string fault = fault_of_unit(root);
    return required(what, fault.empty(), fault.empty() ? "enabled" : fault, remedy);
}

Check check_this_boot(const fs::path& root) {
    const std::string boot = first_line(below(root, kBootId)), mark = first_line(below(root, kClosedMark));
    const bool is_closed = !boot.empty() && boot == mark;
    return required(
        "closed at boot", is_closed,
        is_closed      ? "at this boot"
        : mark.empty() ? "nothing says so"
                       : "at another boot",
        std::string("systemctl enable ") + kUnits + "; systemctl restart aloft-node-close aloft-node");
}

// What is wrong with what a path lies on. `is_memory`: it is known to be gone after a boot; else it is not known to be a
// disk of this node's own.
struct DiskFault {
    std::string what;
    bool is_memory = false;
};

DiskFault fault_of_disk(const fs::path& root, const fs::path& path, int depth = 0) {
    static constexpr const char* kDisks[] = {"ext2",  "ext3", "ext4", "xfs",
                                             "btrfs", "f2fs", "zfs",  "bcachefs"};
    static constexpr const char *kInMemory[] = {"tmpfs", "ramfs", "rootfs", "devtmpfs"},
                                *kMemory[] = {"/dev/ram", "/dev/zram"};
    const auto among = [](const auto& list, const std::string& word) {
        return std::find(std::begin(list), std::end(list), word) != std::end(list);
    };
    const core::Mount mount = core::mount_of(root / "proc/self/mountinfo", path);
    constexpr std::string_view kUpper = "upperdir=";
    if (const auto at = mount.options.find(kUpper); mount.type == "overlay" && at != std::string::npos) {
        const auto from = at + kUpper.size();
        const fs::path upper = mount.options.substr(from, mount.options.find(',', from) - from);
        std::error_code none;
        if (depth > 4 || !fs::is_directory(below(root, upper), none))
            return {"an overlay whose upper folder cannot be seen"};
        return fault_of_disk(root, upper, depth + 1);
    }
    for (const char* memory : kMemory)
        if (mount.source.starts_with(memory)) return {mount.source + ", which a boot may empty", true};
    if (mount.source.starts_with("/dev/loop")) return {mount.source + ", which a boot may empty"};
    if (among(kDisks, mount.type)) return {};
    if (mount.type.empty()) return {"no mount table"};
    return {mount.type + ", not a disk of this node's own", among(kInMemory, mount.type)};
}

Check check_memory(bool site_keeps_it, const fs::path& root) {
    std::error_code failed, at_root;
    const fs::path real = fs::weakly_canonical(below(root, kNodeState), failed),
                   top = fs::weakly_canonical(root, at_root);
    const DiskFault fault = failed || at_root ? DiskFault{"cannot be found", true}
                                              : fault_of_disk(root, "/" / real.lexically_relative(top));
    if (!failed && !at_root) try {
            remembered_fellows(real);
        } catch (const Error& e) {
            return required(
                "memory of fellows", false, e.what(),
                "when no job of an enclave runs on any node that may have shared one with this: rm " +
                    memory_of_fellows().string() + "; systemctl restart aloft-node-close aloft-node");
        }
    const bool is_vouched = site_keeps_it && !fault.is_memory && !fault.what.empty();
    return required(
        "memory of fellows", fault.what.empty() || is_vouched,
        std::string(kNodeState) + (fault.what.empty() ? "" : ": " + fault.what) +
            (is_vouched ? "; the site says that it is kept" : ""),
        std::string("mount a disk of this node's own at ") + kNodeState +
            ": what is on it must be there after a boot, before the network. Where it is, and this cannot be "
            "seen: keeps_node_state in /etc/aloft/site.toml");
}

}  // namespace

fs::path memory_of_fellows(const fs::path& state) {
    return state / "fellows";
}

Fellows remembered_fellows(const fs::path& state) {
    Fellows all;
    std::error_code failed;
    const bool is_there = fs::exists(memory_of_fellows(state), failed);
    if (failed)
        throw Error(Fault::system,
                    "cannot look at " + memory_of_fellows(state).string() + ": " + failed.message());
    if (!is_there) return all;
    const std::string text = core::read_text(memory_of_fellows(state));
    const auto damaged = [&] {
        return Error(Fault::data, memory_of_fellows(state).string() + " is damaged");
    };
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        const auto words = core::split(line, ' ');
        in_addr address{};
        if (words.size() != 2 || inet_pton(AF_INET, words[0].c_str(), &address) != 1 ||
            !core::is_plain_name(words[1]))
            throw damaged();
        all[words[1]].insert(words[0]);
    }
    if (!text.ends_with('\n')) throw damaged();
    return all;
}

void mark_closed_at_boot(const fs::path& mark) {
    core::write_atomically(mark, first_line(kBootId) + "\n", 0400);
}

std::vector<Check> check_closing(bool site_keeps_it, const fs::path& root) {
    return {check_this_boot(root), check_next_boot(root), check_memory(site_keeps_it, root)};
}

}  // namespace slurm
