#include "jobs/audit/prov.h"

#include <optional>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/time.h"

namespace jobs {

using nlohmann::json;

namespace {

struct Form {
    Link link;
    const char *section, *from, *to;
};
constexpr Form kForms[] = {
    {Link::used, "used", "prov:activity", "prov:entity"},
    {Link::generated, "wasGeneratedBy", "prov:entity", "prov:activity"},
    {Link::invalidated, "wasInvalidatedBy", "prov:entity", "prov:activity"},
    {Link::derived, "wasDerivedFrom", "prov:generatedEntity", "prov:usedEntity"},
    {Link::influenced, "wasInfluencedBy", "prov:influencee", "prov:influencer"},
    {Link::member, "hadMember", "prov:collection", "prov:entity"},
    {Link::informed, "wasInformedBy", "prov:informed", "prov:informant"},
    {Link::started, "wasStartedBy", "prov:activity", "prov:starter"},
    {Link::ended, "wasEndedBy", "prov:activity", "prov:ender"},
    {Link::associated, "wasAssociatedWith", "prov:activity", "prov:agent"},
};

std::string site(const std::string& name) {
    return "site:" + encoded(name);
}
json qualified(const std::string& name) {
    return {{"$", name}, {"type", "prov:QUALIFIED_NAME"}};
}

[[noreturn]] void refuse_to_replace(const std::filesystem::path& file) {
    throw core::Error(core::Fault::usage, file.string() + ": is there already; name another");
}

// One section after the other, each `"NAME": {"ID": {...}, ...}`, an id once.
class Document {
public:
    Document(const std::filesystem::path& path, const Story& story)
        : path_(path), file_(path, 0600), story_(story) {
        const json prefix = {{"site", "urn:aloft:site:" + encoded(story.site()) + ":"},
                             {"aloft", "urn:aloft:terms:"}};
        put("{\n\"prefix\": " + prefix.dump());
    }

    void section(const std::string& name, const std::function<void(const Step&)>& each) {
        put(",\n\"" + name + "\": {");
        seen_.clear();
        is_first_ = true;
        story_.tell(each);
        put("}");
    }
    // For an id with its record's number in it, which comes once.
    void add(const std::string& id, const json& value) {
        put((is_first_ ? "\n" : ",\n") + json(id).dump() + ": " + value.dump(-1, ' ', true));
        is_first_ = false;
    }
    void add_once(const std::string& id, const json& value) {
        if (seen_.insert(id).second) add(id, value);
    }

    void finish() {
        put("\n}\n");
        file_.write(core::view(buffer_));
        if (!file_.commit_new()) refuse_to_replace(path_);
    }

private:
    void put(const std::string& text) {
        buffer_ += text;
        if (buffer_.size() < (1 << 20)) return;
        file_.write(core::view(buffer_));
        buffer_.clear();
    }

    std::filesystem::path path_;
    core::AtomicFile file_;
    const Story& story_;
    std::string buffer_;
    std::set<std::string> seen_;
    bool is_first_ = true;
};

json entity_json(const Entity& entity) {
    json out = entity.facts;
    out["prov:type"] = qualified("aloft:" + entity.type);
    out["aloft:name"] = entity.name;
    return out;
}

json activity_json(const Step& step) {
    const std::string time = core::rfc3339(step.record.time);
    json out = {{"prov:startTime", time},
                {"prov:endTime", time},
                {"prov:type", qualified("aloft:Record")},
                {"aloft:seq", step.record.seq},
                {"aloft:kind", step.record.kind},
                {"aloft:subject", step.record.subject},
                {"aloft:sha256", step.sha256}};
    if (!step.decision.empty()) out["aloft:decision"] = step.decision;
    return out;
}

}  // namespace

std::uint64_t write_prov(const Story& story, const std::filesystem::path& file) {
    std::error_code none;
    if (std::filesystem::exists(std::filesystem::symlink_status(file, none))) refuse_to_replace(file);
    Document document(file, story);
    std::uint64_t told = 0;
    document.section("entity", [&](const Step& step) {
        for (const Entity& one : step.entities) document.add_once(site(one.name), entity_json(one));
    });
    document.section("activity", [&](const Step& step) {
        ++told;
        document.add(site(step.name), activity_json(step));
        if (!step.job.empty())
            document.add_once(site(step.job),
                              {{"prov:type", qualified("aloft:Job")}, {"aloft:name", step.job}});
    });
    document.section("agent", [&](const Step& step) {
        document.add_once(
            site(step.agent.name),
            {{"prov:type", qualified(step.agent.is_person ? "prov:Person" : "prov:SoftwareAgent")},
             {"aloft:name", step.agent.actor}});
    });
    for (const Form& form : kForms)
        document.section(form.section, [&](const Step& step) {
            std::size_t number = 0;
            for (const Relation& one : step.relations) {
                ++number;
                if (one.link != form.link) continue;
                json value = {{form.from, site(one.from)}, {form.to, site(one.to)}};
                // A job has one start and one end in PROV, of one time (PROV-CONSTRAINTS, unique-startTime and
                // unique-endTime), and records of them by each node, at its own.
                if (form.link == Link::generated && one.to == step.name)
                    value["prov:time"] = core::rfc3339(step.record.time);
                if (!one.role.empty()) value["prov:role"] = qualified("aloft:" + encoded(one.role));
                document.add("_:r" + std::to_string(step.record.seq) + "-" + std::to_string(number), value);
            }
        });
    document.finish();
    return told;
}

}  // namespace jobs
