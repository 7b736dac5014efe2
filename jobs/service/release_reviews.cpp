// Releases, from the reviewers' side: what they look at, what they approve, the package that comes of it.
#include <algorithm>

#include "core/base/error.h"
#include "core/base/event.h"
#include "core/base/message.h"
#include "core/base/time.h"
#include "core/policy/names.h"
#include "jobs/release/package.h"
#include "jobs/release/picture.h"
#include "jobs/service/service.h"
#include "jobs/state/states.h"
#include "jobs/wire/channel.h"

namespace jobs {

using core::Error;
using core::failure;
using core::Fault;
using nlohmann::json;

namespace {

constexpr std::uint64_t kRenderedLimitBytes = 16 << 20;

std::string state_of(const json& row) {
    return row.at("state").get<std::string>();
}

std::vector<LeavingFile> files_of(const json& row) {
    std::vector<LeavingFile> out;
    for (const json& file : row.at("files")) out.push_back(leaving_file(file));
    return out;
}

bool is_picture(const LeavingFile& file) {
    return file.type == "png";
}

std::string view_of(const std::string& account, const std::string& id, const std::string& name) {
    return account + " " + id + " " + name;
}

// The files of a release by which nobody is asked for anything again: its tables, for the releases to come.
void keep_tables(const std::filesystem::path& quarantine, const std::filesystem::path& left,
                 const std::vector<LeavingFile>& files) {
    const auto building = left.parent_path() / (".tmp-" + left.filename().string());
    std::filesystem::remove_all(building);
    core::make_directories(building, 0700);
    for (const LeavingFile& file : files)
        if (file.type == "json" || file.type == "csv")
            core::write_atomically(building / file.name,
                                   core::read_file(quarantine / "canonical" / file.name), 0600);
    std::filesystem::remove_all(left);
    std::filesystem::rename(building, left);
    core::sync_directory(left.parent_path());
}

}  // namespace

// The file of a release that this reviewer may look at now.
LeavingFile Service::file_to_view(const Call& call, const json& row) {
    need_role(call, {"release-reviewer"});
    const std::string id = row.at("id").get<std::string>(), name = text_field(call.body, "name", 1, 64);
    if (roles().same_person(call.peer.account, row.at("account").get<std::string>()))
        throw failure(Fault::refused, "nobody reviews an own release: {} is for other reviewers to look at",
                      id);
    if (state_of(row) != "in-review" && state_of(row) != "half-approved" && state_of(row) != "approved")
        throw failure(Fault::refused, "release {} is {}: there is nothing to look at", id, state_of(row));
    for (LeavingFile& file : files_of(row))
        if (file.name == name) return std::move(file);
    throw failure(Fault::usage, "release {} has no such file; see: aloft release show {}", id, id);
}

// One file as it leaves: its text, or a picture's pixels. Other bytes are handed to nobody.
std::optional<json> Service::release_view(Call& call) {
    const json row = release_or_throw(id_field(call.body, "id", "R-"));
    const std::string id = row.at("id").get<std::string>();
    const LeavingFile file = file_to_view(call, row);
    const auto folder = site_.state / "releases" / row.at("folder").get<std::string>();
    if (call.body.value("form", "text") == "picture") {
        if (!is_picture(file))
            throw failure(Fault::usage, "{} of {} is no picture: aloft release view {} shows it", file.name,
                          id, id);
        look_at_picture(call, folder / "canonical" / file.name);
        return std::nullopt;
    }
    const std::string text = core::read_text(folder / "rendered" / (file.name + ".txt"), kRenderedLimitBytes);
    record(call.peer.account, "release.viewed", id,
           {{"name", file.name},
            {"sha256", file.sha256},
            {"rendered_sha256", core::to_hex(core::sha256(core::view(text)))}});
    // How large a picture is says nothing of what it shows.
    if (!is_picture(file)) viewed_.insert(view_of(call.peer.account, id, file.name));
    return json{{"release", id}, {"file", to_json(file)}, {"text", text}};
}

// Beside the server's thread: a picture may take a second. It is drawn anew once more, from what the gate wrote: so that what a
// reviewer opens are pixels, whatever became of the process that read the author's file. Drawn alike, it has the digest that is
// to be approved.
void Service::look_at_picture(const Call& call, const std::filesystem::path& canonical) {
    worker_.post([=, this, caller = call.caller, peer = call.peer, body = call.body]() -> Worker::Finish {
        Picture picture;
        std::optional<core::ToldError> failed;
        try {
            picture =
                redraw_apart(core::read_file(canonical, kPictureLimitBytes), INT64_MAX, picture_program());
        } catch (const std::exception& e) {
            core::Event("error", "picture_not_drawn").with("text", e.what());
            failed = failure(Fault::system,
                             "the picture could not be drawn; aloftd's log says why: tell the admin");
        }
        return [=, this] {
            answer_with(caller, peer, "release.view", [&]() -> std::optional<json> {
                if (failed) throw *failed;
                const Call again{caller, peer, body, {}, nullptr, false};
                const json row = release_or_throw(id_field(body, "id", "R-"));
                const LeavingFile file = file_to_view(again, row);  // all may have changed meanwhile
                const std::string id = row.at("id").get<std::string>(),
                                  hash = core::to_hex(core::sha256(picture.png));
                if (hash != file.sha256)
                    throw failure(Fault::data,
                                  "{} of {} does not hold what the gate draws: reject it, and tell the admin",
                                  file.name, id);
                record(peer.account, "release.viewed", id,
                       {{"name", file.name},
                        {"sha256", file.sha256},
                        {"rendered_sha256", hash},
                        {"form", "picture"}});
                viewed_.insert(view_of(peer.account, id, file.name));
                return json{
                    {"release", id}, {"file", to_json(file)}, {"picture", core::to_base64(picture.png)}};
            });
        };
    });
}

std::optional<json> Service::release_review(Call& call) {
    const json row = release_or_throw(id_field(call.body, "id", "R-"));
    const std::string id = row.at("id").get<std::string>(), account = call.peer.account;
    const std::string decision = text_field(call.body, "decision", 1, 20);
    if (decision != "approve" && decision != "reject")
        throw failure(Fault::usage, "decision: expected approve or reject");
    const std::string reason = text_field(call.body, "reason", 3, 4000);
    if (roles().same_person(account, row.at("account").get<std::string>()))
        throw failure(Fault::refused,
                      "nobody reviews an own release; two other release reviewers must decide on {}", id);
    need_role(call, {"release-reviewer"});
    const auto before = state_.rows("SELECT account FROM release_reviews WHERE release = ?", {id});
    for (const json& review : before)
        if (roles().same_person(account, review.at("account").get<std::string>()))
            throw failure(Fault::refused,
                          "you have decided on {} already; the second reviewer must be another person", id);
    json details = {{"decision", decision}, {"reason", reason}};
    std::string kind = "release.rejected";
    if (decision == "approve") {
        if (const auto revoked = revocation_of(row)) throw *revoked;
        kind = before.empty() ? "release.half-approved" : "release.approved";
        const std::string approval = approval_of(row.at("title").get<std::string>(), files_of(row));
        if (list_field(call.body, "sha256", 1, 32) != std::vector{approval})
            throw failure(Fault::refused,
                          "the hash given is not that of {}: approve exactly what you have looked at (aloft "
                          "release view {} says the hash of its title, names and files)",
                          id, id);
        for (const LeavingFile& file : files_of(row)) {
            if (viewed_.contains(view_of(account, id, file.name))) continue;
            if (is_picture(file))
                throw failure(
                    Fault::refused,
                    "you have not looked at a picture of {} yet; look at it, then decide: aloft release "
                    "view {} --picture {} --output FILE",
                    id, id, file.name);
            throw failure(Fault::refused,
                          "you have not looked at all of {} yet; look at each file, then decide: aloft "
                          "release view {}",
                          id, id);
        }
        details["sha256"] = approval;
    }
    const auto to = next_state(Thing::release, state_of(row), kind);
    if (!to) throw failure(Fault::refused, "release {} is {}: it cannot be decided on", id, state_of(row));
    record(account, kind, id, details);
    return json{{"release", id}, {"decision", decision}, {"state", std::string(*to)}};
}

std::optional<json> Service::release_export(Call& call) {
    const json row = release_or_throw(id_field(call.body, "id", "R-"));
    const std::string id = row.at("id").get<std::string>();
    if (row.at("account") != call.peer.account) need_role(call, {"admin", "release-reviewer"});
    if (state_of(row) == "exported")
        return json{{"release", id}, {"state", "exported"}, {"package", (site_.released / id).string()}};
    if (state_of(row) != "exporting") {
        if (!next_state(Thing::release, state_of(row), "release.export-started"))
            throw failure(Fault::refused,
                          "release {} is {}: only what two release reviewers have approved is exported. See: "
                          "aloft release show {}",
                          id, state_of(row), id);
        if (const auto revoked = revocation_of(row)) throw *revoked;
        record(call.peer.account, "release.export-started", id, json::object());
    }
    commit();
    working_[call.caller] = id;
    start_export(id);
    return std::nullopt;
}

// Also for an export that a crash or a full disk interrupted: the package is made again from the copies in
// quarantine.
void Service::start_export(const std::string& id) {
    if (!exporting_.insert(id).second) return;
    packages_wait_ = true;
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
    worker_.post([=, this, failed = revocation_of(row), files = files_of(row),
                  folder = building_folder(site_.released / id), left = site_.state / "left" / id,
                  config = site_.config, keys = site_.state / "keys",
                  quarantine = site_.state / "releases" /
                               row.at("folder").get<std::string>()]() mutable -> Worker::Finish {
        std::string hash;
        if (!failed) try {
                const auto groups = ReleaseRules::load(config / "release.toml").desk.groups;
                if (const auto found = groups.find(facts.enclave); found != groups.end())
                    facts.group = found->second;
                hash = write_package(folder, quarantine, files, facts,
                                     core::SigningKey::load(keys / "ledger.key"));
                keep_tables(quarantine, left, files);
            } catch (const Error& e) {
                failed = core::told(e);
            } catch (const std::exception& e) {
                failed = core::failure(Fault::system, "the package could not be written: {}", e.what());
            }
        return [=, this] {
            wrote_ = false;
            exporting_.erase(id);
            auto failure = failed;
            if (!failure) failure = revocation_of(release_or_throw(id));  // revoked meanwhile
            if (failure) {
                std::error_code none;  // what is left of it, tend_releases removes
                std::filesystem::remove_all(folder, none);
                std::filesystem::remove_all(left, none);
            }
            try {
                record("aloftd", failure ? "release.export-failed" : "release.exported", id,
                       failure ? json{{"why", failure->what()}} : json{{"package_sha256", hash}});
                // The package's witness covers the record of its export.
                ledger_.checkpoint();
                commit();
            } catch (const Error& e) {
                if (e.fault() != Fault::system) throw;
                answer_export(id, core::told(e), "");  // still exporting: gone on with each second
                return;
            }
            if (!failure) finish_export(id);
            answer_export(id, failure, hash);
        };
    });
}

void Service::answer_export(const std::string& id, const std::optional<core::ToldError>& failure,
                            const std::string& hash) {
    for (auto it = working_.begin(); it != working_.end();) {
        if (it->second != id) {
            ++it;
            continue;
        }
        if (failure)
            answer(it->first, answer_of(*failure));
        else
            answer(it->first, {{"ok", true},
                               {"release", id},
                               {"state", "exported"},
                               {"package", (site_.released / id).string()},
                               {"package_sha256", hash}});
        it = working_.erase(it);
    }
}

// The record of the export is on disk: the package appears. What fails is tried again each second.
void Service::finish_export(const std::string& id) {
    try {
        publish_package(site_.released / id, ledger_.witness().to_json());
    } catch (const std::exception& e) {
        core::Event("error", "package_not_published").with("release", id).with("text", e.what());
    }
}

}  // namespace jobs
