// aloft admin site init: the folders, keys and first configuration of a site, on the service's host. Each thing that is there
// stays as it is.
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "core/base/files.h"
#include "core/base/message.h"
#include "jobs/cli/commands.h"

namespace jobs {

using core::failure;
using core::Fault;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

constexpr const char* kExamples = "share/aloft/configs/clusters";
constexpr const char* kDataGroup = "aloft-data";

struct Accounts {
    std::string service = "aloft", intake = "intake";
};

struct Owner {
    uid_t uid = 0;
    gid_t gid = 0;
    std::string name;
};

Owner owner_of(const std::string& account) {
    const passwd* entry = ::getpwnam(account.c_str());
    if (!entry)
        throw failure(Fault::usage,
                      "there is no account {} on this host: make it first (adduser --system --group {}), the "
                      "same number on every host",
                      account, account);
    return {entry->pw_uid, entry->pw_gid, account};
}

// One line of what init says: what became of a thing. "made", "kept", "would make", or "differs": it is there, but not as it
// should be, and a person decides.
struct Steps {
    bool dry_run = false;
    json rows = json::array();
    bool differs = false;

    void add(const fs::path& path, const std::string& what, const std::string& said = {}) {
        rows.push_back({{"path", path.string()}, {"what", what}, {"why", said}});
        differs = differs || what == "differs";
    }

    void folder(const fs::path& path, const Owner& owner, mode_t mode) {
        struct stat status {};
        if (::lstat(path.c_str(), &status) == 0) {
            std::string why;
            if (!S_ISDIR(status.st_mode))
                why = "not a folder";
            else if (status.st_uid != owner.uid)
                why = "should be owned by " + owner.name;
            else if ((status.st_mode & 07777 & ~mode) != 0)
                why = "is open to more accounts than it should be";
            return add(path, why.empty() ? "kept" : "differs", why);
        }
        if (dry_run) return add(path, "would make");
        core::make_directories(path.parent_path(), 0755);
        if (::mkdir(path.c_str(), 0700) || ::chown(path.c_str(), owner.uid, owner.gid) ||
            ::chmod(path.c_str(), mode))
            throw failure(Fault::system, "cannot make {}: {}", path.string(), core::reason_of(errno));
        add(path, "made");
    }

    void example(const fs::path& from, const fs::path& to) {
        if (fs::exists(to)) return add(to, "kept");
        if (dry_run) return add(to, "would make", "from " + from.string());
        core::write_atomically(to, core::read_text(from), 0644);
        add(to, "made", "an example: edit it, then run this again");
    }
};

// Whose number the group of datasets' readers has; the stewards and aloftd's account are in it.
gid_t data_group() {
    const group* entry = ::getgrnam(kDataGroup);
    if (!entry)
        throw failure(Fault::usage,
                      "there is no group {} on this host: addgroup --system {}, then put the steward's "
                      "account and the service's into it",
                      kDataGroup, kDataGroup);
    return entry->gr_gid;
}

// True if the site's files are all there, and the rest may follow.
bool write_examples(Steps& steps, const fs::path& config, const fs::path& site_file) {
    std::error_code error;
    fs::path prefix = fs::read_symlink("/proc/self/exe", error).parent_path().parent_path();
    if (error || !fs::exists(prefix / kExamples)) prefix = ALOFT_PREFIX;
    steps.folder(config, {0, 0, "root"}, 0755);
    const bool was_there = fs::exists(site_file);
    steps.example(prefix / kExamples / "site.toml", site_file);
    for (const char* name : {"roles.toml", "release.toml"})
        steps.example(prefix / kExamples / name, config / name);
    return was_there;
}

void make_folders(Steps& steps, const core::Site& site, const Accounts& accounts) {
    const Owner root{0, 0, "root"}, service = owner_of(accounts.service);
    Owner intake = owner_of(accounts.intake);
    intake.gid = data_group();
    steps.folder(site.config / "keys", root, 0755);
    steps.folder(site.config / "keys" / "nodes", root, 0755);
    steps.folder(site.config / "enclaves", root, 0755);
    steps.folder(site.state, service, 0700);
    steps.folder(site.published, service, 0755);
    steps.folder(site.released, service, 0755);
    steps.folder(site.spool, service, 0750);
    steps.folder(site.workspaces, root, 0700);
    steps.folder(site.datasets, intake, 02750);
}

void init(const Common& common, const Accounts& accounts) {
    if (::geteuid() != 0)
        throw failure(Fault::refused,
                      "aloft admin site init makes folders of several accounts: run it as root");
    Steps steps;
    steps.dry_run = common.dry_run;
    const fs::path site_file = common.site_file.empty() ? "/etc/aloft/site.toml" : common.site_file;
    core::Message next =
        core::message("edit {}, roles.toml and release.toml beside it; then run this again", site_file);
    if (write_examples(steps, site_file.parent_path(), site_file)) {
        const core::Site site = common.site();
        make_folders(steps, site, accounts);
        for (const char* name : {"grant", "ledger"}) {
            const fs::path secret = site.state / "keys" / (std::string(name) + ".key"),
                           open = site.config / "keys" / (std::string(name) + ".pub");
            const bool has_secret = fs::exists(secret), has_open = fs::exists(open);
            if (has_secret != has_open)
                steps.add(
                    has_secret ? open : secret, "differs",
                    "the other half is there: restore it from the backup; a key is never made anew over it");
        }
        if (!steps.differs) {
            if (fs::exists(site.config / "keys/grant.pub"))
                steps.add(site.state / "keys", "kept");
            else if (common.dry_run)
                steps.add(site.state / "keys", "would make",
                          "grant.key, ledger.key, and their .pub below " + (site.config / "keys").string());
            else {
                make_service_keys(site);
                steps.add(site.state / "keys", "made",
                          "grant.key, ledger.key; their .pub below " + (site.config / "keys").string());
            }
        }
        next = core::message(
            "systemctl enable --now aloftd aloft-sign aloft-mirror; then copy {} and keys/*.pub to every "
            "host; then: aloft doctor",
            site_file);
    }
    if (!common.json) print_rows(common, "steps", steps.rows, {"what", "path", "why"});
    print(common, {{"steps", steps.rows}, {"next", next.english()}},
          common.dry_run ? tr("would then be next: {}", core::translated(next))
                         : tr("next: {}", core::translated(next)));
    if (steps.differs)
        throw failure(Fault::refused,
                      "what is marked `differs` is not as it should be; it was left as it is");
}

}  // namespace

void add_site(CLI::App& admin, Common& common) {
    static Accounts accounts;
    CLI::App* site = admin.add_subcommand("site", "This site, on the service's host");
    site->require_subcommand(1);
    CLI::App* verb = add_verb(
        *site, common, "init",
        "Make what a site begins with: examples of its configuration, folders with their owners, aloftd's "
        "keys. What "
        "is there is kept; what is there and wrong is named, and exit 5. Again at any time",
        "aloft admin site init --dry-run", Changes::something, [&common] { init(common, accounts); });
    verb->add_option("--service-account", accounts.service, "Whom aloftd runs as")->capture_default_str();
    verb->add_option("--intake-account", accounts.intake, "Who builds datasets")->capture_default_str();
}

}  // namespace jobs
