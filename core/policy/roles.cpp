#include "core/policy/roles.h"

#include <algorithm>
#include <vector>

#include "core/base/config.h"
#include "core/base/error.h"
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
    for (const auto& [account, given] : out.roles_)
        if (!out.person_.contains(account))
            accounts.refuse(account, "has a role, but stands under no person of [people]; add it there");
    out.logins_apart_ = config.table("login").flag_or("apart", false);
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

const std::string& Roles::person_of(std::string_view account) const {
    const auto found = person_.find(account);
    if (found == person_.end())
        throw Error(Fault::refused, "account " + std::string(account) +
                                        " stands under no person, so it is not known whose it is; the site's admin "
                                        "adds it to [people] of roles.toml");
    return found->second;
}

bool Roles::same_person(std::string_view one, std::string_view other) const {
    return person_of(one) == person_of(other);
}

}  // namespace core
