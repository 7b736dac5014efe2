#include <linux/magic.h>
#include <slurm/slurm.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/utsname.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/split.h"
#include "core/keys/enclave_keys.h"
#include "core/ledger/spool.h"
#include "core/policy/enclave.h"
#include "core/policy/known.h"
#include "core/policy/slurm_lines.h"
#include "core/policy/slurm_settings.h"
#include "slurm/decide/policy.h"
#include "slurm/decide/slurm_conf.h"
#include "slurm/preflight/closing.h"
#include "slurm/preflight/heartbeat.h"
#include "slurm/preflight/kernel_settings.h"
#include "slurm/preflight/preflight.h"
#include "slurm/preflight/sshd.h"
#include "slurm/step/confine.h"
#include "slurm/step/image.h"

namespace slurm {
namespace {

namespace fs = std::filesystem;
using core::advised;
using core::Error;
using core::required;

// The file's text, or nothing if it cannot be read.
std::string text_of(const fs::path& file) {
    try {
        return core::read_text(file);
    } catch (const Error&) {
        return {};
    }
}

void check_kernel(std::vector<Check>& checks) {
    utsname kernel{};
    ::uname(&kernel);
    const int abi = landlock_abi();
    checks.push_back(required(
        "kernel", abi >= kLandlockFloor,
        std::string(kernel.release) + ", Landlock ABI " + std::to_string(abi),
        "Linux 6.12 or later with Landlock enabled (Debian 12: linux-image-amd64 from bookworm-backports)"));
    const bool has_types = fs::exists("/sys/kernel/btf/vmlinux");
    checks.push_back(required("kernel types (BTF)", has_types, has_types ? "present" : "absent",
                              "a kernel with CONFIG_DEBUG_INFO_BTF"));
    const bool has_cgroup2 = fs::exists(cgroup_root() / "cgroup.procs");
    checks.push_back(required("cgroup v2", has_cgroup2, has_cgroup2 ? "mounted" : "absent", "mount cgroup2"));
    checks.push_back(
        required("cgroup layout", true, is_pure_cgroup2() ? "pure v2" : "hybrid: v2 beside v1", ""));
}

// Keys are on a tmpfs, which may be swapped out.
void check_swap(std::vector<Check>& checks) {
    std::ifstream swaps("/proc/swaps");
    std::string line, plain;
    std::getline(swaps, line);
    while (std::getline(swaps, line)) {
        const std::string device = line.substr(0, line.find_first_of(" \t"));
        std::error_code none;
        const std::string name = fs::canonical(device, none).filename().string();
        if (!first_line("/sys/block/" + name + "/dm/uuid").starts_with("CRYPT-")) plain += " " + device;
    }
    checks.push_back(advised("swap", plain.empty(), plain.empty() ? "none, or encrypted" : "plain:" + plain,
                             "swapoff -a, or swap on dm-crypt: unsealed keys are in memory"));
}

void check_slurm(std::vector<Check>& checks, const std::string& file) {
    SlurmConf conf;
    try {
        conf = load_slurm_conf(file);
    } catch (const Error& e) {
        checks.push_back(required("slurm.conf", false, e.what(), "name it with --slurm-conf"));
        return;
    }
    const auto value = [&](std::string_view name) { return conf.value(core::small_letters(name)); };
    for (Check& check : core::judge_slurm_settings(value)) checks.push_back(std::move(check));
    for (const char* name :
         {"prolog", "epilog"}) {  // ours, or a site's own that calls ours: only a node can look into it
        const std::string path = conf.value(name);
        const bool good = text_of(path).find(std::string("aloft-node ") + name) != std::string::npos;
        checks.push_back(required(std::string(name) + " calls ours", good, path.empty() ? "none" : path,
                                  std::string("slurm.conf: ") + (*name == 'p' ? "Prolog=" : "Epilog=") +
                                      ALOFT_PREFIX "/libexec/aloft/" + name));
    }
    const auto cgroup_conf = conf.file.parent_path() / "cgroup.conf";
    SlurmConf cgroups;
    try {
        cgroups = parse_slurm_conf(text_of(cgroup_conf) + "\nSlurmctldHost=none\n");
    } catch (const Error&) {
    }
    checks.push_back(
        required("ConstrainRAMSpace", cgroups.lists("constrainramspace", "yes"),
                 cgroups.value("constrainramspace", "no"),
                 "cgroup.conf: ConstrainRAMSpace=yes: else a job's tmpfs takes the node's memory"));
    if (SLURM_VERSION_NUMBER >= SLURM_VERSION_NUM(23, 2, 0)) {
        const std::string select = conf.value("selecttypeparameters");
        checks.push_back(required("SelectTypeParameters", gives_out_memory(select),
                                  select.empty() ? "not set" : select,
                                  "slurm.conf: SelectTypeParameters=CR_Core_Memory: else ConstrainRAMSpace "
                                  "holds no job to its memory"));
    }
    checks.push_back(required("ConstrainDevices", cgroups.lists("constraindevices", "yes"),
                              cgroups.value("constraindevices", "no"), "cgroup.conf: ConstrainDevices=yes"));
    checks.push_back(required("plugstack.conf", requires_fence(text_of(conf.plugstack), kPlugin),
                              conf.plugstack.string(), std::string("add: required ") + kPlugin));
}

// Root's, and for root alone if it is private.
void check_file(std::vector<Check>& checks, const std::string& what, const fs::path& file, bool is_private,
                const std::string& remedy) {
    struct stat status {};
    if (::stat(file.c_str(), &status)) {
        checks.push_back(required(what, false, "absent", remedy));
        return;
    }
    const bool good = status.st_uid == 0 && !(status.st_mode & (is_private ? 077 : 022));
    std::ostringstream found;
    found << "owner " << status.st_uid << ", mode " << std::oct << (status.st_mode & 07777);
    checks.push_back(required(what, good, good ? "present" : found.str(),
                              "chown root " + file.string() + "; chmod " + (is_private ? "0400" : "go-w")));
}

void check_own_files(std::vector<Check>& checks, const core::Site& site) {
    check_file(checks, "configuration folder", site.config, false, "copy it from the admin's host");
    check_file(checks, "node key", site.config / "keys" / "node.key", true,
               "aloft-node init; then keys/node.pub to the login host as keys/nodes/HOST.pub");
    struct statfs kind {};
    const bool is_memory =
        ::statfs(site.run.c_str(), &kind) == 0 && (kind.f_type == TMPFS_MAGIC || kind.f_type == RAMFS_MAGIC);
    checks.push_back(required("run folder", is_memory, site.run.string() + (is_memory ? "" : ", not a tmpfs"),
                              "mount a tmpfs there: unsealed keys must not reach a disk"));
}

// Advised: a job that asks for one that is wrong is refused, and no other. What is read here need not be read when the
// first job comes. One check for all, however many there are: a node's record has a limit.
Check check_images(const core::Site& site, const core::Enclave& enclave) {
    std::string wrong, why;
    std::size_t good = 0;
    for (const core::Image& image : enclave.images) try {
            mount_image(site, image);
            ++good;
        } catch (const Error& e) {
            if (wrong.size() < 200) wrong += (wrong.empty() ? "" : ", ") + image.name;
            if (why.empty()) why = e.what();
        }
    const std::string found = std::to_string(good) + " of " + std::to_string(enclave.images.size()) +
                              " can be used" + (wrong.empty() ? "" : "; not " + wrong + ": " + why);
    return advised("images of enclave " + enclave.name, wrong.empty(), found,
                   "put the files that were added to the policy at their paths, root's alone to change; the "
                   "kernel needs squashfs and loop");
}

// What is found is the ids of the keys by which this node opens seals: aloft admin enclave rekey waits for the new one.
void check_enclave_key(std::vector<Check>& checks, const std::filesystem::path& keys,
                       const std::string& enclave) {
    const std::string what = "key of enclave " + enclave,
                      remedy = "copy the enclave's private key here (root, 0400)";
    std::string ids;
    for (const auto& file : core::enclave_keys(keys, enclave)) {
        check_file(checks, what, file, true, remedy);
        if (checks.back().is_miss()) return;
        checks.pop_back();
        try {
            ids += (ids.empty() ? "" : ", ") + core::id_of(core::OpeningKey::load(file).sealing_key());
        } catch (const Error& e) {
            checks.push_back(required(what, false, e.what(), remedy));
            return;
        }
    }
    checks.push_back(required(what, true, ids, ""));
}

void check_keys(std::vector<Check>& checks, const core::Site& site) {
    const auto keys = site.config / "keys";
    check_file(checks, "grants' public key", keys / "grant.pub", false, "copy aloftd's grant.pub here");
    const std::string host = core::short_host_name();
    try {
        const core::Enclaves enclaves = core::Enclaves::load(site);
        const bool is_kept = core::load_known(site.known).has_all_of(core::known_of(enclaves));
        checks.push_back(
            required("memory of enclaves", is_kept, is_kept ? "kept" : "not kept",
                     "see what aloft-mirror says here: it must be able to write " + site.known.string()));
        for (const core::Enclave& enclave : enclaves.usable) {
            if (!enclave.has_node(host)) continue;
            check_enclave_key(checks, keys, enclave.name);
            checks.push_back(required("policy of enclave " + enclave.name, true,
                                      core::to_hex(core::sha256(core::view(enclave.source))), ""));
            checks.push_back(check_own_numbers(enclave));
            if (!enclave.images.empty()) checks.push_back(check_images(site, enclave));
        }
        for (const core::UnusableEnclave& one : enclaves.unusable)
            checks.push_back(
                required("policy of enclave " + one.name, false, one.why, "see what aloft-mirror says here"));
    } catch (const Error& e) {
        checks.push_back(
            required("policies", false, e.what(), "start aloft-mirror here, and aloft-sign beside aloftd"));
    }
}

// Whoever can read a shard needs 32 bytes more, and a job holds those.
void check_folders(std::vector<Check>& checks, const core::Site& site) {
    for (const auto& [what, folder] : {std::pair{"datasets are closed", site.datasets},
                                       std::pair{"workspaces are closed", site.workspaces}}) {
        struct stat status {};
        const bool is_there = ::stat(folder.c_str(), &status) == 0;
        std::ostringstream mode;
        mode << std::oct << (status.st_mode & 07777);
        checks.push_back(required(what, is_there && !(status.st_mode & 07),
                                  is_there ? "mode " + mode.str() : "absent",
                                  "chmod o-rwx " + folder.string() +
                                      ": no account may reach what lies in it but by a granted job's view"));
    }
}

void check_agent(std::vector<Check>& checks, const core::Site& site) {
    const bool has = has_agent(site, std::chrono::milliseconds(0));
    checks.push_back(required("agent", has, has ? "running" : "not running",
                              "systemctl enable --now " ALOFT_PREFIX
                              "/lib/systemd/system/aloft-node.service"));
}

}  // namespace

bool gives_out_memory(const std::string& select_type_parameters) {
    for (const std::string& word : core::split(select_type_parameters, ',')) {
        const std::string low = core::small_letters(core::trimmed(word));
        if (low.starts_with("cr_") && low.ends_with("memory")) return true;
    }
    return false;
}

std::vector<Check> check_quickly(const core::Site& site, const std::string& slurm_conf) {
    std::vector<Check> checks;
    check_kernel(checks);
    check_slurm(checks, slurm_conf);
    checks.push_back(check_plugin());
    for (auto part : {check_programs(), check_kernel_settings(), check_closing(site.keeps_node_state)})
        for (Check& check : part) checks.push_back(std::move(check));
    check_own_files(checks, site);
    return checks;
}

std::vector<Check> check_slowly(const core::Site& site) {
    std::vector<Check> checks{check_wall()};
    check_swap(checks);
    for (Check& check : check_patches()) checks.push_back(std::move(check));
    check_folders(checks, site);
    return checks;
}

std::vector<Check> check_published(const core::Site& site) {
    std::vector<Check> checks;
    check_keys(checks, site);
    check_agent(checks, site);
    for (Check& check : check_no_logins(site)) checks.push_back(std::move(check));
    return checks;
}

}  // namespace slurm
