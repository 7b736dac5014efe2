// aloft grant.
#include <algorithm>

#include "core/base/message.h"
#include "jobs/cli/commands.h"
#include "jobs/cli/heard.h"
#include "jobs/wire/channel.h"

namespace jobs {

using nlohmann::json;

void add_grant(CLI::App& app, Common& common) {
    CLI::App* grant = app.add_subcommand("grant", "Signed permissions with an end");
    grant->require_subcommand(1);
    static std::string id, contract, duration = "1y", reason;
    static std::int64_t node_hours = 0, gpu_hours = 0;
    CLI::App* issue = add_verb(
        *grant, common, "issue", "Sign the grant of an approved application (admin)",
        "aloft grant issue A-7 --contract C-2026-017", Changes::something, [&common] {
            json request = {{"op", "grant.issue"},
                            {"id", id},
                            {"contract", contract},
                            {"seconds", parse_duration(duration)}};
            if (node_hours > 0) request["node_hours"] = node_hours;
            if (gpu_hours > 0) request["gpu_hours"] = gpu_hours;
            if (only_tells(common, request)) return;
            json answer = ask(common.site().socket, request).body;
            const auto number = answer.at("grant").get<std::string>();
            const std::string remark =
                heard_here(common.site(), answer, [&number](const core::SignedList& list) {
                    for (const auto& [uid, ids] : list.grants)
                        if (std::ranges::find(ids, number) != ids.end()) return true;
                    return false;
                });
            print(common, answer,
                  tr("{} for {} in {} until {}", number, answer.at("account").get<std::string>(),
                     answer.at("enclave").get<std::string>(), answer.at("not_after").get<std::string>()) +
                      remark);
        });
    issue->add_option("application", id)->required();
    issue->add_option("--contract", contract, "The signed contract's number")->required();
    issue->add_option("--for", duration, "How long: 60s, 15m, 12h, 90d, 1y")->capture_default_str();
    issue
        ->add_option("--node-hours", node_hours,
                     "What its jobs may use until it ends, whole nodes times hours (default: no bound)")
        ->check(CLI::Range(1, 1000000000));
    issue->add_option("--gpu-hours", gpu_hours, "The same of GPUs")->check(CLI::Range(1, 1000000000));
    add_verb(*grant, common, "list", "Your grants (reviewers and admin: all)", "aloft grant list",
             Changes::nothing, [&common] {
                 print_rows(common, "grants", list_of(common, "grant.list").rows,
                            {"grant", "account", "enclave", "state", "datasets", "not_before", "not_after",
                             "node_hours", "gpu_hours", "application"});
             });
    CLI::App* show =
        add_verb(*grant, common, "show", "One grant", "aloft grant show G-12", Changes::nothing, [&common] {
            const json rows = list_of(common, "grant.list").rows;
            for (const json& row : rows)
                if (row.at("grant") == id) return print(common, row, row.dump(2));
            throw core::failure(core::Fault::usage, "no such grant that you may see; see: aloft grant list");
        });
    show->add_option("grant", id)->required();
    CLI::App* revoke =
        add_verb(*grant, common, "revoke", "End a grant now (admin)",
                 "aloft grant revoke G-12 --reason \"contract ended\"", Changes::something, [&common] {
                     const json request = {{"op", "grant.revoke"}, {"id", id}, {"reason", reason}};
                     if (!only_tells(common, request))
                         print(common, ask(common.site().socket, request).body, tr("{} is revoked", id));
                 });
    revoke->add_option("grant", id)->required();
    revoke->add_option("--reason", reason, "Why; the researcher reads it")->required();
}

}  // namespace jobs
