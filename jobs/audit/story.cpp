#include "jobs/audit/story.h"

#include "core/base/error.h"
#include "core/ledger/ledger.h"

namespace jobs {

using core::Record;
using nlohmann::json;

namespace {

// What nodes wrote stands one level deeper, and is theirs: a text that is missing, or none, is "".
std::string text_of(const json& details, const char* key) {
    if (!details.is_object()) return "";
    const auto found = details.find(key);
    return found != details.end() && found->is_string() ? found->get<std::string>() : "";
}
std::vector<std::string> texts_of(const json& details, const char* key) {
    std::vector<std::string> out;
    const auto found = details.find(key);
    if (found != details.end() && found->is_array())
        for (const json& one : *found)
            if (one.is_string()) out.push_back(one.get<std::string>());
    return out;
}
const json& details_of(const Record& record) {
    static const json kNone = json::object();
    if (!record.kind.starts_with("node.")) return record.details;
    const auto inner = record.details.find("details");
    return inner != record.details.end() && inner->is_object() ? *inner : kNone;
}

bool is_numbered(const std::string& name, const char* letter) {
    return name.starts_with(letter) && name.size() > 2 &&
           name.find_first_not_of("0123456789", 2) == std::string::npos;
}

const char* type_of(const std::string& name) {
    if (is_numbered(name, "A-")) return "Application";
    if (is_numbered(name, "G-")) return "Grant";
    if (is_numbered(name, "R-")) return "Release";
    if (is_numbered(name, "J-")) return "JobRequest";
    if (name.find('@') != std::string::npos) return "DatasetVersion";
    if (name.starts_with("enclave:")) return "Enclave";
    return "Thing";
}

Agent agent_of(const Record& record) {
    if (record.actor == "aloftd" || record.actor.starts_with("node:")) return {record.actor, record.actor};
    return {"account/" + record.actor, record.actor, true};
}

// What earlier records said that later ones leave out.
struct Known {
    std::map<std::string, std::vector<std::string>> datasets_of_grant;
    std::map<std::string, std::string> grant_of_request;
    std::map<std::string, std::string> author_of_release;
    std::set<std::string> ended;  // jobs of which an end is told

    void learn(const Record& record) {
        if (record.kind == "grant.issued")
            datasets_of_grant[record.subject] = texts_of(record.details, "datasets");
        if (record.kind == "job.requested")
            grant_of_request[record.subject] = text_of(record.details, "grant");
        if (record.kind == "release.requested") author_of_release[record.subject] = record.actor;
    }
    // Where a grant was revoked an admin may withdraw what its author left.
    std::string who_withdrew(const Record& record) const {
        const auto author = author_of_release.find(record.subject);
        return author != author_of_release.end() && author->second == record.actor ? "researcher" : "admin";
    }
};

// In which role the actor of a record did it.
std::string role_of(const Record& record, const Known& known) {
    if (record.kind == "application.group-approved" || record.kind == "application.approved" ||
        record.kind == "application.rejected")
        return "reviewer-" + text_of(record.details, "group");
    constexpr std::pair<const char*, const char*> kRoles[] = {
        {"application.", "researcher"},
        {"grant.", "admin"},
        {"enclave.", "admin"},
        {"text.", "admin"},
        {"backup.", "admin"},
        {"dataset.", "steward"},
        {"key.sealed", "intake"},
        {"key.withdrawn", "admin"},
        {"job.", "researcher"},
        {"release.requested", "researcher"},
        {"release.refused", "researcher"},
        {"release.viewed", "release-reviewer"},
        {"release.half-approved", "release-reviewer"},
        {"release.approved", "release-reviewer"},
        {"release.rejected", "release-reviewer"},
        {"release.export-started", "exporter"},
        {"node.", "node"},
    };
    if (record.actor == "aloftd") return "service";
    if (record.kind == "release.withdrawn") return known.who_withdrew(record);
    for (const auto& [kind, role] : kRoles)
        if (record.kind.starts_with(kind)) return role;
    return "caller";
}

// Builds one record's step.
class Telling {
public:
    Telling(Step& step, Known& known) : step_(step), details_(details_of(step.record)), known_(known) {}

    void tell() {
        const std::string& kind = step_.record.kind;
        const std::string& subject = step_.record.subject;
        relate(Link::associated, step_.name, step_.agent.name, role_of(step_.record, known_));
        if (kind == "application.submitted") {
            make(subject);
            for (const std::string& dataset : texts_of(details_, "datasets")) use(dataset);
        } else if (kind == "grant.issued") {
            make(subject, {{"aloft:notBefore", text_of(details_, "not_before")},
                           {"aloft:notAfter", text_of(details_, "not_after")}});
            from(subject, text_of(details_, "application"));
        } else if (kind == "grant.revoked" || kind == "enclave.closed") {
            mention(subject);
            relate(Link::invalidated, subject, step_.name);
        } else if (kind == "dataset.registered") {
            make(subject, {{"aloft:manifestSha256", text_of(details_, "manifest_sha256")}});
        } else if (kind == "enclave.created") {
            make(subject);
        } else if (kind == "job.requested") {
            make(subject);
            use(text_of(details_, "grant"));
        } else if (kind == "job.submitted") {
            const std::string request = text_of(details_, "request");
            use(request);
            const auto grant = known_.grant_of_request.find(request);
            if (grant != known_.grant_of_request.end() && job(grant->second))
                relate(Link::informed, step_.job, step_.name);
        } else if (kind == "node.job-started" || kind == "node.job-ended") {
            const std::string grant = text_of(details_, "grant");
            if (job(grant)) run(kind == "node.job-started", grant);
        } else if (kind == "release.requested" || kind == "release.refused") {
            released(subject, kind == "release.requested");
        } else if (kind == "release.exported") {
            use(subject);
            const std::string package = subject + "/package";
            make(package, {{"aloft:sha256", text_of(details_, "package_sha256")}}, "Package");
            relate(Link::derived, package, subject);
        } else if (subject.starts_with("job:")) {
            if (job(text_of(details_, "grant"))) relate(Link::informed, step_.name, step_.job);
        } else if (!subject.empty()) {
            use(subject);
        }
        step_.decision = text_of(details_, "decision");
    }

private:
    void mention(const std::string& name, json facts = json::object(), const char* type = nullptr) {
        std::erase_if(facts.get_ref<json::object_t&>(), [](const auto& one) { return one.second == ""; });
        step_.entities.push_back({name, type ? type : type_of(name), std::move(facts)});
    }
    void relate(Link link, const std::string& from, const std::string& to, const std::string& role = {}) {
        step_.relations.push_back({link, from, to, role});
    }
    void use(const std::string& name) {
        if (name.empty()) return;
        mention(name);
        relate(Link::used, step_.name, name);
    }
    void make(const std::string& name, json facts = json::object(), const char* type = nullptr) {
        mention(name, std::move(facts), type);
        relate(Link::generated, name, step_.name);
    }
    void from(const std::string& name, const std::string& source) {
        if (source.empty()) return;
        use(source);
        relate(Link::derived, name, source);
    }
    bool job(const std::string& grant) {
        if (is_numbered(grant, "G-") && step_.record.subject.starts_with("job:"))
            step_.job = grant + "/" + step_.record.subject;
        return !step_.job.empty();
    }
    void run(bool begins, const std::string& grant) {
        relate(begins ? Link::started : Link::ended, step_.job, step_.name);
        if (!begins) {
            // Of all its nodes, and of all its tries: generated once (PROV-CONSTRAINTS, unique-generation).
            if (!known_.ended.insert(step_.job).second) return;
            const std::string output = step_.job + "/output";
            mention(output, json::object(), "JobOutput");
            relate(Link::generated, output, step_.job);
            return;
        }
        mention(grant);
        relate(Link::used, step_.job, grant);
        if (const auto found = known_.datasets_of_grant.find(grant); found != known_.datasets_of_grant.end())
            for (const std::string& dataset : found->second) {
                mention(dataset);
                relate(Link::used, step_.job, dataset);
            }
    }
    // From which job its files come nobody can prove: of the grant's data it was influenced, no more is said.
    // The files of one that was refused never were anywhere but where they are.
    void released(const std::string& release, bool has_files) {
        const std::string grant = text_of(details_, "grant");
        make(release, {{"aloft:approvalSha256", text_of(details_, "approval")}});
        use(grant);
        if (const auto found = known_.datasets_of_grant.find(grant); found != known_.datasets_of_grant.end())
            for (const std::string& dataset : found->second) {
                mention(dataset);
                relate(Link::influenced, release, dataset);
            }
        const auto files = details_.find("files");
        if (!has_files || files == details_.end() || !files->is_array()) return;
        for (const json& file : *files) {
            const std::string name = release + "/" + text_of(file, "name");
            make(name, {{"aloft:sha256", text_of(file, "sha256")}}, "ReleaseFile");
            relate(Link::member, release, name);
        }
    }

    Step& step_;
    const json& details_;
    Known& known_;
};

}  // namespace

std::string encoded(std::string_view name) {
    constexpr char kHex[] = "0123456789ABCDEF";
    std::string out;
    for (const char c : name) {
        const auto byte = static_cast<unsigned char>(c);
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            std::string_view("._~-@:/").find(c) != std::string_view::npos) {
            out += c;
        } else {
            out += '%';
            out += kHex[byte >> 4];
            out += kHex[byte & 15];
        }
    }
    return out;
}

Story::Story(std::filesystem::path ledger, std::uint64_t records, Scope scope)
    : ledger_(std::move(ledger)), records_(records), scope_(std::move(scope)) {
    std::string grant, project = scope_.project;
    read([&](const Record& record, std::string_view) {
        if (record.kind == "aloftd.started") site_ = text_of(record.details, "site");
        if (!scope_.release.empty() && record.subject == scope_.release &&
            (record.kind == "release.requested" || record.kind == "release.refused"))
            grant = text_of(record.details, "grant");
    });
    if (scope_.release.empty() && project.empty()) return;
    if (!scope_.release.empty() && grant.empty())
        throw core::Error(core::Fault::usage, "this ledger has no such release");
    if (project.empty())
        read([&](const Record& record, std::string_view) {
            if (record.kind == "grant.issued" && record.subject == grant)
                project = text_of(record.details, "application");
        });
    bool found = false;
    things_ = {project};
    if (!grant.empty()) things_.insert({grant, scope_.release});
    // A thing is there before others are made of it: one look, in order, finds all that belongs together.
    read([&](const Record& record, std::string_view) {
        const json& details = details_of(record);
        const auto is_of = [&](const char* key) { return things_.contains(text_of(details, key)); };
        if (record.kind == "application.submitted" && record.subject == project) {
            found = true;
            for (const std::string& dataset : texts_of(details, "datasets")) things_.insert(dataset);
        } else if (record.kind == "job.requested" && is_of("grant")) {
            things_.insert(record.subject);
        } else if (grant.empty() && ((record.kind == "grant.issued" && is_of("application")) ||
                                     (record.kind == "release.requested" && is_of("grant")) ||
                                     (record.kind == "release.refused" && is_of("grant")))) {
            things_.insert(record.subject);
        }
    });
    if (!found) throw core::Error(core::Fault::usage, "this ledger has no such application");
}

void Story::read(const std::function<void(const Record&, std::string_view)>& each) const {
    std::uint64_t seen = 0;
    core::read_lines(ledger_, 0, [&](std::string_view line, std::uint64_t) {
        if (seen == records_) return false;
        ++seen;
        each(core::parse_record(line), line);
        return true;
    });
}

bool Story::is_told(const Record& record) const {
    if ((scope_.from && record.time < scope_.from) || (scope_.before && record.time >= scope_.before))
        return false;
    if (things_.empty()) return true;
    const json& details = details_of(record);
    if (record.kind == "job.submitted") return things_.contains(text_of(details, "request"));
    if (record.kind == "job.lost" || record.kind.starts_with("node.job-"))
        return things_.contains(text_of(details, "grant"));
    if (record.subject.find('@') != std::string::npos && record.kind != "dataset.registered") return false;
    return things_.contains(record.subject);
}

void Story::tell(const std::function<void(const Step&)>& each) const {
    Known known;
    read([&](const Record& record, std::string_view line) {
        known.learn(record);
        if (!is_told(record)) return;
        Step step;
        step.name = "record/" + std::to_string(record.seq);
        step.record = record;
        step.line = line;
        step.sha256 = core::to_hex(core::sha256(core::view(step.line + "\n")));
        step.agent = agent_of(record);
        Telling(step, known).tell();
        each(step);
    });
}

}  // namespace jobs
