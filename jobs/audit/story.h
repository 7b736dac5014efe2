#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "core/ledger/record.h"

// What records of the ledger say of each other, in the terms of PROV-DM (W3C Recommendation, 30 April 2013): every record is an
// activity of its actor's; applications, grants, datasets, releases and the rest are entities; a job is an activity, what it leaves
// an entity. Entities, agents and relations have nothing but names, kinds, times, decisions and digests: no title, no reason, no
// configuration. A step's `line` has all of them, and so has the records.jsonl of a crate, which is made of these lines.

namespace jobs {

enum class Link {
    used,         // activity, entity
    generated,    // entity, activity
    invalidated,  // entity, activity
    derived,      // entity, entity
    influenced,   // entity, entity
    member,       // collection, entity
    informed,     // activity, activity
    started,      // activity, activity that started it
    ended,        // activity, activity that ended it
    associated,   // activity, agent
};

struct Relation {
    Link link = Link::used;
    std::string from, to;
    std::string role;  // of an agent
};

struct Entity {
    std::string name, type;  // "R-31", "Release"
    nlohmann::json facts = nlohmann::json::object();
};

struct Agent {
    std::string name, actor;  // "account/e-alice", "e-alice"
    bool is_person = false;
};

// One record as it is told: the activity `name` ("record/17"), and what stands beside it.
struct Step {
    std::string name;
    core::Record record;
    std::string sha256;  // of its line with the newline, lower-case hex
    std::string line;    // without it
    std::string decision;
    // "G-1/job:17", an activity of its own; else "". By the grant, for Slurm begins its numbers again some day; what names no grant
    // is of no job that ran under one.
    std::string job;
    Agent agent;
    std::vector<Entity> entities;
    std::vector<Relation> relations;
};

// Which records are told: those of a time, of one release, or of one project (an application with all that came of it). Of a
// release: its application and grant, the registrations of their datasets, the jobs under the grant, and what was decided about it.
struct Scope {
    std::int64_t from = 0, before = 0;  // seconds; 0: all. The second `before` itself is not in it
    std::string release, project;
};

// Calls `each` with every record of the first `records` lines of `ledger` that is in `scope`, in their order. Reads the file twice
// where a release or a project is asked for; memory grows with the things that records are about, not with the records.
// Throws Error(usage) if there is no such release or project, Error(data) on a line that is no record.
class Story {
public:
    Story(std::filesystem::path ledger, std::uint64_t records, Scope scope);
    void tell(const std::function<void(const Step&)>& each) const;
    // As the ledger's own records say; "" if none does.
    const std::string& site() const { return site_; }

private:
    void read(const std::function<void(const core::Record&, std::string_view line)>& each) const;
    bool is_told(const core::Record& record) const;

    std::filesystem::path ledger_;
    std::uint64_t records_;
    Scope scope_;
    std::string site_;
    std::set<std::string> things_;  // that the scope is about; empty: all
};

// A name in an identifier: what is not a letter, a digit or one of . _ ~ - @ : / is percent-encoded (RFC 3986).
std::string encoded(std::string_view name);

}  // namespace jobs
