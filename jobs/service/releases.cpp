// Releases: the one way out. aloftd copies what it is handed, judges and exports only its copies.
#include <sys/stat.h>

#include <algorithm>
#include <set>

#include "core/base/error.h"
#include "core/base/event.h"
#include "core/base/time.h"
#include "core/policy/enclave.h"
#include "core/policy/names.h"
#include "jobs/release/package.h"
#include "jobs/release/release_copies.h"
#include "jobs/service/service.h"
#include "jobs/state/states.h"

namespace jobs {

using core::Error;
using core::Fault;
using nlohmann::json;

namespace {

constexpr std::size_t kWaitingLimit = 64;

std::string state_of(const json& row) {
    return row.at("state").get<std::string>();
}

std::string move_or_refuse(const json& row, const std::string& kind, const std::string& doing) {
    const auto to = next_state(Thing::release, state_of(row), kind);
    if (!to)
        throw Error(Fault::refused, "release " + row.at("id").get<std::string>() + " is " + state_of(row) +
                                        ": it cannot be " + doing);
    return std::string(*to);
}

json to_json(const std::vector<QuarantinedFile>& files) {
    json out = json::array();
    for (const auto& file : files)
        out.push_back(
            {{"name", file.name}, {"bytes", file.bytes}, {"sha256", file.sha256}, {"type", file.type}});
    return out;
}

std::vector<QuarantinedFile> files_of(const json& row) {
    std::vector<QuarantinedFile> out;
    for (const json& file : row.at("files"))
        out.push_back({file.at("name").get<std::string>(), file.at("bytes").get<std::uint64_t>(),
                       file.at("sha256").get<std::string>(), file.at("type").get<std::string>()});
    return out;
}

json to_json(const std::vector<Finding>& findings) {
    json out = json::array();
    for (const auto& finding : findings)
        out.push_back({{"file", finding.file},
                       {"weight", finding.weight == Finding::Weight::refuse ? "refuse" : "flag"},
                       {"code", finding.code},
                       {"text", finding.text}});
    return out;
}

struct Judged {
    std::vector<QuarantinedFile> files;
    std::vector<Finding> findings;
    std::optional<Error> failure;
};

Judged copy_and_check(const std::vector<core::Fd>& descriptors, const std::vector<std::string>& names,
                      const std::filesystem::path& folder, std::uint64_t device, const ReleaseRules& rules) {
    Judged judged;
    try {
        judged.files = copy_in(descriptors, names, folder, device, rules);
        for (QuarantinedFile& file : judged.files)
            for (Finding& finding : check_file(folder / file.name, file.name, rules, file.type))
                judged.findings.push_back(std::move(finding));
    } catch (const Error& e) {
        judged.failure = e;
    } catch (const std::exception& e) {
        judged.failure =
            Error(Fault::system, std::string("the release could not be copied or checked: ") + e.what());
    }
    return judged;
}

}  // namespace

json Service::release_or_throw(const std::string& id) {
    auto row = state_.release(id);
    if (!row) throw Error(Fault::usage, "there is no release " + id + "; see: aloft release list");
    return *std::move(row);
}

std::optional<json> Service::release_request(Call& call) {
    const std::string title = text_field(call.body, "title", 3, 200);
    const auto names = list_field(call.body, "names", 1, 32);
    if (names.size() != call.descriptors.size())
        throw Error(Fault::usage, "names: one for each file, please");
    for (const std::string& name : names) core::check_plain_name(name, "a file's name");
    if (std::set<std::string>(names.begin(), names.end()).size() != names.size())
        throw Error(Fault::usage, "two files have the same name; rename one");
    if (std::find(names.begin(), names.end(), "ro-crate-metadata.json") != names.end())
        throw Error(Fault::usage, "ro-crate-metadata.json is the package's own; rename the file");
    const auto grants =
        state_.rows("SELECT id, enclave, revoked FROM grants WHERE account = ? ORDER BY rowid DESC LIMIT 1",
                    {call.peer.account});
    if (grants.empty())
        throw Error(Fault::refused, "account " + call.peer.account +
                                        " has never had a grant, so nothing of it can be released");
    if (!grants[0].at("revoked").is_null())
        throw Error(Fault::refused, "grant " + grants[0].at("id").get<std::string>() +
                                        " was revoked: nothing made under it is released");
    struct stat workspaces {};
    if (::stat(site_.workspaces.c_str(), &workspaces))
        throw Error(Fault::system, core::with_errno("the workspaces cannot be seen from this host", errno));
    if (worker_.waiting() >= kWaitingLimit)
        throw Error(Fault::system, "too many releases are being copied; try again in a few minutes");
    // By a random name: the release's id is that of its record, which does not exist yet.
    const std::string folder = core::random_id();
    auto descriptors = std::make_shared<std::vector<core::Fd>>(std::move(call.descriptors));
    worker_.post([=, this, caller = call.caller, account = call.peer.account, body = call.body,
                  grant = grants[0], path = site_.state / "releases" / folder,
                  device = static_cast<std::uint64_t>(workspaces.st_dev),
                  rules = ReleaseRules::load(site_.config / "release.toml")]() -> Worker::Finish {
        const Judged judged = copy_and_check(*descriptors, names, path, device, rules);
        descriptors->clear();
        return [=, this] {
            wrote_ = false;
            const bool refused =
                std::any_of(judged.findings.begin(), judged.findings.end(),
                            [](const Finding& f) { return f.weight == Finding::Weight::refuse; });
            if (judged.failure || refused) {
                std::error_code ignored;
                std::filesystem::remove_all(path, ignored);
            }
            if (judged.failure) {
                if (judged.failure->fault() == Fault::refused)
                    record(account, "refused", "release.request",
                           {{"operation", "release.request"}, {"why", judged.failure->what()}});
                return answer_error(caller, judged.failure->fault(), judged.failure->what());
            }
            const std::string id = next_id("R-");
            record(account, refused ? "release.refused" : "release.requested", id,
                   {{"title", title},
                    {"grant", grant.at("id")},
                    {"enclave", grant.at("enclave")},
                    {"folder", refused ? "" : folder},
                    {"files", to_json(judged.files)},
                    {"findings", to_json(judged.findings)}});
            if (!refused)
                return answer(caller, {{"ok", true},
                                       {"release", id},
                                       {"state", "in-review"},
                                       {"files", to_json(judged.files)},
                                       {"findings", to_json(judged.findings)}});
            std::string text = "release " + id + " was refused by the automatic checks:";
            for (const Finding& finding : judged.findings)
                text += " [" + finding.code + "] " + finding.file + ": " + finding.text + ";";
            text.back() = '.';
            answer_error(caller, Fault::refused, text);
        };
    });
    return std::nullopt;
}

json Service::release_facts(const json& row) {
    json facts = row;
    facts["release"] = facts.at("id");
    facts.erase("id");
    facts.erase("folder");
    facts["reviews"] = state_.rows(
        "SELECT account, decision, reason, time FROM release_reviews WHERE release = ? ORDER BY rowid",
        {row.at("id")});
    if (state_of(row) == "exported")
        facts["package"] = (site_.released / row.at("id").get<std::string>()).string();
    return facts;
}

std::optional<json> Service::release_list(Call& call) {
    const bool all = !roles().of(call.peer.account).empty();
    const auto rows =
        all ? state_.rows("SELECT * FROM releases ORDER BY rowid")
            : state_.rows("SELECT * FROM releases WHERE account = ? ORDER BY rowid", {call.peer.account});
    json out = json::array();
    for (const json& row : rows) out.push_back(release_facts(row));
    return json{{"releases", out}};
}

std::optional<json> Service::release_show(Call& call) {
    const json row = release_or_throw(id_field(call.body, "id", "R-"));
    if (row.at("account") != call.peer.account && roles().of(call.peer.account).empty())
        throw Error(Fault::refused, "only its author and the site's reviewers can see a release");
    return json{{"release", release_facts(row)}};
}

// Descriptors of the copies, so that a reviewer judges the very bytes that the hashes name.
std::optional<json> Service::release_fetch(Call& call) {
    need_role(call, {"release-reviewer"});
    const json row = release_or_throw(id_field(call.body, "id", "R-"));
    const std::string id = row.at("id").get<std::string>(), folder = row.at("folder").get<std::string>();
    if (folder.empty())
        throw Error(Fault::refused,
                    "release " + id + " was refused by the checks; there is nothing to look at");
    std::vector<core::Fd> descriptors;
    for (const auto& file : files_of(row))
        descriptors.push_back(core::open_regular(site_.state / "releases" / folder / file.name));
    record(call.peer.account, "release.fetched", id, json::object());
    answer(call.caller, {{"ok", true}, {"files", row.at("files")}}, std::move(descriptors));
    return std::nullopt;
}

std::optional<json> Service::release_review(Call& call) {
    const json row = release_or_throw(id_field(call.body, "id", "R-"));
    const std::string id = row.at("id").get<std::string>();
    const std::string decision = text_field(call.body, "decision", 1, 20);
    if (decision != "approve" && decision != "reject")
        throw Error(Fault::usage, "decision: expected approve or reject");
    const std::string reason = text_field(call.body, "reason", 3, 4000);
    if (roles().same_person(call.peer.account, row.at("account").get<std::string>()))
        throw Error(Fault::refused,
                    "nobody reviews an own release; two other release reviewers must decide on " + id);
    need_role(call, {"release-reviewer"});
    const auto before = state_.rows("SELECT account FROM release_reviews WHERE release = ?", {id});
    for (const json& review : before)
        if (roles().same_person(call.peer.account, review.at("account").get<std::string>()))
            throw Error(Fault::refused,
                        "you have decided on " + id + " already; the second reviewer must be another person");
    json details = {{"decision", decision}, {"reason", reason}};
    std::string kind = "release.rejected";
    if (decision == "approve") {
        kind = before.empty() ? "release.half-approved" : "release.approved";
        auto given = list_field(call.body, "sha256", 1, 32);
        std::vector<std::string> wanted;
        for (const auto& file : files_of(row)) wanted.push_back(file.sha256);
        std::sort(given.begin(), given.end());
        std::sort(wanted.begin(), wanted.end());
        if (given != wanted)
            throw Error(Fault::refused, "the hashes given are not those of the files of " + id +
                                            ": approve exactly what you have looked at (aloft release show " +
                                            id + ")");
        details["sha256"] = given;
    }
    const std::string to = move_or_refuse(row, kind, "decided on");
    record(call.peer.account, kind, id, details);
    return json{{"release", id}, {"decision", decision}, {"state", to}};
}

std::optional<json> Service::release_withdraw(Call& call) {
    const json row = release_or_throw(id_field(call.body, "id", "R-"));
    if (row.at("account") != call.peer.account)
        throw Error(Fault::refused, "only its author can withdraw a release");
    const std::string to = move_or_refuse(row, "release.withdrawn", "withdrawn");
    record(call.peer.account, "release.withdrawn", row.at("id").get<std::string>(), json::object());
    return json{{"release", row.at("id")}, {"state", to}};
}

std::optional<json> Service::release_export(Call& call) {
    const json row = release_or_throw(id_field(call.body, "id", "R-"));
    const std::string id = row.at("id").get<std::string>();
    if (row.at("account") != call.peer.account) need_role(call, {"admin", "release-reviewer"});
    if (state_of(row) == "exported")
        return json{{"release", id}, {"state", "exported"}, {"package", (site_.released / id).string()}};
    if (state_of(row) != "exporting") {
        if (!next_state(Thing::release, state_of(row), "release.export-started"))
            throw Error(
                Fault::refused,
                "release " + id + " is " + state_of(row) +
                    ": only what two release reviewers have approved is exported. See: aloft release show " +
                    id);
        record(call.peer.account, "release.export-started", id, json::object());
    }
    commit();  // the package's witness must cover the record of its own beginning
    working_[call.caller] = id;
    start_export(id);
    return std::nullopt;
}

// Also for an export that a crash or a full disk interrupted: the package is made again from the copies in
// quarantine.
void Service::start_export(const std::string& id) {
    if (!exporting_.insert(id).second) return;
    const json row = release_or_throw(id);
    PackageFacts facts;
    facts.release = id;
    facts.title = row.at("title").get<std::string>();
    facts.account = row.at("account").get<std::string>();
    facts.enclave = row.at("enclave").get<std::string>();
    facts.grant = row.at("grant_id").get<std::string>();
    facts.site = site_.name;
    if (const auto grant = state_.grant(facts.grant))
        facts.datasets = grant->at("datasets").get<std::vector<std::string>>();
    facts.reviews = state_.rows(
        "SELECT account, decision, reason, time FROM release_reviews WHERE release = ? ORDER BY rowid", {id});
    facts.exported = core::rfc3339(core::now_seconds());
    facts.witness = ledger_.witness().to_json();
    worker_.post(
        [=, this, files = files_of(row), folder = site_.released / id,
         quarantine = site_.state / "releases" / row.at("folder").get<std::string>()]() -> Worker::Finish {
            std::string hash;
            std::optional<Error> failure;
            try {
                hash = write_package(folder, quarantine, files, facts);
            } catch (const Error& e) {
                failure = e;
            } catch (const std::exception& e) {
                failure = Error(Fault::system, std::string("the package could not be written: ") + e.what());
            }
            return [=, this] {
                wrote_ = false;
                exporting_.erase(id);
                if (failure)
                    record("aloftd", "release.export-failed", id, {{"why", failure->what()}});
                else
                    record("aloftd", "release.exported", id, {{"package_sha256", hash}});
                for (auto it = working_.begin(); it != working_.end();) {
                    if (it->second != id) {
                        ++it;
                        continue;
                    }
                    if (failure)
                        answer_error(it->first, failure->fault(), failure->what());
                    else
                        answer(it->first, {{"ok", true},
                                           {"release", id},
                                           {"state", "exported"},
                                           {"package", folder.string()},
                                           {"package_sha256", hash}});
                    it = working_.erase(it);
                }
            };
        });
}

// Copies whose record never came to be, or whose release is over.
void Service::sweep_quarantine() {
    std::set<std::string> kept;
    for (const json& row : state_.rows("SELECT folder FROM releases WHERE state IN ('in-review', "
                                       "'half-approved', 'approved', 'exporting', 'exported')"))
        kept.insert(row.at("folder").get<std::string>());
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(site_.state / "releases", error))
        if (!kept.contains(entry.path().filename().string()))
            std::filesystem::remove_all(entry.path(), error);
    for (const auto& entry : std::filesystem::directory_iterator(site_.released, error))
        if (entry.path().filename().string().starts_with(".tmp-"))
            std::filesystem::remove_all(entry.path(), error);
}

}  // namespace jobs
