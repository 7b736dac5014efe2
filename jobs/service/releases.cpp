// Releases, from the author's side: the one way out. aloftd copies what it is handed, has the gate write what leaves
// from its copies, and removes them when the release is over, however it ends.
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <set>

#include "core/base/error.h"
#include "core/base/event.h"
#include "core/base/message.h"
#include "core/base/time.h"
#include "jobs/release/budget.h"
#include "jobs/release/package.h"
#include "jobs/release/release_copies.h"
#include "jobs/service/service.h"
#include "jobs/state/states.h"
#include "jobs/wire/channel.h"

namespace jobs {

using core::Error;
using core::failure;
using core::Fault;
using nlohmann::json;

// A request while it is copied and judged.
struct Request {
    CallerId caller = 0;
    std::string account, title, grant, enclave, folder;  // of quarantine, by a random name
    ReleaseRules rules;
    std::uint64_t bytes = 0;  // as handed over
    std::optional<core::ToldError> failure;
};

namespace {

constexpr std::size_t kWaitingLimit = 64;
constexpr std::int64_t kYearSeconds = 365 * 86400;
constexpr const char* kSameApplication = "application = (SELECT application FROM grants WHERE id = ?)";
constexpr const char* kOpen = "('in-review', 'half-approved', 'approved', 'exporting')";

std::uint64_t bytes_of(const std::vector<core::Fd>& descriptors) {
    std::uint64_t bytes = 0;
    for (const core::Fd& fd : descriptors) {
        struct stat status {};
        if (::fstat(fd.get(), &status) || !S_ISREG(status.st_mode))
            throw failure(Fault::usage, "a file that was handed over is not a regular file open for reading");
        bytes += static_cast<std::uint64_t>(status.st_size);
    }
    return bytes;
}

std::vector<std::string> names_field(const Call& call) {
    const auto names = list_field(call.body, "names", 1, 32);
    if (names.size() != call.descriptors.size())
        throw failure(Fault::usage, "names: one for each file, please");
    check_names(names);
    return names;
}

std::vector<LeavingFile> files_of(const json& row) {
    std::vector<LeavingFile> out;
    for (const json& file : row.at("files")) out.push_back(leaving_file(file));
    return out;
}

json to_json(const Budget& budget) {
    return {{"limit_bits", budget.limit_bits},
            {"spent_bits", budget.spent_bits},
            {"left_bits", budget.left_bits()}};
}

}  // namespace

json Service::release_or_throw(const std::string& id) {
    auto row = state_.release(id);
    if (!row) throw failure(Fault::usage, "there is no release {}; see: aloft release list", id);
    return *std::move(row);
}

// A revocation stops what was asked for before it, too, approved or not, also under the grants that the revoked one replaced.
std::optional<core::ToldError> Service::revocation_of(const json& release) {
    const std::string id = release.at("grant_id").get<std::string>();
    const auto grants = state_.rows(
        "SELECT revoked FROM grants WHERE id = ? OR rowid = (SELECT max(rowid) FROM grants WHERE " +
            std::string(kSameApplication) + ")",
        {id, id});
    const bool is_held = !grants.empty() && std::all_of(grants.begin(), grants.end(), [](const json& grant) {
        return grant.at("revoked").is_null();
    });
    if (is_held) return std::nullopt;
    return failure(Fault::refused,
                   "grant {} was revoked: nothing made under it is released; {} can only be withdrawn, by "
                   "its author or an admin",
                   id, release.at("id").get<std::string>());
}

// A grant that is given anew to the same application goes on with the old one's budget.
Budget Service::budget_of(const std::string& grant, const ReleaseRules& rules) {
    Budget budget;
    budget.limit_bits = rules.desk.bits_per_grant_year;
    for (const json& row : state_.rows(
             std::string("SELECT title, files_json FROM releases WHERE grant_id IN (SELECT id FROM "
                         "grants WHERE ") +
                 kSameApplication + ") AND requested > ? AND (state = 'exported' OR state IN " + kOpen + ")",
             {grant, core::rfc3339(core::now_seconds() - kYearSeconds)}))
        budget.spent_bits += bits_of(row.at("title").get<std::string>(), files_of(row));
    return budget;
}

// One request of an account is judged at a time: each is judged with all that came before it.
void Service::check_room(const std::string& account, std::uint64_t bytes, const ReleaseRules& rules) {
    for (const auto& [folder, other] : copying_)
        if (other == account)
            throw failure(Fault::system,
                          "your request before this one is still being judged; ask again when it is");
    if (worker_.waiting() >= kWaitingLimit)
        throw failure(Fault::system, "too many releases are being copied; try again in a few minutes");
    Room room;
    room.open_requests_limit = rules.desk.open_requests;
    room.open_bytes_limit = rules.desk.open_bytes;
    room.reserve_bytes = rules.desk.reserve_bytes;
    for (const json& row :
         state_.rows(std::string("SELECT files_json FROM releases WHERE account = ? AND state IN ") + kOpen,
                     {account})) {
        ++room.open_requests;
        for (const LeavingFile& file : files_of(row)) room.open_bytes += file.bytes;
    }
    struct statvfs disk {};
    if (::statvfs((site_.state / "releases").c_str(), &disk))
        throw failure(Fault::system, "the room for copies cannot be seen: {}", core::reason_of(errno));
    room.free_bytes = static_cast<std::uint64_t>(disk.f_bavail) * disk.f_frsize;
    if (const std::string why = room.refusal(bytes); !why.empty())
        throw Error(
            room.open_requests < room.open_requests_limit && room.open_bytes + bytes <= room.open_bytes_limit
                ? Fault::system
                : Fault::refused,
            why);
}

std::optional<json> Service::release_request(Call& call) {
    Request request;
    request.caller = call.caller;
    request.account = call.peer.account;
    request.title = text_field(call.body, "title", 3, 200);
    const auto names = names_field(call);
    roles().person_of(request.account);  // reviewers must be known to be others
    const auto grants = state_.rows(
        "SELECT id, enclave, revoked, datasets_json FROM grants WHERE account = ? ORDER BY rowid DESC LIMIT "
        "1",
        {request.account});
    if (grants.empty())
        throw failure(Fault::refused, "account {} has never had a grant, so nothing of it can be released",
                      request.account);
    request.grant = grants[0].at("id").get<std::string>();
    request.enclave = grants[0].at("enclave").get<std::string>();
    if (!grants[0].at("revoked").is_null())
        throw failure(Fault::refused, "grant {} was revoked: nothing made under it is released",
                      request.grant);
    struct stat workspaces {};
    if (::stat(site_.workspaces.c_str(), &workspaces))
        throw failure(Fault::system, "the workspaces cannot be seen from this host: {}",
                      core::reason_of(errno));
    // Files from another host are copies here; where they lay, root's relay there has seen.
    std::optional<std::uint64_t> device = static_cast<std::uint64_t>(workspaces.st_dev);
    if (call.peer.relayed) {
        device.reset();
        const auto& in_workspace = call.peer.relayed->in_workspace;
        for (std::size_t i = 0; i < names.size(); ++i)
            if (i >= in_workspace.size() || !in_workspace[i])
                throw failure(Fault::refused,
                              "{}: does not lie in the workspace; only its files can be released", names[i]);
    }
    request.rules = ReleaseRules::load(site_.config / "release.toml");
    request.bytes = bytes_of(call.descriptors);
    if (request.bytes > request.rules.request_bytes)
        throw failure(Fault::refused, "the files are larger than a release may be at this site");
    check_room(request.account, request.bytes, request.rules);
    // By a random name: the release's id is that of its record, which does not exist yet.
    request.folder = core::random_id();
    // What the grant and those that it replaced let out before: the numbers of this request are judged together with those.
    std::vector<std::pair<std::string, std::filesystem::path>> earlier;
    for (const json& row : state_.rows(
             std::string("SELECT id, folder, state, files_json FROM releases WHERE grant_id IN (SELECT "
                         "id FROM grants WHERE ") +
                 kSameApplication + ") AND (state = 'exported' OR state IN " + kOpen + ")",
             {request.grant})) {
        const std::string id = row.at("id").get<std::string>();
        if (!row.at("files").at(0).contains("author")) continue;  // of an Aloft that kept no tables
        earlier.emplace_back(
            id, row.at("state") == "exported"
                    ? site_.state / "left" / id
                    : site_.state / "releases" / row.at("folder").get<std::string>() / "canonical");
    }
    copying_[request.folder] = request.account;
    const auto path = site_.state / "releases" / request.folder;
    auto descriptors = std::make_shared<std::vector<core::Fd>>(std::move(call.descriptors));
    worker_.post(
        [=, this, request = std::move(request), secret = rounding_secret_,
         datasets = grants[0].at("datasets").get<std::vector<std::string>>()]() mutable -> Worker::Finish {
            Judged result;
            try {
                const auto files = copy_in(*descriptors, names, path / "author", device, request.rules);
                result = judge(path, files, request.title,
                               context_of(request.rules, request.enclave, datasets, site_.datasets, earlier),
                               secret->bytes());
            } catch (const Error& e) {
                request.failure = core::told(e);
            } catch (const std::exception& e) {
                request.failure =
                    failure(Fault::system, "the release could not be copied or judged: {}", e.what());
            }
            descriptors->clear();
            return [this, request = std::move(request), result = std::move(result)] {
                wrote_ = false;
                copying_.erase(request.folder);
                answer(request.caller, judged(request, result));
            };
        });
    return std::nullopt;
}

// On the server's thread: the budget holds whatever else was asked for meanwhile. Returns the answer.
json Service::judged(const Request& request, Judged result) {
    const auto path = site_.state / "releases" / request.folder;
    const Budget budget = budget_of(request.grant, request.rules);
    if (const std::string why = budget.refusal(result.bits);
        !request.failure && !result.refused() && !why.empty()) {
        result.findings.push_back({"", Finding::Weight::refuse, "budget", why});
        result.files.clear();
    }
    if (request.failure || result.refused()) {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    }
    if (request.failure) {
        if (request.failure->fault() == Fault::refused) count_refusal(request.account, "release.request");
        return answer_of(*request.failure);
    }
    json files = json::array();
    for (const LeavingFile& file : result.files) files.push_back(jobs::to_json(file));
    const std::string id = next_id("R-");
    const json findings = jobs::to_json(result.findings);
    json facts = {{"title", result.title},
                  {"grant", request.grant},
                  {"enclave", request.enclave},
                  {"folder", request.folder},
                  {"files", files},
                  {"findings", findings},
                  {"bits", result.bits},
                  {"approval", result.approval()}};
    if (!result.refused()) {
        record(request.account, "release.requested", id, facts);
        return {{"ok", true},
                {"release", id},
                {"state", "in-review"},
                {"title", result.title},
                {"files", files},
                {"findings", findings},
                {"bits", result.bits},
                {"approval", result.approval()},
                {"budget", to_json(budget_of(request.grant, request.rules))}};
    }
    facts["folder"] = "";
    record(request.account, "release.refused", id, facts);
    ++refused_since_start_["release.request"];  // in the ledger by its own record
    std::string text;
    for (const Finding& finding : result.findings)
        if (finding.weight == Finding::Weight::refuse)
            text += " [" + finding.code + "] " + (finding.file.empty() ? "" : finding.file + ": ") +
                    finding.text + ";";
    text.back() = '.';
    return answer_of(failure(Fault::refused, "release {} was refused by the automatic checks:{}", id, text));
}

json Service::release_facts(const json& row) {
    json facts = row;
    facts["release"] = facts.at("id");
    facts.erase("id");
    facts.erase("folder");
    facts["reviews"] = state_.rows(
        "SELECT account, decision, reason, time FROM release_reviews WHERE release = ? ORDER BY rowid",
        {row.at("id")});
    const std::string state = row.at("state").get<std::string>(), title = row.at("title").get<std::string>();
    facts["bits"] = bits_of(title, files_of(row));
    facts["approval"] = approval_of(title, files_of(row));
    if (state == "exported") facts["package"] = (site_.released / row.at("id").get<std::string>()).string();
    return facts;
}

std::optional<json> Service::release_show(Call& call) {
    const json& row = call.object;
    json facts = release_facts(row);
    facts["budget"] = to_json(
        budget_of(row.at("grant_id").get<std::string>(), ReleaseRules::load(site_.config / "release.toml")));
    return json{{"release", facts}};
}

std::optional<json> Service::release_withdraw(Call& call) {
    const json row = release_or_throw(id_field(call.body, "id", "R-"));
    const std::string id = row.at("id").get<std::string>(), state = row.at("state").get<std::string>();
    if (row.at("account") != call.peer.account) {
        if (!revocation_of(row)) throw failure(Fault::refused, "only its author can withdraw a release");
        need_role(call, {"admin"});  // whose author may be gone
    }
    const auto to = next_state(Thing::release, state, "release.withdrawn");
    if (!to) throw failure(Fault::refused, "release {} is {}: it cannot be withdrawn", id, state);
    record(call.peer.account, "release.withdrawn", id, json::object());
    return json{{"release", id}, {"state", std::string(*to)}};
}

// Copies whose record never came to be or whose release is over, and half packages; interrupted exports go on.
// Only on what is in the ledger: a batch that is taken back must find its copies.
void Service::tend_releases() {
    if (ledger_.has_batch()) return;
    std::set<std::string> kept;
    for (const json& row : state_.rows(std::string("SELECT folder FROM releases WHERE state IN ") + kOpen))
        kept.insert(row.at("folder").get<std::string>());
    for (const auto& [folder, account] : copying_) kept.insert(folder);
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(site_.state / "releases", error))
        if (!kept.contains(entry.path().filename().string()))
            std::filesystem::remove_all(entry.path(), error);
    for (const json& row : state_.rows("SELECT id FROM releases WHERE state = 'exporting'"))
        start_export(row.at("id").get<std::string>());
    // The folder of packages is shared and only grows: looked at from the start, and while one is being made.
    if (!packages_wait_) return;
    std::vector<std::filesystem::path> built;
    for (const auto& entry : std::filesystem::directory_iterator(site_.released, error))
        if (entry.path().filename().string().starts_with(".tmp-")) built.push_back(entry.path());
    packages_wait_ = error || !built.empty() || !exporting_.empty();
    for (const auto& folder : built) {
        const std::string id = folder.filename().string().substr(5);
        const auto row = state_.release(id);
        const std::string state = row ? row->at("state").get<std::string>() : "";
        if (state == "exported")
            finish_export(id);
        else if (state != "exporting")
            std::filesystem::remove_all(folder, error);
    }
}

}  // namespace jobs
