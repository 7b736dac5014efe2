#include "jobs/backup/backup.h"

#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>

#include "core/base/error.h"
#include "core/base/json.h"
#include "core/base/time.h"
#include "core/keys/enclave_keys.h"
#include "core/ledger/ledger.h"
#include "jobs/backup/archive.h"
#include "jobs/backup/beside.h"
#include "jobs/state/texts.h"

namespace jobs {

namespace fs = std::filesystem;
using core::Error;
using core::Fault;
using nlohmann::json;

namespace {

// A release ended while its copies were read: the ledger as it was copied says that they are there.
struct ReleaseIsOver {};

struct Source {
    const core::Site& site;
    ArchiveWriter& archive;

    void add(const std::string& name, const fs::path& file, mode_t mode, std::uint64_t limit = UINT64_MAX) {
        archive.begin({name, mode});
        core::read_pieces(
            file, [&](core::ByteView piece) { archive.write(piece); }, limit);
    }

    // Every file below `folder` that `mode_of` gives a mode, in order of name. Links are not followed.
    void add_all(const std::string& prefix, const fs::path& folder,
                 const std::function<mode_t(const fs::path&)>& mode_of) {
        std::set<fs::path> files;
        if (!fs::exists(folder)) return;
        for (fs::recursive_directory_iterator entry(folder), end; entry != end; ++entry)
            if (entry->is_regular_file() && !entry->is_symlink()) files.insert(entry->path());
        for (const fs::path& file : files)
            if (const mode_t mode = mode_of(file); mode != 0)
                add(prefix + "/" + file.lexically_relative(folder).string(), file, mode);
    }

    // Copies of the releases that the copied ledger says are open or exported. What is not there is named in `lacking`.
    void add_copies(const Beside& beside, std::vector<std::string>& lacking) {
        const auto add = [&](const std::string& id, const std::string& name, const fs::path& wanted) {
            if (!fs::exists(wanted)) return lacking.push_back(id);
            add_all("state/" + name, site.state / name, [](const fs::path&) { return mode_t{0600}; });
        };
        for (const auto& [id, folder] : beside.open)
            add(id, "releases/" + folder, site.state / "releases" / folder / "canonical");
        for (const auto& [id, tables] : beside.left) add(id, "left/" + id, site.state / "left" / id);
    }

    void add_texts() {
        archive.begin({"state/texts.jsonl", 0600});
        const fs::path file = site.state / "texts.db";
        if (fs::exists(file))
            Texts::for_each(file, [&](const json& row) { archive.write(core::view(row.dump() + "\n")); });
    }
};

// A host's own keys are made anew on another host. An enclave's key would open every sealed dataset in the ledger.
mode_t mode_of_configuration(const fs::path& file) {
    const std::string name = file.filename().string();
    if (name.starts_with(".") || name == "node.key" || name == "node.next.key" || name == "relay.key" || core::is_enclave_key(name))
        return 0;
    if (file.extension() == ".key") return 0400;
    if (file.extension() != ".toml" && file.extension() != ".pub") return 0;
    struct stat status {};
    return ::stat(file.c_str(), &status) ? 0600 : 0600 | (status.st_mode & 0044);
}

mode_t mode_of_key(const fs::path& file) {
    return file.extension() == ".key" ? 0400 : 0;
}

// How many bytes of the ledger lie before the end of the witness's record.
std::uint64_t bytes_up_to(const fs::path& ledger, const core::Head& head) {
    if (head.seq == 0) return 0;
    std::uint64_t end = 0;
    core::read_lines(ledger, 0, [&](std::string_view line, std::uint64_t next) {
        core::LineStart start;
        if (!core::read_line_start(line, start) || start.seq < head.seq) return true;
        if (start.seq == head.seq && core::sha256(core::view(std::string(line) + "\n")) == head.sha256)
            end = next;
        return false;
    });
    if (end == 0)
        throw Error(
            Fault::data,
            ledger.string() + ": does not hold the record that its witness names. See: aloft audit verify");
    return end;
}

json to_json(const BackupFacts& facts) {
    return {{"format", 1},
            {"site", facts.site},
            {"version", facts.version},
            {"made", core::rfc3339(facts.made)},
            {"witness", json::parse(facts.witness.to_json())},
            {"recipient", facts.recipient},
            {"sealed", facts.sealed},
            {"files", facts.files},
            {"archive", {{"bytes", facts.archive_bytes}, {"sha256", facts.archive_sha256}}}};
}

void write_archive(const core::Site& site, const fs::path& file, const core::SecretKey& key,
                   const core::Head& head, BackupFacts& facts) {
    const fs::path ledger = site.state / "ledger.jsonl";
    ArchiveWriter archive(file, key);
    Source source{site, archive};
    // The ledger before what it refers to: a text or a copy is there before its record is.
    source.add_all("config", site.config, mode_of_configuration);
    if (fs::exists(ledger)) source.add("state/ledger.jsonl", ledger, 0600, bytes_up_to(ledger, head));
    source.add_texts();
    source.add_all("state/keys", site.state / "keys", mode_of_key);
    if (fs::exists(site.state / "rounding.secret"))
        source.add("state/rounding.secret", site.state / "rounding.secret", 0400);
    // aloftd removes the copies of a release after the record of its end only: as long as the ledger has none, they are whole.
    const Beside beside = fs::exists(ledger) ? beside_of(ledger, head.seq) : Beside();
    facts.lacking.clear();
    std::exception_ptr failure;
    try {
        source.add_copies(beside, facts.lacking);
    } catch (const std::exception&) {
        failure = std::current_exception();
    }
    const Beside now = beside.open.empty() ? Beside() : beside_of(ledger);
    for (const auto& [id, folder] : beside.open)
        if (!now.open.contains(id)) throw ReleaseIsOver();
    if (failure) std::rethrow_exception(failure);
    archive.finish();
    facts.files = archive.files();
    facts.archive_bytes = archive.bytes();
    facts.archive_sha256 = core::to_hex(archive.sha256());
}

}  // namespace

std::string key_id(const core::SealingKey& key) {
    return core::to_hex(core::sha256(key.bytes)).substr(0, 16);
}

BackupFacts make_backup(const core::Site& site, const core::SealingKey& recipient, const fs::path& folder,
                        const std::function<core::Witness()>& witness) {
    core::make_directories(folder, 0700);
    if (!fs::is_empty(folder))
        throw Error(Fault::usage, folder.string() + ": is not empty; each backup has a folder of its own");
    const core::SecretKey key = core::SecretKey::generate();
    BackupFacts facts{.site = site.name,
                      .version = ALOFT_VERSION,
                      .made = core::now_seconds(),
                      .witness = {},
                      .recipient = key_id(recipient),
                      .sealed = core::to_base64(recipient.seal(key)),
                      .archive_sha256 = {},
                      .lacking = {}};
    constexpr int kTries = 5;
    for (int left = kTries;; --left) try {
            facts.witness = witness();
            write_archive(site, folder / "archive", key, facts.witness.head, facts);
            break;
        } catch (const ReleaseIsOver&) {
            if (left == 1)
                throw Error(Fault::system, "releases end faster than they can be copied; try again");
        }
    const auto signing = core::SigningKey::load(site.state / "keys" / "ledger.key");
    core::write_atomically(folder / "backup.json",
                           core::dsse_sign(signing, kBackupType, to_json(facts).dump()), 0600);
    return facts;
}

BackupFacts open_backup(const fs::path& folder, const std::vector<core::VerifyKey>& keys) {
    const std::string said = core::dsse_open(core::read_text(folder / "backup.json", 64 << 10), kBackupType,
                                             keys, (folder / "backup.json").string());
    BackupFacts facts;
    try {
        const json read = core::parse_json(said);
        if (read.at("format") != 1)
            throw Error(Fault::data,
                        "this backup is of a later format; take the version of Aloft that made it");
        facts = {.site = read.at("site").get<std::string>(),
                 .version = read.at("version").get<std::string>(),
                 .made = core::parse_rfc3339(read.at("made").get<std::string>()),
                 .witness = core::Witness::parse(read.at("witness").dump()),
                 .recipient = read.at("recipient").get<std::string>(),
                 .sealed = read.at("sealed").get<std::string>(),
                 .files = read.at("files").get<std::uint64_t>(),
                 .archive_bytes = read.at("archive").at("bytes").get<std::uint64_t>(),
                 .archive_sha256 = read.at("archive").at("sha256").get<std::string>(),
                 .lacking = {}};
    } catch (const json::exception&) {
        throw Error(Fault::data, (folder / "backup.json").string() + ": not as a backup's is");
    }
    if (core::to_hex(core::file_sha256(folder / "archive")) != facts.archive_sha256)
        throw Error(Fault::data,
                    (folder / "archive").string() +
                        ": is not the one that was made; take another copy of this backup, or an older one");
    return facts;
}

core::Head head_at_rest(const core::Site& site) {
    const fs::path file = site.state / "ledger.jsonl";
    core::Head head;
    if (!fs::exists(file)) return head;
    const core::Fd fd = core::open_regular(file);
    if (::flock(fd.get(), LOCK_SH | LOCK_NB))
        throw Error(Fault::system, "aloftd has the ledger but does not answer; see: systemctl status aloftd");
    std::string last;
    core::read_lines(file, 0, [&](std::string_view line, std::uint64_t) {
        last = line;
        return true;
    });
    core::LineStart start;
    if (last.empty()) return head;
    if (!core::read_line_start(last, start))
        throw Error(Fault::data, file.string() + ": its last line is no record; see: aloft audit verify");
    return {start.seq, core::sha256(core::view(last + "\n"))};
}

}  // namespace jobs
