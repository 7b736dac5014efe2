#pragma once
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>

namespace core {

// Who may do what: SITE.config/roles.toml (configs/clusters/roles.toml is the commented example), owned by
// root. Roles: admin, steward, intake, reviewer-technical, reviewer-legal, reviewer-platform,
// reviewer-research, release-reviewer, auditor. A researcher needs none: enclave accounts are named in their
// enclave's policy. [people] says who is behind each account, of both kinds.
class Roles {
public:
    // Throws Error(usage) on a role that does not exist (with the nearest one), an account that is not a
    // plain name, has two persons, or has a role and no person.
    static Roles load(const std::filesystem::path& file);

    bool has(std::string_view account, std::string_view role) const;
    std::set<std::string> of(std::string_view account) const;
    // True for two accounts that [people] gives to one person: nobody judges an own request through a second
    // account. Throws Error(refused), with the remedy, if one of them stands under no person: it is not known
    // to be somebody else.
    bool same_person(std::string_view one, std::string_view other) const;
    // Who is behind the account. Throws Error(refused) as same_person.
    const std::string& person_of(std::string_view account) const;
    // Whether accounts of enclaves log in apart from all others: in fenced sessions, on hosts of their own.
    bool logins_apart() const { return logins_apart_; }

private:
    std::map<std::string, std::set<std::string>, std::less<>> roles_;  // by account
    std::map<std::string, std::string, std::less<>> person_;           // by account
    bool logins_apart_ = false;
};

}  // namespace core
