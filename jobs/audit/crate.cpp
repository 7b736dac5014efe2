#include "jobs/audit/crate.h"

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/time.h"
#include "jobs/audit/prov.h"

namespace jobs {

using nlohmann::json;
namespace fs = std::filesystem;

namespace {

std::string id_of(const std::string& name) {
    return "#" + encoded(name);
}
json link_to(const std::string& id) {
    return {{"@id", id}};
}
json digest(const std::string& id, const std::string& sha256) {
    return {{"@id", id}, {"@type", "PropertyValue"}, {"propertyID", "sha256"}, {"value", sha256}};
}

const char* action_of(const Step& step) {
    if (step.decision == "approve") return "AcceptAction";
    if (step.decision == "reject") return "RejectAction";
    for (const Relation& one : step.relations)
        if (one.link == Link::generated && one.to == step.name) return "CreateAction";
    return "Action";
}

// Entities by id: what is said of one in several steps is said once, the first time that there is more than its name.
class Graph {
public:
    void add(const json& entity) {
        json& known = entities_[entity.at("@id").get<std::string>()];
        if (known.is_null()) known = json::object();
        for (const auto& [key, value] : entity.items())
            if (!known.contains(key)) known[key] = value;
    }
    json& at(const std::string& id) { return entities_.at(id); }
    // To a list of links: each once, in the order of their coming.
    void append(const std::string& id, const char* key, const std::string& to) {
        if (!linked_[id + ' ' + key].insert(to).second) return;
        json& list = entities_[id][key];
        if (list.is_null()) list = json::array();
        list.push_back(link_to(to));
    }
    json to_json() const {
        json out = json::array();
        for (const auto& [id, entity] : entities_) out.push_back(entity);
        return out;
    }

private:
    std::map<std::string, json> entities_;
    std::map<std::string, std::set<std::string>> linked_;  // by id and key; an id has no blank
};

void tell_things(Graph& graph, const Step& step) {
    for (const Entity& one : step.entities) {
        const std::string id = id_of(one.name);
        graph.add({{"@id", id}, {"@type", "CreativeWork"}, {"name", one.name}, {"additionalType", one.type}});
        for (const char* key : {"aloft:sha256", "aloft:manifestSha256", "aloft:approvalSha256"})
            if (one.facts.contains(key)) {
                graph.add(digest(id + "/sha256", one.facts.at(key).get<std::string>()));
                graph.add({{"@id", id}, {"identifier", link_to(id + "/sha256")}});
            }
        if (one.facts.contains("aloft:notAfter"))
            graph.add({{"@id", id}, {"expires", one.facts.at("aloft:notAfter")}});
    }
}

void tell_step(Graph& graph, const Step& step) {
    const std::string id = id_of(step.name), time = core::rfc3339(step.record.time);
    graph.add({{"@id", id_of(step.agent.name)},
               {"@type", step.agent.is_person ? "Person" : "SoftwareApplication"},
               {"name", step.agent.actor}});
    tell_things(graph, step);
    graph.add(digest(id + "/sha256", step.sha256));
    graph.add({{"@id", id},
               {"@type", action_of(step)},
               {"name", step.record.kind},
               {"description", step.record.subject},
               {"endTime", time},
               {"agent", link_to(id_of(step.agent.name))},
               {"identifier", link_to(id + "/sha256")}});
    graph.append("./", "mentions", id);
    if (!step.job.empty()) {
        graph.add({{"@id", id_of(step.job)}, {"@type", "CreateAction"}, {"name", step.job}});
        graph.append("./", "mentions", id_of(step.job));
    }
    for (const Relation& one : step.relations) {
        const std::string from = id_of(one.from), to = id_of(one.to);
        if (one.link == Link::used) graph.append(from, "object", to);
        if (one.link == Link::generated) graph.append(to, "result", from);
        if (one.link == Link::invalidated) graph.append(to, "object", from);
        if (one.link == Link::derived || one.link == Link::influenced) graph.append(from, "isBasedOn", to);
        if (one.link == Link::member) graph.append(from, "hasPart", to);
        if (one.link == Link::started) graph.add({{"@id", from}, {"startTime", time}});
        if (one.link == Link::ended) graph.at(from)["endTime"] = time;  // the last node's
        if (one.link == Link::informed) graph.append(from, "object", to);
        if (one.link == Link::associated && !one.role.empty()) graph.at(from)["additionalType"] = one.role;
    }
    if (step.record.kind == "job.submitted")
        graph.add({{"@id", id_of(step.job)}, {"agent", link_to(id_of(step.agent.name))}});
}

void add_file(Graph& graph, const fs::path& folder, const char* name, const char* format, const char* about) {
    const std::string id = name;
    graph.add(digest("#" + id + "/sha256", core::to_hex(core::file_sha256(folder / name))));
    graph.add({{"@id", id},
               {"@type", "File"},
               {"name", name},
               {"description", about},
               {"encodingFormat", format},
               {"contentSize", std::to_string(fs::file_size(folder / name))},
               {"identifier", link_to("#" + id + "/sha256")}});
    graph.append("./", "hasPart", id);
}

}  // namespace

std::uint64_t write_crate(const Story& story, const std::string& title, const fs::path& folder) {
    std::error_code none;
    if (fs::exists(folder) && !fs::is_empty(folder, none))
        throw core::Error(core::Fault::usage, folder.string() + ": is not an empty folder; name another");
    core::make_directories(folder, 0700);
    Graph graph;
    std::uint64_t told = 0;
    std::int64_t last = 0;
    graph.add(
        {{"@id", "./"},
         {"@type", "Dataset"},
         {"name", title + " at " + story.site()},
         {"description", "What the ledger of a trusted research environment says of " + title +
                             ": every record of it, who did it in which role, and what it was done to."},
         {"license", link_to("#terms")}});
    graph.add({{"@id", "#terms"},
               {"@type", "CreativeWork"},
               {"name", "For auditors"},
               {"description",
                "It names accounts and decisions. Whom it may be shown, the site's auditors decide."}});
    {
        core::AtomicFile lines(folder / "records.jsonl", 0600);
        story.tell([&](const Step& step) {
            ++told;
            last = std::max(last, step.record.time);
            lines.write(core::view(step.line + "\n"));
            tell_step(graph, step);
        });
        lines.commit();
    }
    write_prov(story, folder / "provenance.json");
    add_file(graph, folder, "records.jsonl", "application/x-ndjson", "The ledger's lines, byte by byte");
    add_file(graph, folder, "provenance.json", "application/json",
             "The same records as W3C PROV, in PROV-JSON");
    graph.add({{"@id", "./"}, {"datePublished", core::rfc3339(last)}});
    graph.add({{"@id", "ro-crate-metadata.json"},
               {"@type", "CreativeWork"},
               {"conformsTo", link_to("https://w3id.org/ro/crate/1.1")},
               {"about", link_to("./")}});
    const json crate = {{"@context", "https://w3id.org/ro/crate/1.1/context"}, {"@graph", graph.to_json()}};
    core::write_atomically(folder / "ro-crate-metadata.json", crate.dump(1, ' ', true) + "\n", 0600);
    return told;
}

}  // namespace jobs
