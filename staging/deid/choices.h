#pragma once
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "staging/deid/definition.h"

// What a definition chooses of a profile: the parts of reading one, which definition.cpp and cases.cpp share.
namespace staging {

// The attributes to bring, each once; and the names that the path gives.
class Paths {
public:
    // kNowhere for no path; from kPathBase on for "path:NAME".
    std::size_t position(const std::string& path);
    const std::vector<std::string>& all() const { return paths_; }
    const std::vector<std::string>& from_path() const { return from_path_; }

private:
    std::vector<std::string> paths_, from_path_;
};

// The profile's rule of that name. Throws Error(usage) that names the nearest one.
template <class Rules>
auto find_rule(const core::Config& table, std::string_view key, const Rules& rules, const std::string& name,
               const std::string& profile) {
    const auto found =
        std::find_if(rules.begin(), rules.end(), [&](const auto& r) { return r.name == name; });
    if (found != rules.end()) return *found;
    std::vector<std::string> names;
    for (const auto& rule : rules) names.push_back(rule.name);
    const auto near = core::nearest(name, names);
    table.refuse(key, "profile " + profile + " does not let \"" + name + "\" through" +
                          (near ? "; did you mean \"" + *near + "\"?" : ""));
}

// Every place where the rule's identifier stands.
std::vector<PatientChoice> patient_choices(const PatientRule& rule, Paths& paths);

// One column of the profile, with the codes that it leaves to [maps.NAME].
ColumnChoice read_column(const core::Config& file, std::string_view key, const core::Config& maps,
                         const std::string& name, const Profile& profile, Paths& paths);

}  // namespace staging
