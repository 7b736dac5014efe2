// aloft doctor: what is wrong on this host, and the remedy.
#include <iostream>

#include "core/base/message.h"
#include "core/base/time.h"
#include "core/base/tool.h"
#include "core/ledger/spool.h"
#include "jobs/cli/commands.h"
#include "jobs/cli/doctor.h"

namespace jobs {

using nlohmann::json;

namespace {

void doctor(const Common& common, const std::vector<std::string>& asked) {
    Host host;
    host.site_file = common.site_file;
    host.name = core::short_host_name();
    host.now = core::now_seconds();
    std::vector<HostRole> roles;
    for (int role = 0; role <= static_cast<int>(HostRole::trainer); ++role)
        for (const std::string& name : asked)
            if (name == name_of(static_cast<HostRole>(role))) roles.push_back(static_cast<HostRole>(role));
    if (asked.empty()) roles = roles_of(host);
    json rows = json::array(), names = json::array();
    for (const HostRole role : roles) names.push_back(name_of(role));
    std::size_t misses = 0;
    for (const Check& check : examine(host, roles)) {
        rows.push_back(core::to_json(check));
        misses += check.is_miss();
    }
    if (common.json) {
        core::print_json(json{{"host", host.name}, {"roles", names}, {"checks", rows}, {"misses", misses}});
    } else {
        std::cout << host.name << ": " << printable(names) << '\n';
        print_checks(common, rows, {"layer", "verdict", "check", "found"});
    }
    if (misses > 0)
        throw misses == 1
            ? core::failure(core::Fault::refused,
                            "1 thing is wrong on this host; the remedy stands below each")
            : core::failure(core::Fault::refused,
                            "{} things are wrong on this host; the remedy stands below each", misses);
}

}  // namespace

void add_doctor(CLI::App& app, Common& common) {
    static std::vector<std::string> asked;
    CLI::App* verb = add_verb(app, common, "doctor",
                              "What is wrong on this host, and the remedy. Looks, and changes nothing; as "
                              "root it sees more. Exit 5 if "
                              "something that is needed is missing",
                              "aloft doctor --json", Changes::nothing, [&common] { doctor(common, asked); });
    verb->add_option("--role", asked,
                     "Look at this host as one of: every, service, login, node, controller, intake, trainer "
                     "(repeat; default: what it is)")
        ->check(CLI::IsMember({"every", "service", "login", "node", "controller", "intake", "trainer"}));
}

}  // namespace jobs
