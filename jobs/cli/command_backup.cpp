// aloft admin backup, aloft admin restore: the service's host, while aloftd runs; and on another host.
#include <pwd.h>
#include <unistd.h>

#include "core/base/error.h"
#include "core/base/message.h"
#include "core/base/split.h"
#include "core/base/time.h"
#include "jobs/backup/restore.h"
#include "jobs/cli/commands.h"

namespace jobs {

using core::Error;
using core::failure;
using core::Fault;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

void need_root(const char* doing) {
    if (::geteuid() != 0)
        throw failure(Fault::refused, "{} reads or writes keys of several accounts: run it as root",
                      std::string(doing));
}

// The end of the ledger: aloftd's word where it runs, else what lies there. aloftd alone knows what is on disk of what it
// writes.
core::Witness witness_of(const core::Site& site, bool& is_running) {
    try {
        const json answer = ask(site.socket, {{"op", "audit.head"}}).body;
        is_running = true;
        return core::Witness::parse(answer.at("witness").dump());
    } catch (const Error& e) {
        if (e.fault() != Fault::system) throw;
        is_running = false;
        return core::Witness::sign(head_at_rest(site),
                                   core::SigningKey::load(site.state / "keys" / "ledger.key"));
    }
}

json words_of(const BackupFacts& facts) {
    return {{"site", facts.site},
            {"made", core::rfc3339(facts.made)},
            {"version", facts.version},
            {"records", facts.witness.head.seq},
            {"files", facts.files},
            {"bytes", facts.archive_bytes},
            {"sha256", facts.archive_sha256},
            {"recipient", facts.recipient}};
}

void backup(const Common& common, const fs::path& folder, fs::path recipient) {
    need_root("aloft admin backup");
    const core::Site site = common.site();
    if (recipient.empty()) recipient = site.config / "keys" / "backup.pub";
    if (!fs::exists(recipient))
        throw failure(Fault::usage,
                      "{}: there is no key that a backup could be sealed to, and none is made in plain. See: "
                      "aloft admin keys backup",
                      recipient.string());
    const auto key = core::SealingKey::load(recipient);
    if (common.dry_run)
        return print(common, {{"to", folder.string()}, {"recipient", key_id(key)}},
                     tr("would back up {} and {} to {}, sealed to key {}", site.state.string(),
                        site.config.string(), folder.string(), key_id(key)));
    bool is_running = false;
    const BackupFacts facts = make_backup(site, key, folder, [&] { return witness_of(site, is_running); });
    if (is_running)
        ask(site.socket,
            {{"op", "backup.made"}, {"sha256", facts.archive_sha256}, {"records", facts.witness.head.seq}});
    json said = words_of(facts);
    said["recorded"] = is_running;
    said["lacking"] = facts.lacking;
    print(
        common, said,
        tr("{}: {} files, the ledger up to record {}, sealed to key {}", folder, facts.files,
           facts.witness.head.seq, facts.recipient) +
            (is_running ? "" : "\n" + tr("aloftd does not run: that this backup was made is not on record")) +
            (facts.lacking.empty()
                 ? ""
                 : "\n" + tr("Not on this host, so not in it: copies of {}", core::joined(facts.lacking))));
}

void restore(const Common& common, RestoreWish wish, const std::vector<fs::path>& keys,
             const fs::path& opening, const std::string& account) {
    need_root("aloft admin restore");
    const passwd* owner = ::getpwnam(account.c_str());
    if (!owner)
        throw failure(Fault::usage,
                      "there is no account {} on this host: install aloft-service first, or name it",
                      account);
    wish.service_uid = owner->pw_uid;
    wish.service_gid = owner->pw_gid;
    wish.site_file = common.site_file.empty() ? fs::path("/etc/aloft/site.toml") : common.site_file;
    for (const fs::path& key : keys) wish.keys.push_back(core::VerifyKey::load(key));
    wish.dry_run = common.dry_run;
    const Restored done = restore_backup(wish, core::OpeningKey::load(opening));
    json said = words_of(done.facts);
    said.update({{"ledger", done.head.seq},
                 {"erased_again", done.erased},
                 {"state", done.site.state.string()},
                 {"restored", !common.dry_run},
                 {"seen", done.seen ? json(*done.seen) : json()},
                 {"unknown_witness", done.unknown ? json(*done.unknown) : json()},
                 {"older", done.older},
                 {"removed", done.removed},
                 {"lacking", done.lacking}});
    std::string words =
        common.dry_run
            ? tr("this backup is whole, and could be restored: {} files, the ledger with {} records, of {}",
                 done.files, done.head.seq, core::rfc3339(done.facts.made))
            : tr("restored: {} files, the ledger with {} records, of {}", done.files, done.head.seq,
                 core::rfc3339(done.facts.made));
    if (done.seen)
        words += "\n" + tr("But record {} was seen: aloftd will not start from this. Put back a newer copy "
                           "of the ledger (--ledger), or read jobs/OPERATIONS.md, \"Records that are lost\"",
                           *done.seen);
    if (done.unknown)
        words += "\n" + tr("A witness of record {} is signed by none of these keys: if the ledger's key was "
                           "rotated, begin again with each of its public keys (--key)",
                           *done.unknown);
    if (!done.older.empty())
        words += "\n" + tr("The ledger knows newer ones, so these lie there as FILE.older: {}",
                           core::joined(done.older));
    if (!done.removed.empty())
        words += "\n" + tr("The ledger says that these were removed: {}", core::joined(done.removed));
    if (!done.lacking.empty())
        words += "\n" + tr("Releases whose copies are nowhere (open ones must be withdrawn; under the "
                           "application of one that was exported nothing more is released): {}",
                           core::joined(done.lacking));
    if (!done.seen && !common.dry_run)
        words += "\n" + tr("Next: aloft doctor; systemctl start aloftd aloft-sign. aloftd starts only if "
                           "published/witness.json is of this ledger's last record; else read "
                           "jobs/OPERATIONS.md, \"Records that are lost\"");
    print(common, said, words);
}

}  // namespace

void add_backup(CLI::App& admin, Common& common) {
    static fs::path to, recipient, opening;
    static std::vector<fs::path> keys;
    static RestoreWish wish;
    static std::string account = "aloft";
    CLI::App* make = add_verb(
        admin, common, "backup",
        "Ledger, texts, release copies, keys and configuration, sealed to one key, while aloftd runs",
        "aloft admin backup --to /backup/aloft/2026-11-27", Changes::something,
        [&common] { backup(common, to, recipient); });
    make->add_option("--to", to, "A folder, empty or not there yet")->required()->type_name("FOLDER");
    make->add_option("--recipient", recipient,
                     "The public half of the key that opens it (default: keys/backup.pub)")
        ->type_name("FILE");

    CLI::App* back =
        add_verb(admin, common, "restore",
                 "Put a backup back on a host that has no state; --dry-run proves that it could be done, and "
                 "changes nothing",
                 "aloft admin restore /backup/aloft/2026-11-27 --key ledger.pub --opening backup.key",
                 Changes::something, [&common] { restore(common, wish, keys, opening, account); });
    back->add_option("folder", wish.folder, "The backup")->required()->type_name("FOLDER");
    back->add_option("--key", keys,
                     "The ledger's public key, from another host than the backup; after a rotation each of "
                     "them, with --key before each")
        ->required()
        ->allow_extra_args(false)
        ->type_name("FILE");
    back->add_option("--opening", opening, "The private half of the backup's key")
        ->required()
        ->type_name("FILE");
    back->add_option("--ledger", wish.ledger,
                     "A newer copy of the ledger, as auditors have it (aloft audit copy)")
        ->type_name("FILE");
    back->add_option("--service-account", account, "Whom aloftd runs as")->capture_default_str();
}

}  // namespace jobs
