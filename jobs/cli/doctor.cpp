#include "jobs/cli/doctor.h"

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <optional>

#include "core/base/child.h"
#include "core/base/error.h"
#include "core/base/site.h"
#include "core/base/split.h"
#include "core/policy/enclave.h"
#include "core/policy/known.h"
#include "core/policy/list.h"
#include "core/policy/roles.h"
#include "core/policy/slurm_lines.h"
#include "core/policy/slurm_settings.h"
#include "jobs/release/rules.h"
#include "jobs/wire/channel.h"

namespace jobs {
namespace {

namespace fs = std::filesystem;
using core::advised;
using core::Error;
using core::required;
using Checks = std::vector<Check>;

constexpr std::chrono::milliseconds kPatience{3000};
constexpr const char* kSession = "libexec/aloft/aloft-session";  // of package aloft
constexpr const char* kExamples = ALOFT_PREFIX "/share/aloft/configs/clusters";

bool is_there(const fs::path& path) {
    std::error_code none;
    return fs::exists(path, none);
}

std::optional<core::Site> site_of(const Host& host) {
    try {
        return core::Site::load(host.site_file);
    } catch (const Error&) {
        return std::nullopt;
    }
}

// "good", or what the work said that it cannot.
Check tried(const std::string& what, const std::string& good, const std::string& remedy,
            const std::function<void()>& work) {
    try {
        work();
        return required(what, true, good, "");
    } catch (const Error& e) {
        return required(what, false, e.what(), remedy);
    }
}

// A path's owner and mode; a file system that hangs costs `kPatience`, since another process asks it.
struct Seen {
    bool answers = false, exists = false;
    std::string owner, mode;
};
Seen look_at(const fs::path& path) {
    const auto begin = std::chrono::steady_clock::now();
    const auto said = core::output_of({"/usr/bin/stat", "--format=%U %a", "--", path.string()}, kPatience);
    if (!said) return {std::chrono::steady_clock::now() - begin < kPatience, false, {}, {}};
    const auto space = said->find(' ');
    return {true, true, said->substr(0, space), said->substr(space + 1, said->find('\n') - space - 1)};
}

// A program of ours; one that is not there ends with 127, as for a shell.
core::Finished run(const std::vector<std::string>& words) {
    if (!is_there(words.front())) return {127, {}, {}};
    return core::run_program(words, "");
}

Check check_folder(const std::string& what, const fs::path& path, const std::string& owner,
                   const std::string& modes, const std::string& make) {
    const Seen seen = look_at(path);
    std::string found;
    if (!seen.exists)
        found = seen.answers ? "not there" : "does not answer";
    else if (!owner.empty() && seen.owner != owner)
        found = "owned by " + seen.owner;
    else if (!modes.empty() && (" " + modes + " ").find(" " + seen.mode + " ") == std::string::npos)
        found = "mode " + seen.mode;
    return required(what, found.empty(), path.string() + (found.empty() ? "" : ": " + found), make);
}

std::string owner_of_state(const core::Site& site) {
    const Seen seen = look_at(site.state);
    return seen.exists ? seen.owner : "aloft";
}

void check_configuration(const Host& host, Checks& checks) {
    const fs::path file = host.site_file.empty() ? "/etc/aloft/site.toml" : host.site_file;
    checks.push_back(
        tried("site.toml", file.string(),
              std::string("copy ") + kExamples + "/site.toml there, and edit it; every host has the same",
              [&] { core::Site::load(host.site_file); }));
    struct stat status {};
    if (::stat(file.c_str(), &status) == 0)
        checks.push_back(
            required("site.toml is root's", status.st_uid == 0 && !(status.st_mode & 022),
                     file.string() + (status.st_uid != 0       ? ": another account's"
                                      : (status.st_mode & 022) ? ": others than root may write it"
                                                               : ""),
                     "chown root: " + file.string() + "; chmod 644 " + file.string()));
}

void check_published(const Host& host, const core::Site& site, Checks& checks) {
    checks.push_back(tried("keys of the service", (site.config / "keys/grant.pub").string(),
                           "copy keys/*.pub from the service's host; there: aloft admin site init",
                           [&] { core::publishing_keys(site); }));
    try {
        const auto list = core::read_list(site);
        const auto age = host.now - list.issued;
        checks.push_back(required("what is published", age <= site.revocation_stale_seconds && age >= -60,
                                  "the list is " + std::to_string(age) + " s old, and counts for " +
                                      std::to_string(site.revocation_stale_seconds) + " s",
                                  "here: systemctl status aloft-mirror; on the service's host: systemctl "
                                  "status aloft-sign; and both clocks"));
    } catch (const Error& e) {
        checks.push_back(required("what is published", false, e.what(),
                                  "systemctl enable --now aloft-mirror; it says why it cannot"));
    }
    checks.push_back(
        check_folder("published", site.published, "", "",
                     "mount the shared file system, or on the service's host: aloft admin site init"));
}

void check_service(const core::Site& site, Checks& checks) {
    const std::string init = "aloft admin site init", owner = owner_of_state(site);
    checks.push_back(check_folder("state", site.state, "", "700", init));
    for (const char* name : {"grant", "ledger"}) {
        const fs::path key = site.state / "keys" / (std::string(name) + ".key");
        if (::geteuid() == 0)
            checks.push_back(check_folder(std::string("signing key ") + name, key, owner, "400 600", init));
        else
            checks.push_back(advised(std::string("signing key ") + name, false, "only root can see it",
                                     "run aloft doctor as root"));
    }
    checks.push_back(check_folder("spool", site.spool, owner, "750 2750", init));
    checks.push_back(check_folder("released", site.released, owner, "755", init));
    checks.push_back(
        tried("roles.toml", (site.config / "roles.toml").string(),
              std::string("copy ") + kExamples + "/roles.toml there, and write down who may do what",
              [&] { core::Roles::load(site.config / "roles.toml"); }));
    checks.push_back(
        tried("release.toml", (site.config / "release.toml").string(),
              std::string("copy ") + kExamples + "/release.toml there, and decide with the data owners",
              [&] { ReleaseRules::load(site.config / "release.toml"); }));
    checks.push_back(tried("enclaves", "each can be read", "mend the file that is named",
                           [&] { core::load_enclave_sources(site); }));
    struct statvfs room {};
    if (::statvfs(site.state.c_str(), &room) == 0 && room.f_blocks > 0) {
        const auto left_mib = (static_cast<std::uint64_t>(room.f_bavail) * room.f_frsize) >> 20;
        checks.push_back(
            advised("room for the ledger", left_mib >= 1024,
                    std::to_string(left_mib) + " MiB left below " + site.state.string(),
                    "make room: without any, nothing but revocations and nodes' records is written"));
    }
}

void check_answers(const core::Site& site, Checks& checks) {
    checks.push_back(tried("aloftd answers", site.socket.string(),
                           "on the service's host: systemctl status aloftd; on another login host: systemctl "
                           "status aloft-relay, and /etc/aloft/relay.toml",
                           [&] {
                               try {
                                   ask(site.socket, {{"op", "dataset.list"}}, {}, 5);
                               } catch (const Error& e) {
                                   if (e.fault() == core::Fault::system) throw;  // a refusal is an answer
                               }
                           }));
}

void check_login(const Host& host, Checks& checks) {
    const fs::path program = host.prefix / kSession;
    if (::geteuid() != 0) {
        checks.push_back(
            advised("fenced sessions", false, "only root can see that", "run aloft doctor as root"));
        return;
    }
    const auto done = run({program.string(), "--check"});
    checks.push_back(advised(
        "fenced sessions", done.code == 0,
        done.code == 0 ? program.string() : "this host cannot be an enclave's login host yet",
        program.string() +
            " --check says what is missing; a login host of admins and reviewers alone needs none of it"));
}

void check_node(const Host& host, Checks& checks) {
    const fs::path program = host.prefix / "libexec/aloft/aloft-node";
    if (::geteuid() != 0) {
        checks.push_back(advised("preflight", false, "only root can see that", "run aloft doctor as root"));
        return;
    }
    std::vector<std::string> words{program.string(), "--json"};
    if (!host.site_file.empty()) words.insert(words.end(), {"--site", host.site_file.string()});
    words.push_back("preflight");
    const auto done = run(words);
    const auto answer = nlohmann::json::parse(done.output, nullptr, false);
    if (!answer.is_object() || answer.contains("error")) {
        checks.push_back(required("preflight", false, "it ended with exit code " + std::to_string(done.code),
                                  program.string() + " preflight says why"));
        return;
    }
    try {
        for (const auto& row : answer.at("checks")) checks.push_back(core::check_of(row));
    } catch (const std::exception&) {
        checks.push_back(required("preflight", false, "its answer cannot be read",
                                  "install the same version of all packages"));
    }
}

void check_controller(const Host& host, const std::optional<core::Site>& site, Checks& checks) {
    const fs::path plugin = host.prefix / "lib/slurm/job_submit_aloft.so";
    std::map<std::string, std::string> settings;  // names in small letters: slurm.conf may write them in any
    try {
        for (const std::string& line : core::slurm_lines_of(host.slurm_conf))
            if (const auto one = core::slurm_setting(line)) settings[one->key] = one->value;
    } catch (const Error& e) {
        checks.push_back(
            required("slurm.conf", false, e.what(), std::string("see ") + kExamples + "/slurm.conf.example"));
        return;
    }
    const auto setting = [&](std::string_view name) { return settings[core::small_letters(name)]; };
    const std::string folders = setting("PluginDir");
    std::error_code none;
    checks.push_back(required("admission plugin", fs::exists(plugin, none),
                              plugin.string() + (fs::exists(plugin, none) ? "" : ": not there"),
                              "install aloft-node here, too: the controller loads a plugin of it"));
    for (Check& check : core::judge_slurm_settings(setting)) checks.push_back(std::move(check));
    checks.push_back(
        required("PluginDir",
                 (":" + folders + ":").find(":" + plugin.parent_path().string() + ":") != std::string::npos,
                 folders.empty() ? "not set" : folders,
                 "add " + plugin.parent_path().string() + " to PluginDir in slurm.conf"));
    if (!site) return;
    struct stat status {};
    const fs::path file = host.site_file.empty() ? "/etc/aloft/site.toml" : host.site_file;
    const bool is_open = ::stat(file.c_str(), &status) == 0 && (status.st_mode & 04);
    checks.push_back(required("site.toml is readable", is_open, is_open ? "by SlurmUser" : "not by SlurmUser",
                              "chmod 644 " + file.string()));
    try {  // without it a former account would be an ordinary one here; only those of now can be looked for
        const bool is_kept =
            core::load_known(site->known).has_all_of(core::known_of(core::Enclaves::load(*site)));
        checks.push_back(
            required("memory of enclaves", is_kept,
                     is_kept ? "has the accounts of now; former ones: only in a copy of another controller's"
                             : "not kept",
                     "aloft-mirror writes " + site->known.string() +
                         ", and says here why it cannot; on a new controller, copy it from another one"));
    } catch (const Error&) {  // "what is published" says why
    }
}

void check_intake(const Host& host, const std::optional<core::Site>& site, Checks& checks) {
    const fs::path program = host.prefix / "bin/aloft-stage";
    const bool starts = core::output_of({program.string(), "--version"}, kPatience).has_value();
    checks.push_back(required("aloft-stage starts", starts, program.string(),
                              program.string() + " --version says why not"));
    if (site)
        checks.push_back(
            check_folder("datasets", site->datasets, "", "2750 750 2700 700",
                         "install -d -o intake -g aloft-data -m 2750 " + site->datasets.string()));
}

void check_trainer(const Host& host, Checks& checks) {
    const fs::path program = host.prefix / "bin/aloft-train";
    const auto done = run({program.string(), "--version"});
    checks.push_back(advised(
        "aloft-train starts", done.code == 0, done.code == 0 ? program.string() : "it does not",
        program.string() + " --version says what it wants; a tree of software in the policy may bring it"));
}

// By what was published to this host, and by what the admin wrote where the service is.
bool is_node_of_an_enclave(const core::Site& site, const std::string& name) {
    const auto have_it = [&](const std::vector<core::Enclave>& enclaves) {
        return std::any_of(enclaves.begin(), enclaves.end(),
                           [&](const core::Enclave& one) { return one.has_node(name); });
    };
    try {
        if (have_it(core::load_enclaves(site))) return true;
    } catch (const Error&) {  // "what is published" says why
    }
    try {
        return have_it(core::load_enclave_sources(site));
    } catch (const Error&) {  // "enclaves" says which file is wrong
        return false;
    }
}

}  // namespace

std::string_view name_of(HostRole role) {
    constexpr std::string_view names[] = {"every",      "service", "login",  "node",
                                          "controller", "intake",  "trainer"};
    return names[static_cast<int>(role)];
}

std::vector<HostRole> roles_of(const Host& host) {
    std::vector<HostRole> roles{HostRole::every};
    const auto site = site_of(host);
    bool is_node = false, is_controller = false;
    try {
        for (const std::string& line : core::slurm_lines_of(host.slurm_conf)) {
            const auto one = core::slurm_setting(line);
            is_controller = is_controller || (one && one->key == "slurmctldhost" &&
                                              one->value.substr(0, one->value.find('(')) == host.name);
        }
    } catch (const Error&) {  // no Slurm here
    }
    if (site) {
        is_node = is_node_of_an_enclave(*site, host.name);
        if (is_there(host.prefix / "bin/aloftd") && is_there(site->state)) roles.push_back(HostRole::service);
    }
    if (is_there(host.prefix / kSession) && !is_node && !is_controller) roles.push_back(HostRole::login);
    if (is_node) roles.push_back(HostRole::node);
    if (is_controller) roles.push_back(HostRole::controller);
    if (is_there(host.prefix / "bin/aloft-stage") && !is_node) roles.push_back(HostRole::intake);
    if (is_there(host.prefix / "bin/aloft-train")) roles.push_back(HostRole::trainer);
    return roles;
}

std::vector<Check> examine(const Host& host, const std::vector<HostRole>& roles) {
    Checks all;
    const auto site = site_of(host);
    for (const HostRole role : roles) {
        Checks checks;
        switch (role) {
            case HostRole::every:
                check_configuration(host, checks);
                if (site) check_published(host, *site, checks);
                break;
            case HostRole::service:
                if (site) check_service(*site, checks);
                break;
            case HostRole::login:
                if (site) check_answers(*site, checks);
                check_login(host, checks);
                break;
            case HostRole::node:
                check_node(host, checks);
                break;
            case HostRole::controller:
                check_controller(host, site, checks);
                break;
            case HostRole::intake:
                check_intake(host, site, checks);
                break;
            case HostRole::trainer:
                check_trainer(host, checks);
                break;
        }
        for (Check& check : checks) {
            if (check.layer.empty() || role != HostRole::node) check.layer = name_of(role);
            check.host = host.name;
            all.push_back(std::move(check));
        }
    }
    return all;
}

}  // namespace jobs
