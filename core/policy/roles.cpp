#include "core/policy/roles.h"

#include <algorithm>
#include <vector>

#include "core/base/config.h"
#include "core/policy/names.h"

namespace core {
namespace {

const std::vector<std::string>& known_roles() {
    static const std::vector<std::string> roles{"admin",
                                                "steward",
                                                "intake",
                                                "reviewer-technical",
                                                "reviewer-legal",
                                                "reviewer-platform",
                                                "reviewer-research",
                                                "release-reviewer",
                                                "auditor"};
    return roles;
}

}  // namespace

Roles Roles::load(const std::filesystem::path& file) {
    const Config config = Config::load(file);
    Roles out;
    const Config accounts = config.table("accounts");
    for (const std::string& account : accounts.keys()) {
        if (!is_plain_name(account)) accounts.refuse(account, "not the name of an account");
        for (const std::string& role : accounts.texts(account)) {
            if (std::find(known_roles().begin(), known_roles().end(), role) == known_roles().end()) {
                const auto near = nearest(role, known_roles());
                accounts.refuse(account, "has a role that does not exist" +
                                             (near ? "; did you mean \"" + *near + "\"?" : std::string()));
            }
            out.roles_[account].insert(role);
        }
    }
    const Config people = config.table("people");
    for (const std::string& person : people.keys())
        for (const std::string& account : people.texts(person))
            if (!out.person_.emplace(account, person).second)
                people.refuse(person, "has an account that another person has too");
    config.finish();
    return out;
}

bool Roles::has(std::string_view account, std::string_view role) const {
    const auto found = roles_.find(account);
    return found != roles_.end() && found->second.contains(std::string(role));
}

std::set<std::string> Roles::of(std::string_view account) const {
    const auto found = roles_.find(account);
    return found == roles_.end() ? std::set<std::string>{} : found->second;
}

bool Roles::same_person(std::string_view one, std::string_view other) const {
    if (one == other) return true;
    const auto a = person_.find(one), b = person_.find(other);
    return a != person_.end() && b != person_.end() && a->second == b->second;
}

}  // namespace core
