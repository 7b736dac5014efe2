// aloft admin keys: pairs of keys, and how one takes over from another. These write the site's configuration, so they run
// as root (or who owns it).
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/message.h"
#include "core/keys/keys.h"
#include "core/policy/names.h"
#include "jobs/cli/commands.h"

namespace jobs {

using core::Error;
using core::failure;
using core::Fault;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

// Owned as the folder it lies in.
void save_secret(const core::SigningKey& key, const fs::path& secret) {
    key.save(secret);
    struct stat folder {};
    if (::geteuid() == 0 && (::stat(secret.parent_path().c_str(), &folder) ||
                             ::chown(secret.c_str(), folder.st_uid, folder.st_gid)))
        throw failure(Fault::system, "cannot hand over {}: {}", secret.string(), core::reason_of(errno));
}

// A key pair: the private half to `secret`, the public half to `open`.
void save_pair(const core::SigningKey& key, const fs::path& secret, const fs::path& open) {
    core::make_directories(open.parent_path(), 0755);
    core::make_directories(secret.parent_path(), 0700);
    if (fs::exists(open))
        throw failure(Fault::usage, "{}: exists already; a key is never overwritten", open.string());
    save_secret(key, secret);
    key.verify_key().save(open);
}

}  // namespace

// aloftd's pairs. Throws Error(usage) if one of them is there.
void make_service_keys(const core::Site& site) {
    const fs::path folder = site.state / "keys";
    struct stat owner {};
    if (::stat(site.state.c_str(), &owner))
        throw failure(Fault::usage, "{}: make this folder first, owned by aloftd's account, 0700",
                      site.state.string());
    core::make_directories(folder, 0700);
    if (::geteuid() == 0 && ::chown(folder.c_str(), owner.st_uid, owner.st_gid))
        throw failure(Fault::system, "cannot hand over {}: {}", folder.string(), core::reason_of(errno));
    for (const std::string name : {"grant", "ledger"})
        save_pair(core::SigningKey::generate(), folder / (name + ".key"),
                  site.config / "keys" / (name + ".pub"));
}

namespace {

void make_and_tell_service_keys(const Common& common) {
    const core::Site site = common.site();
    if (!common.dry_run) make_service_keys(site);
    json made = json::object();
    for (const std::string name : {"grant", "ledger"})
        made[name] = {{"private", (site.state / "keys" / (name + ".key")).string()},
                      {"public", (site.config / "keys" / (name + ".pub")).string()}};
    print(common, made,
          tr("keys of aloftd: {}, {}", (site.state / "keys/{grant,ledger}.key").string(),
             (site.config / "keys/{grant,ledger}.pub").string()));
}

void make_node_key(const Common& common, const std::string& node, const fs::path& out) {
    const core::Site site = common.site();
    core::check_plain_name(node, "node");
    const fs::path open = site.config / "keys" / "nodes" / (node + ".pub");
    if (!common.dry_run) {
        save_pair(core::SigningKey::generate(), out, open);
    }
    print(common, {{"node", node}, {"private", out.string()}, {"public", open.string()}},
          tr("key of node {}: {} (its own), {} (for all hosts)", node, out.string(), open.string()));
}

void make_relay_key(const Common& common, const std::string& host, const fs::path& out) {
    core::check_plain_name(host, "host");
    const fs::path open = common.site().config / "keys" / "relays" / (host + ".pub");
    if (!common.dry_run) save_pair(core::SigningKey::generate(), out, open);
    print(common, {{"host", host}, {"private", out.string()}, {"public", open.string()}},
          tr("key of the relay on {}: {} (its own), {} (for the host at the other end)", host, out.string(),
             open.string()));
}

// Its private half opens every backup: it is made where backups are restored, or carried away from here.
void make_backup_key(const Common& common, const fs::path& out) {
    const fs::path open = common.site().config / "keys" / "backup.pub";
    if (!common.dry_run) {
        if (fs::exists(open))
            throw failure(Fault::usage, "{}: exists already; a key is never overwritten", open.string());
        core::make_directories(open.parent_path(), 0755);
        const auto key = core::OpeningKey::generate();
        key.save(out);
        key.sealing_key().save(open);
    }
    print(common, {{"private", out.string()}, {"public", open.string()}},
          tr("key of backups: {} (carry it away from this host: it opens every backup), {}", out.string(),
             open.string()));
}

// The former public half stays beside the new one, as long as there are datasets that were sealed with it.
void make_steward_key(const Common& common, const fs::path& out, bool takes_over) {
    const fs::path open = common.site().config / "keys" / "steward.pub";
    json former;
    std::string words = tr("key of the steward: {}, {}", out.string(), open.string());
    if (takes_over && fs::exists(open)) {
        const auto before = core::VerifyKey::load(open);
        const fs::path kept = open.parent_path() / ("steward.old-" + before.id() + ".pub");
        const bool is_there = fs::exists(out);  // cut off, or done
        if (is_there && core::SigningKey::load(out).verify_key().bytes == before.bytes) {
            words = tr("key of the steward: {}, {}; it has taken over already", out.string(), open.string());
        } else {
            former = kept.string();
            words =
                tr("key of the steward: {}, {}; datasets that the former one sealed are known by {}\n"
                   "Next: copy both to every host",
                   out.string(), open.string(), kept.string());
            if (!common.dry_run) {
                if (!is_there) save_secret(core::SigningKey::generate(), out);
                if (!fs::exists(kept)) before.save(kept);
                const fs::path coming = open.string() + ".coming";  // of no name that is trusted
                fs::remove(coming);
                core::SigningKey::load(out).verify_key().save(coming);
                fs::rename(coming, open);
                core::sync_directory(open.parent_path());
            }
        }
    } else if (!common.dry_run) {
        save_pair(core::SigningKey::generate(), out, open);
    }
    print(common, {{"private", out.string()}, {"public", open.string()}, {"former", former}}, words);
}

// A key takes over from another in three steps, between which the admin copies keys/ to every host: all trust the new
// one, then it signs, then the old one counts no more. Each step is nothing the second time, and goes on where it was cut off.
struct Rotation {
    std::string name;
    fs::path secret, open;            // that sign now, and are trusted
    fs::path next_secret, next_open;  // that will

    Rotation(const core::Site& site, const std::string& of)
        : name(of),
          secret(site.state / "keys" / (of + ".key")),
          open(site.config / "keys" / (of + ".pub")),
          next_secret(site.state / "keys" / (of + ".next.key")),
          next_open(site.config / "keys" / (of + ".next.pub")) {}
    // Where the old public half goes.
    fs::path kept(const core::VerifyKey& key) const {
        return open.parent_path() / (name + ".old-" + key.id() + ".pub");
    }
    std::vector<fs::path> old() const {
        std::vector<fs::path> files;
        std::error_code error;
        for (fs::directory_iterator entry(open.parent_path(), error), end; !error && entry != end;
             entry.increment(error))
            if (const std::string file = entry->path().filename().string();
                file.starts_with(name + ".old-") && file.ends_with(".pub"))
                files.push_back(entry->path());
        std::sort(files.begin(), files.end());
        return files;
    }
};

void tell_step(const Common& common, const Rotation& keys, const core::Message& state,
               const core::Message& next) {
    json old = json::array();
    for (const fs::path& file : keys.old()) old.push_back(file.string());
    print(common,
          {{"key", keys.name},
           {"state", state.english()},
           {"public", keys.open.string()},
           {"old", old},
           {"next", next.english()}},
          tr("key {}: {}\nNext: {}", keys.name, core::translated(state), core::translated(next)));
}

void begin_rotation(const Common& common, const Rotation& keys) {
    const core::Message next =
        core::message("copy {} to every host. When all have it: aloft admin keys rotate {} --switch",
                      keys.next_open, keys.name);
    if (common.dry_run) return tell_step(common, keys, core::message("a new one would be made"), next);
    if (!fs::exists(keys.secret))
        throw failure(Fault::usage, "{}: there is no key yet; see: aloft admin keys service",
                      keys.secret.string());
    if (!fs::exists(keys.next_secret)) {
        if (fs::exists(keys.next_open)) {  // switched, or cut off between the two
            if (core::SigningKey::load(keys.secret).verify_key().bytes ==
                core::VerifyKey::load(keys.next_open).bytes)
                throw failure(Fault::usage, "the new key signs already: aloft admin keys rotate {} --switch",
                              keys.name);
            throw failure(Fault::usage,
                          "{}: its private half is gone; remove this file from every host first",
                          keys.next_open.string());
        }
        save_secret(core::SigningKey::generate(), keys.next_secret);
    }
    if (!fs::exists(keys.next_open))
        core::SigningKey::load(keys.next_secret).verify_key().save(keys.next_open);
    tell_step(common, keys, core::message("the new one is made and trusted where it is; the old one signs"),
              next);
}

void switch_key(const Common& common, const Rotation& keys) {
    const fs::path copied = keys.open.parent_path() / (keys.name + "*.pub");
    const core::Message next =
        keys.name == "grant" ? core::message(
                                   "copy {} to every host, without {}, and restart aloft-sign; when all "
                                   "hosts have what it signed: aloft admin keys rotate grant --finish",
                                   copied, keys.next_open.filename())
                             : core::message(
                                   "copy {} to every host, without {}, and restart aloftd. Keep the old "
                                   "public half as long as the ledger: its older checkpoints need it",
                                   copied, keys.next_open.filename());
    if (!fs::exists(keys.next_open))
        throw failure(Fault::usage, "there is no new key to switch to: begin with aloft admin keys rotate {}",
                      keys.name);
    if (common.dry_run) return tell_step(common, keys, core::message("the new one would sign"), next);
    const core::VerifyKey before = core::VerifyKey::load(keys.open),
                          after = core::VerifyKey::load(keys.next_open);
    if (before.bytes != after.bytes && !fs::exists(keys.kept(before))) before.save(keys.kept(before));
    if (fs::exists(keys.next_secret)) {
        if (core::SigningKey::load(keys.next_secret).verify_key().bytes != after.bytes)
            throw failure(Fault::data, "{}: is not the public half of {}", keys.next_open.string(),
                          keys.next_secret.string());
        fs::rename(keys.next_secret, keys.secret);  // the old private half is gone with this
        core::sync_directory(keys.secret.parent_path());
    } else if (core::SigningKey::load(keys.secret).verify_key().bytes != after.bytes) {
        throw failure(Fault::data, "{}: its private half is neither {} nor {}", keys.next_open.string(),
                      keys.next_secret.string(), keys.secret.string());
    }
    fs::rename(keys.next_open, keys.open);
    core::sync_directory(keys.open.parent_path());
    tell_step(common, keys, core::message("the new one signs, the old one is still trusted"), next);
}

void finish_rotation(const Common& common, const Rotation& keys) {
    if (keys.name == "ledger")
        throw failure(
            Fault::refused,
            "the ledger's old public keys stay as long as the ledger does: its older checkpoints need them");
    if (fs::exists(keys.next_open) || fs::exists(keys.next_secret))
        throw failure(Fault::usage, "the new key does not sign yet: aloft admin keys rotate {} --switch",
                      keys.name);
    const core::Message next = core::message(
        "remove {}.old-*.pub from every other host. What the old key signed counts no more", keys.name);
    if (common.dry_run)
        return tell_step(common, keys, core::message("the old one would be trusted no more"), next);
    for (const fs::path& file : keys.old()) fs::remove(file);
    core::sync_directory(keys.open.parent_path());
    tell_step(common, keys, core::message("the old one is trusted here no more"), next);
}

}  // namespace

void add_keys(CLI::App& admin, Common& common) {
    CLI::App* keys = admin.add_subcommand(
        "keys", "Make key pairs; private halves never leave the file they are written to");
    keys->require_subcommand(1);
    add_verb(*keys, common, "service", "aloftd's keys: grants and ledger", "aloft admin keys service",
             Changes::something, [&common] { make_and_tell_service_keys(common); });
    static std::string node;
    static fs::path out;
    CLI::App* of_node =
        add_verb(*keys, common, "node", "A compute node's key, with which it signs its records",
                 "aloft admin keys node n1 --out /etc/aloft/keys/node.key", Changes::something,
                 [&common] { make_node_key(common, node, out); });
    of_node->add_option("node", node, "Host name of the node")->required();
    of_node->add_option("--out", out, "The private half")->required()->type_name("FILE");
    CLI::App* of_relay =
        add_verb(*keys, common, "relay", "A host's key for aloft-relay, by which the other end knows it",
                 "aloft admin keys relay login-hel --out /etc/aloft/keys/relay.key", Changes::something,
                 [&common] { make_relay_key(common, node, out); });
    of_relay->add_option("host", node, "The host's name in relay.toml")->required();
    of_relay->add_option("--out", out, "The private half")->required()->type_name("FILE");
    static bool takes_over = false;
    CLI::App* of_steward =
        add_verb(*keys, common, "steward", "The steward's key, which seals datasets",
                 "aloft admin keys steward --out /home/steward/steward.key", Changes::something,
                 [&common] { make_steward_key(common, out, takes_over); });
    of_steward->add_option("--out", out, "The private half")->required()->type_name("FILE");
    of_steward->add_flag("--take-over", takes_over,
                         "Where there is one already: datasets are sealed with the new one from now on");

    CLI::App* of_backup =
        add_verb(*keys, common, "backup", "The key that backups are sealed to, and that opens them",
                 "aloft admin keys backup --out backup.key", Changes::something,
                 [&common] { make_backup_key(common, out); });
    of_backup->add_option("--out", out, "The private half")->required()->type_name("FILE");

    static std::string rotated;
    static bool is_switch = false, is_finish = false;
    CLI::App* rotate = add_verb(
        *keys, common, "rotate",
        "Let a new key of aloftd take over: make it; --switch, when every host has its public half; --finish",
        "aloft admin keys rotate grant", Changes::something, [&common] {
            const Rotation rotation(common.site(), rotated);
            is_switch   ? switch_key(common, rotation)
            : is_finish ? finish_rotation(common, rotation)
                        : begin_rotation(common, rotation);
        });
    rotate->add_option("key", rotated, "grant (what is published) or ledger")
        ->required()
        ->check(CLI::IsMember({"grant", "ledger"}));
    auto* second =
        rotate->add_flag("--switch", is_switch, "The new key signs from the next start of its service on");
    rotate->add_flag("--finish", is_finish, "The old key is trusted no more (grant)")->excludes(second);
}

}  // namespace jobs
