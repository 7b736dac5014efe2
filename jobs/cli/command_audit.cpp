// aloft audit: the ledger, checked with nothing but the file and the public key; and texts, erased.
#include <algorithm>
#include <chrono>
#include <iostream>
#include <sstream>

#include <sys/stat.h>
#include <unistd.h>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/message.h"
#include "core/base/time.h"
#include "core/base/tool.h"
#include "core/ledger/ledger.h"
#include "core/ledger/verify.h"
#include "jobs/audit/crate.h"
#include "jobs/audit/prov.h"
#include "jobs/cli/commands.h"
#include "jobs/state/attempts.h"
#include "jobs/wire/channel.h"
#include "jobs/wire/duration.h"

namespace jobs {

using nlohmann::json;
namespace fs = std::filesystem;

namespace {

// Given by --key, else the site's.
std::vector<core::VerifyKey> keys_of(const Common& common, const fs::path& key) {
    return key.empty() ? core::load_verify_keys(common.site().config / "keys", "ledger")
                       : std::vector<core::VerifyKey>{core::VerifyKey::load(key)};
}

// A ledger, by which key, and what was carried away of it before; what is empty is the site's, or none.
struct Source {
    fs::path ledger, key, witness;
};

struct Verified {
    fs::path ledger;
    std::optional<core::Witness> witness;
    core::VerifiedLedger result;
};

Verified verified(const Common& common, const Source& source) {
    Verified out;
    out.ledger = source.ledger.empty() ? common.site().state / "ledger.jsonl" : source.ledger;
    if (!source.witness.empty()) out.witness = core::Witness::parse(core::read_text(source.witness, 4096));
    out.result = core::verify_ledger(out.ledger, keys_of(common, source.key), out.witness);
    return out;
}

void check(const Common& common, const Source& source) {
    const auto begin = std::chrono::steady_clock::now();
    const auto [ledger, witness, result] = verified(common, source);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    print(common,
          {{"records", result.head.seq},
           {"sha256", core::to_hex(result.head.sha256)},
           {"checkpoints", result.checkpoints},
           {"unsigned_records", result.unsigned_records},
           {"witness", witness ? json(witness->head.seq) : json()},
           {"seconds", seconds}},
          tr("{} records, each as it was written; {} signed checkpoints, {} records after the last",
             result.head.seq, result.checkpoints, result.unsigned_records) +
              (witness ? tr("; nothing is missing that the witness saw") : ""));
}

void copy(const Common& common, const fs::path& out) {
    const Answer answer = ask(common.site().socket, {{"op", "audit.copy"}});
    if (answer.descriptors.size() != 1)
        throw core::failure(core::Fault::system, "aloftd did not hand over the ledger");
    const std::uint64_t records = answer.body.at("records").get<std::uint64_t>();
    struct stat written {
    }, there{};
    if (!::fstat(answer.descriptors[0].get(), &written) && !::stat(out.c_str(), &there) &&
        written.st_dev == there.st_dev && written.st_ino == there.st_ino)
        throw core::failure(core::Fault::usage, "{}: is the ledger itself; name another file", out.string());
    core::AtomicFile file(out, 0600);
    core::Bytes chunk(1 << 20);
    std::uint64_t lines = 0;
    off_t at = 0;
    // Up to the record that was signed for this copy: aloftd goes on writing.
    for (ssize_t got;
         lines < records && (got = ::pread(answer.descriptors[0].get(), chunk.data(), chunk.size(), at)) > 0;
         at += got) {
        std::size_t size = 0;
        while (size < static_cast<std::size_t>(got) && lines < records) lines += chunk[size++] == '\n';
        file.write({chunk.data(), size});
    }
    file.commit();
    print(common, {{"records", records}, {"out", out.string()}, {"witness", answer.body.at("witness")}},
          tr("{} records in {}", records, out.string()));
}

// One record for people: who did what to what, a line for each detail; of a job's end, what the fence stopped and how it ended, too. Whatever a
// record holds reaches the terminal as JSON: control characters are shown, not obeyed.
void print_record(const core::Record& record) {
    std::cout << record.seq << "  " << core::rfc3339(record.time) << "  " << json(record.actor).dump() << "  "
              << json(record.kind).dump() << "  " << json(record.subject).dump() << '\n';
    for (const auto& [name, value] : record.details.items())
        std::cout << "      " << json(name).dump() << ": " << value.dump(-1, ' ', true) << '\n';
    const json inner = record.details.value("details", json::object());
    if (record.kind == "node.job-outcome") {
        const json told = outcome_only(inner);
        std::cout << "      "
                  << tr("how it ended: {}, exit code: {}", printable(told.at("outcome")),
                        printable(told.at("exit")))
                  << '\n';
    }
    if (record.kind != "node.job-ended" && record.kind != "node.job-refused") return;
    std::istringstream lines(
        describe_blocked(inner.value("blocked", json::object()), inner.value("attempts", json::array())));
    for (std::string line; std::getline(lines, line);) std::cout << "      " << line << '\n';
}

// Which records are shown; what is empty or 0 leaves none out.
struct Wanted {
    std::string kind, subject, actor, about, since, until;
    std::int64_t from = 0, before = 0;
};

// "2026-11-23", "2026-11-23T20:35:08Z", or how long ago: "30d".
std::int64_t moment_of(const std::string& option, const std::string& text) {
    try {
        if (text.find('-') == std::string::npos) return core::now_seconds() - parse_duration(text);
        return core::parse_rfc3339(text.size() == 10 ? text + "T00:00:00Z" : text);
    } catch (const core::Error&) {
        throw core::failure(
            core::Fault::usage,
            "{} takes a day (2026-11-23), a time (2026-11-23T20:35:08Z, UTC) or how long ago (30d, 12h)",
            option);
    }
}

// Whether a text of `value` is `name`: the dataset of an application, the grant of a job, the node of a record.
bool mentions(const json& value, const std::string& name) {
    if (value.is_string()) return value.get_ref<const std::string&>() == name;
    return value.is_structured() &&
           std::any_of(value.begin(), value.end(), [&](const json& one) { return mentions(one, name); });
}

bool is_wanted(const core::Record& record, const Wanted& wanted) {
    return (wanted.kind.empty() || record.kind == wanted.kind) &&
           (wanted.subject.empty() || record.subject == wanted.subject) &&
           (wanted.actor.empty() || record.actor == wanted.actor) &&
           (!wanted.from || record.time >= wanted.from) && (!wanted.before || record.time < wanted.before) &&
           (wanted.about.empty() || record.subject == wanted.about || record.actor == wanted.about ||
            mentions(record.details, wanted.about));
}

void show(const Common& common, fs::path ledger, Wanted wanted) {
    if (ledger.empty()) ledger = common.site().state / "ledger.jsonl";
    if (!wanted.since.empty()) wanted.from = moment_of("--since", wanted.since);
    if (!wanted.until.empty()) wanted.before = moment_of("--until", wanted.until);
    core::read_lines(ledger, 0, [&](std::string_view line, std::uint64_t) {
        const core::Record record = core::parse_record(line);
        if (!is_wanted(record, wanted)) return true;
        if (common.json)
            std::cout << line << '\n';
        else
            print_record(record);
        return true;
    });
}

struct Export {
    fs::path prov, crate;
    Scope scope;
};

// Of a ledger that verifies, and of no other. What no checkpoint signs is told, and counted.
void export_story(const Common& common, const Source& source, const Wanted& wanted, Export wish) {
    if (!wanted.since.empty()) wish.scope.from = moment_of("--since", wanted.since);
    if (!wanted.until.empty()) wish.scope.before = moment_of("--until", wanted.until);
    const auto [ledger, witness, result] = verified(common, source);
    const core::Head& head = result.head;
    const Story story(ledger, head.seq, wish.scope);
    const bool is_crate = wish.prov.empty();
    const std::string& release = wish.scope.release;
    if (is_crate && release.empty() && wish.scope.project.empty())
        throw core::failure(core::Fault::usage,
                            "--ro-crate is of one release or one project: --release R-31, --project A-7");
    const fs::path& out = is_crate ? wish.crate : wish.prov;
    const std::string title = release.empty() ? "project " + wish.scope.project : "release " + release;
    const std::uint64_t records = is_crate ? write_crate(story, title, out) : write_prov(story, out);
    print(
        common,
        {{"out", out.string()},
         {"records", records},
         {"head", {{"seq", head.seq}, {"sha256", core::to_hex(head.sha256)}}},
         {"unsigned_records", result.unsigned_records},
         {"witness", witness ? json(witness->head.seq) : json()}},
        (result.unsigned_records
             ? tr("{}: {} of {} records, verified; of the ledger's last {} no checkpoint signs what they say",
                  out, records, head.seq, result.unsigned_records)
             : tr("{}: {} of {} records, verified; signed to the ledger's last", out, records, head.seq)) +
            (witness ? tr("; nothing is missing that the witness saw") : ""));
}

void add_source(CLI::App& verb, Source& source) {
    verb.add_option("ledger", source.ledger, "A ledger, or a copy of one (default: this site's)")
        ->type_name("FILE");
    verb.add_option("--key", source.key, "Its public key (default: this site's)")->type_name("FILE");
    verb.add_option("--witness", source.witness,
                    "A head that was carried away: shows records cut off at the end")
        ->type_name("FILE");
}

void add_export(CLI::App& audit, Common& common, Source& source, Wanted& wanted) {
    static Export wish;
    CLI::App* verb =
        add_verb(audit, common, "export",
                 "The ledger, or a part of it, in the terms of others: W3C PROV (PROV-JSON), RO-Crate. It is "
                 "verified first",
                 "aloft audit export copy.jsonl --ro-crate R-31.crate --release R-31", Changes::nothing,
                 [&common, &source, &wanted] { export_story(common, source, wanted, wish); });
    add_source(*verb, source);
    auto* form = verb->add_option_group("form", "One of");
    form->add_option("--prov", wish.prov, "This new file, as PROV-JSON")->type_name("FILE");
    auto* crate =
        form->add_option("--ro-crate", wish.crate, "This empty folder, as an RO-Crate")->type_name("FOLDER");
    form->require_option(1);
    auto* part = verb->add_option_group("part", "At most one of");
    part->add_option("--release", wish.scope.release, "Only what belongs to this release: R-31");
    part->add_option("--project", wish.scope.project, "Only what came of this application: A-7");
    part->require_option(0, 1);
    verb->add_option("--since", wanted.since, "From this day or time on, as aloft audit show takes it")
        ->excludes(crate);
    verb->add_option("--until", wanted.until, "Before this day or time")->excludes(crate);
}

// Shreds what people wrote about a thing: without its text and its salt, the ledger's hash tells nothing.
void erase(const Common& common, const std::string& subject, const std::string& reason) {
    const json request = {{"op", "text.erase"}, {"id", subject}, {"reason", reason}};
    if (only_tells(common, request)) return;
    const json answer = ask(common.site().socket, request).body;
    const std::int64_t erased = answer.at("erased").get<std::int64_t>();
    print(common, answer,
          erased == 1
              ? tr("1 text about {} is erased; the ledger keeps the hash of each", subject)
              : tr("{} texts about {} are erased; the ledger keeps the hash of each", erased, subject));
}

}  // namespace

void add_audit(CLI::App& app, Common& common) {
    CLI::App* audit = app.add_subcommand("audit", "Check and read the ledger; erase texts");
    audit->require_subcommand(1);
    static Source source;
    static fs::path out;
    static std::string subject, reason;
    static Wanted wanted;
    CLI::App* verify =
        add_verb(*audit, common, "verify",
                 "Name the first record that was changed, dropped, repeated or moved (exit 3), or find none",
                 "aloft audit verify ledger.jsonl --key ledger.pub --witness witness.json", Changes::nothing,
                 [&common] { check(common, source); });
    add_source(*verify, source);
    CLI::App* records = add_verb(
        *audit, common, "show",
        "Print records (auditors: of a copy), each with its details; with --json as they stand, a line each",
        "aloft audit show copy.jsonl --about digits@1 --since 2026-11-01 --until 2026-12-01",
        Changes::nothing, [&common] { show(common, source.ledger, wanted); });
    records->add_option("ledger", source.ledger, "A ledger, or a copy of one (default: this site's)")
        ->type_name("FILE");
    records->add_option("--kind", wanted.kind, "Only this kind");
    records->add_option("--subject", wanted.subject, "Only what is about this: A-7, G-12, job:17");
    records->add_option("--actor", wanted.actor, "Only what this account or node (node:HOST) did");
    records->add_option("--about", wanted.about,
                        "Only what names this anywhere: an account, a dataset, a grant, a node");
    records->add_option("--since", wanted.since,
                        "From this day or time on (UTC), or how long ago: 2026-11-23, 30d");
    records->add_option("--until", wanted.until, "Before this day or time (UTC)");
    add_export(*audit, common, source, wanted);
    add_verb(*audit, common, "head", "A signed witness of the ledger as it is now; keep it somewhere else",
             "aloft audit head > witness.json", Changes::nothing, [&common] {
                 core::print_json(ask(common.site().socket, {{"op", "audit.head"}}).body.at("witness"));
             });
    CLI::App* take =
        add_verb(*audit, common, "copy", "A copy of the whole ledger (auditors, admin)",
                 "aloft audit copy --out ledger.jsonl", Changes::nothing, [&common] { copy(common, out); });
    take->add_option("--out", out, "The copy")->required()->type_name("FILE");
    CLI::App* shred = add_verb(
        *audit, common, "erase",
        "Erase the texts that people wrote about a thing, for good (admin); the ledger still verifies",
        "aloft audit erase A-7 --reason \"the applicant asked for it\"", Changes::something,
        [&common] { erase(common, subject, reason); });
    shred->add_option("subject", subject, "The thing, as aloft audit show names it: A-7, R-31, enclave:hel")
        ->required();
    shred->add_option("--reason", reason, "Why; this text is kept")->required();
}

}  // namespace jobs
