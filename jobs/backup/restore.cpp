#include "jobs/backup/restore.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "core/base/error.h"
#include "core/base/json.h"
#include "core/ledger/ledger.h"
#include "core/ledger/loss.h"
#include "core/ledger/verify.h"
#include "jobs/backup/archive.h"
#include "jobs/backup/beside.h"
#include "jobs/state/mark.h"
#include "jobs/state/texts.h"

namespace jobs {

namespace fs = std::filesystem;
using core::Error;
using core::Fault;
using nlohmann::json;

namespace {

constexpr std::string_view kState = "state/", kConfig = "config/";
constexpr std::size_t kConfigLimitBytes = 1 << 20;
constexpr const char* kStaged = ".restoring";  // below site.state: what is put in its place in the end

// Files of configuration by name below site.config: small, so they are looked at in memory.
struct ConfigFile {
    std::string text;
    mode_t mode = 0644;
};
using Configuration = std::map<std::string, ConfigFile>;

std::string all_of(ArchiveReader& archive) {
    std::string text;
    archive.read([&](core::ByteView piece) {
        text += core::text(piece);
        if (text.size() > kConfigLimitBytes)
            throw Error(Fault::data, "a file of configuration in this backup is larger than any is");
    });
    return text;
}

Configuration configuration_in(const fs::path& archive, const core::SecretKey& key) {
    Configuration files;
    ArchiveReader reader(archive, key);
    while (const auto next = reader.next())
        if (next->name.starts_with(kConfig))
            files[next->name.substr(kConfig.size())] = {all_of(reader), next->mode};
    return files;
}

// Where the site's things are: as the file on this host says, else as the backup's.
core::Site site_of(const RestoreWish& wish, const Configuration& configuration, const fs::path& scratch) {
    if (fs::exists(wish.site_file)) return core::Site::load(wish.site_file);
    const auto file = configuration.find("site.toml");
    if (file == configuration.end()) throw Error(Fault::data, "there is no site.toml in this backup");
    core::write_atomically(scratch / "site.toml", file->second.text, 0600);
    core::Site site = core::Site::load(scratch / "site.toml");
    if (site.config == fs::absolute(scratch)) site.config = fs::absolute(wish.site_file).parent_path();
    return site;
}

// Error(usage) that names what would be overwritten. site.toml is the host's own.
void check_free(const core::Site& site, const Configuration& configuration) {
    for (const auto& [name, file] : configuration) {
        const fs::path path = site.config / name;
        if (name != "site.toml" && fs::exists(path) && core::read_text(path) != file.text)
            throw Error(Fault::usage,
                        path.string() +
                            ": another file is there already. Move it away, or keep it and remove the "
                            "one of both that you do not want from the backup's host first");
    }
    if (!fs::exists(site.state)) return;
    for (const auto& entry : fs::directory_iterator(site.state))
        if (const auto name = entry.path().filename(); name != kStaged && name != "lost+found")
            throw Error(Fault::usage,
                        site.state.string() +
                            ": there is a state already. Stop aloftd and aloft-sign and move it "
                            "away first; nothing is overwritten");
}

// What is below `folder` after the archive was unpacked there: all of state/, texts in a database again.
std::uint64_t unpack(const fs::path& archive, const core::SecretKey& key, const fs::path& folder,
                     std::uint64_t& files, std::set<std::string>& names, const std::string& only) {
    std::uint64_t texts = 0;
    ArchiveReader reader(archive, key);
    while (const auto next = reader.next()) {
        ++files;
        if (!next->name.starts_with(kState)) continue;
        const std::string name = next->name.substr(kState.size());
        names.insert(name);
        if (!only.empty() && name != only) continue;
        if (name == "texts.jsonl") {
            Texts database(folder / "texts.db");
            std::string line;
            reader.read([&](core::ByteView piece) {
                for (const char c : core::text(piece)) {
                    if (c != '\n') {
                        line += c;
                        continue;
                    }
                    database.put_back(core::parse_json(line));
                    line.clear();
                    ++texts;
                }
            });
            database.commit();
            continue;
        }
        core::make_directories((folder / name).parent_path(), 0700);
        core::AtomicFile file(folder / name, next->mode);
        reader.read([&](core::ByteView piece) { file.write(piece); });
        file.commit();
    }
    return texts;
}

std::vector<core::VerifyKey> ledger_keys(const Configuration& configuration, const fs::path& scratch,
                                         const std::vector<core::VerifyKey>& given) {
    fs::create_directories(scratch / "keys");
    bool any = false;
    for (const auto& [name, file] : configuration)
        if (name.starts_with("keys/ledger.") && name.ends_with(".pub")) {
            core::write_atomically(scratch / name, file.text, 0600);
            any = true;
        }
    auto keys = any ? core::load_verify_keys(scratch / "keys", "ledger") : given;
    keys.insert(keys.end(), given.begin(), given.end());
    return keys;
}

// A text that was erased after the backup was made does not come back with it.
std::uint64_t erase_again(const fs::path& folder, const fs::path& ledger, std::uint64_t after) {
    std::uint64_t erased = 0;
    Texts texts(folder / "texts.db");
    core::read_lines(ledger, 0, [&](std::string_view line, std::uint64_t) {
        core::LineStart start;
        if (!core::read_line_start(line, start) || start.seq <= after) return true;
        const core::Record record = core::parse_record(line);
        if (record.kind == "text.erased")
            erased += static_cast<std::uint64_t>(texts.erase(record.subject, record.kind));
        return true;
    });
    return erased;
}

void hand_over(const fs::path& path, uid_t uid, gid_t gid) {
    if (::lchown(path.c_str(), uid, gid))
        throw Error(Fault::system, core::with_errno("cannot hand over " + path.string(), errno));
    if (fs::is_directory(fs::symlink_status(path)))
        for (const auto& entry : fs::directory_iterator(path)) hand_over(entry.path(), uid, gid);
}

// A file that is not as the ledger's last word about it is laid beside its place, not into force: it may give rights that were
// taken since. One that was removed stays away.
void put_configuration(const core::Site& site, const RestoreWish& wish, const Configuration& configuration,
                       const std::vector<std::string>& older) {
    for (const auto& [name, file] : configuration) {
        fs::path path = name == "site.toml" ? wish.site_file : site.config / name;
        if (fs::exists(path)) continue;
        if (std::find(older.begin(), older.end(), name) != older.end()) path += ".older";
        core::make_directories(path.parent_path(), 0755);
        core::write_atomically(path, file.text, file.mode);
        // What not everybody may read, aloftd must: its group is the service's.
        if ((file.mode & 0044) == 0040 && ::chown(path.c_str(), static_cast<uid_t>(-1), wish.service_gid))
            throw Error(Fault::system, core::with_errno("cannot hand over " + path.string(), errno));
    }
    std::vector<core::VerifyKey> known;
    try {
        known = core::load_verify_keys(site.config / "keys", "ledger");
    } catch (const Error&) {  // none
    }
    for (const core::VerifyKey& key : wish.keys)
        if (std::none_of(known.begin(), known.end(),
                         [&](const core::VerifyKey& one) { return one.bytes == key.bytes; }))
            key.save(site.config / "keys" / ("ledger.old-" + key.id() + ".pub"));
}

std::vector<std::string> older_in(const Configuration& configuration, const Beside& beside) {
    std::vector<std::string> older;
    for (const auto& [name, file] : configuration)
        if (const auto said = beside.configuration.find(name);
            said != beside.configuration.end() && name != "site.toml" &&
            said->second != core::to_hex(core::sha256(core::view(file.text))))
            older.push_back(name);
    return older;
}

// The tables of exported releases, by which those to come are judged: from the backup, else from the package that left. One
// that cannot be had whole has no folder, and nothing more is released under its grant. Returns releases that lack copies.
std::vector<std::string> complete_copies(const core::Site& site, const Beside& beside, const fs::path& folder,
                                         const std::set<std::string>& names, bool dry_run) {
    std::vector<std::string> lacking;
    for (const auto& [id, of] : beside.open) {
        const std::string canonical = "releases/" + of + "/canonical/";
        const auto first = names.lower_bound(canonical);
        if (first == names.end() || !first->starts_with(canonical)) lacking.push_back(id);
    }
    for (const auto& [id, tables] : beside.left) {
        bool whole = true;
        const fs::path to = folder / "left" / id;
        if (!dry_run) core::make_directories(to, 0700);
        for (const Beside::Table& table : tables) {
            if (names.contains("left/" + id + "/" + table.name)) continue;
            core::Bytes bytes;
            try {
                bytes = core::read_file(site.released / id / "data" / table.name);
            } catch (const Error&) {
            }
            whole = whole && core::to_hex(core::sha256(bytes)) == table.sha256;
            if (whole && !dry_run) core::write_atomically(to / table.name, bytes, 0600);
        }
        if (whole) continue;
        if (!dry_run) fs::remove_all(to);
        lacking.push_back(id);
    }
    return lacking;
}

// The ledger last: without it there is nothing that could be taken for the whole.
void put_state(const core::Site& site, const RestoreWish& wish) {
    const fs::path staged = site.state / kStaged;
    hand_over(staged, wish.service_uid, wish.service_gid);
    for (const auto& entry : fs::directory_iterator(staged))
        if (entry.path().filename() != "ledger.jsonl")
            fs::rename(entry.path(), site.state / entry.path().filename());
    if (fs::exists(staged / "ledger.jsonl")) fs::rename(staged / "ledger.jsonl", site.state / "ledger.jsonl");
    fs::remove(staged);
    core::sync_directory(site.state);
    if (::chown(site.state.c_str(), wish.service_uid, wish.service_gid) || ::chmod(site.state.c_str(), 0700))
        throw Error(Fault::system, core::with_errno("cannot hand over " + site.state.string(), errno));
}

void look_at_witnesses(const fs::path& ledger, const std::vector<core::VerifyKey>& keys, Restored& done) {
    for (const core::Witness& witness : core::witnesses_at_hand(done.site)) try {
            core::check_witness(ledger, done.head, witness, keys);
        } catch (const Error& e) {
            auto& seen = e.fault() == Fault::data ? done.seen : done.unknown;
            if (e.fault() == Fault::data || e.fault() == Fault::refused)
                seen = std::max(seen.value_or(0), witness.head.seq);
        }
}

}  // namespace

Restored restore_backup(const RestoreWish& wish, const core::OpeningKey& opening) {
    Restored done;
    done.facts = open_backup(wish.folder, wish.keys);
    if (done.facts.recipient != key_id(opening.sealing_key()))
        throw Error(Fault::refused, "this backup is sealed to another key, " + done.facts.recipient);
    const core::SecretKey key = opening.open(core::from_base64(done.facts.sealed));
    const fs::path archive = wish.folder / "archive";
    const core::TemporaryFolder temporary("aloft-restore");
    const fs::path& scratch = temporary.path();
    const Configuration configuration = configuration_in(archive, key);
    Configuration put = configuration;
    done.site = site_of(wish, configuration, scratch);
    const auto keys = ledger_keys(configuration, scratch, wish.keys);
    check_free(done.site, configuration);

    const fs::path folder = wish.dry_run ? scratch / "state" : done.site.state / kStaged;
    if (!wish.dry_run) core::make_directories(done.site.state, 0700);
    fs::remove_all(folder);
    core::make_directories(folder, 0700);
    // Tried only, no private key is written anywhere.
    std::set<std::string> names;
    done.texts = unpack(archive, key, folder, done.files, names, wish.dry_run ? "ledger.jsonl" : "");
    if (done.files != done.facts.files)
        throw Error(Fault::data, "this backup does not hold as many files as it says");
    const fs::path ledger = folder / "ledger.jsonl";
    if (done.facts.witness.head.seq > 0)
        done.head = core::verify_ledger(ledger, keys, done.facts.witness).head;
    else if (fs::exists(ledger))
        done.head = core::verify_ledger(ledger, keys).head;
    if (!wish.ledger.empty()) {
        core::verify_ledger(wish.ledger, keys, done.facts.witness);  // the same ledger, and not an older one
        core::AtomicFile file(ledger, 0600);
        core::read_lines(wish.ledger, 0, [&](std::string_view line, std::uint64_t) {
            file.write(core::view(std::string(line) + "\n"));
            return true;
        });
        file.commit();
        done.head = core::verify_ledger(ledger, keys).head;
        if (!wish.dry_run) done.erased = erase_again(folder, ledger, done.facts.witness.head.seq);
    }
    const Beside beside = fs::exists(ledger) ? beside_of(ledger) : Beside();
    look_at_witnesses(ledger, keys, done);
    done.older = older_in(configuration, beside);
    std::erase_if(done.older, [&](const std::string& name) {
        if (!beside.configuration.at(name).empty()) return false;
        done.removed.push_back(name);
        return true;
    });
    done.lacking = complete_copies(done.site, beside, folder, names, wish.dry_run);
    if (wish.dry_run) return done;
    write_mark(folder, {"restored", done.head.seq, std::nullopt});
    for (const std::string& name : done.removed) put.erase(name);
    put_configuration(done.site, wish, put, done.older);
    put_state(done.site, wish);
    return done;
}

}  // namespace jobs
