#include "jobs/audit/prov.h"

#include <optional>

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

// One section after the other, each `"NAME": {"ID": {...}, ...}`, an id once.
class Document {
public:
    Document(const std::filesystem::path& path, const Story& story) : file_(path, 0600), story_(story) {
        const json prefix = {{"site", "urn:aloft:site:" + encoded(story.site()) + ":"},
                             {"aloft", "urn:aloft:terms:"}};
        put("{\n\"prefix\": " + prefix.dump());
    }

    using Add = std::function<void(const std::string& id, const json& value)>;
    void section(const std::string& name, const std::function<void(const Step&, const Add&)>& each) {
        put(",\n\"" + name + "\": {");
        std::set<std::string> seen;
        bool is_first = true;
        story_.tell([&](const Step& step) {
            each(step, [&](const std::string& id, const json& value) {
                // A relation's id has its record's number in it, and comes once.
                if (!id.starts_with("_:") && !seen.insert(id).second) return;
                put((is_first ? "\n" : ",\n") + json(id).dump() + ": " + value.dump(-1, ' ', true));
                is_first = false;
            });
        });
        put("}");
    }

    void finish() {
        put("\n}\n");
        file_.write(core::view(buffer_));
        file_.commit();
    }

private:
    void put(const std::string& text) {
        buffer_ += text;
        if (buffer_.size() < (1 << 20)) return;
        file_.write(core::view(buffer_));
        buffer_.clear();
    }

    core::AtomicFile file_;
    const Story& story_;
    std::string buffer_;
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
    Document document(file, story);
    std::uint64_t told = 0;
    document.section("entity", [](const Step& step, const Document::Add& add) {
        for (const Entity& one : step.entities) add(site(one.name), entity_json(one));
    });
    document.section("activity", [&](const Step& step, const Document::Add& add) {
        ++told;
        add(site(step.name), activity_json(step));
        if (!step.job.empty())
            add(site(step.job), {{"prov:type", qualified("aloft:Job")}, {"aloft:name", step.job}});
    });
    document.section("agent", [](const Step& step, const Document::Add& add) {
        add(site(step.agent.name),
            {{"prov:type", qualified(step.agent.is_person ? "prov:Person" : "prov:SoftwareAgent")},
             {"aloft:name", step.agent.actor}});
    });
    for (const Form& form : kForms)
        document.section(form.section, [&](const Step& step, const Document::Add& add) {
            std::size_t number = 0;
            for (const Relation& one : step.relations) {
                ++number;
                if (one.link != form.link) continue;
                json value = {{form.from, site(one.from)}, {form.to, site(one.to)}};
                if (form.link == Link::started || form.link == Link::ended || form.link == Link::generated)
                    value["prov:time"] = core::rfc3339(step.record.time);
                if (!one.role.empty()) value["prov:role"] = qualified("aloft:" + encoded(one.role));
                add("_:r" + std::to_string(step.record.seq) + "-" + std::to_string(number), value);
            }
        });
    document.finish();
    return told;
}

}  // namespace jobs
