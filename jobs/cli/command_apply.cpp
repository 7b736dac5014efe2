// aloft apply, aloft review: from a question to four decisions.
#include <iostream>

#include "core/base/config.h"
#include "core/base/files.h"
#include "core/base/message.h"
#include "jobs/cli/commands.h"
#include "jobs/wire/channel.h"

namespace jobs {

using nlohmann::json;

namespace {

// The same as configs/enclaves/application.toml; a test compares them.
constexpr const char* kForm =
    R"(# An application for data. Written by a researcher: fill in and send with `aloft apply submit FILE`.
title = ""
# Your account's enclave; may be left out.
# enclave = "hel"
# Dataset versions, as `aloft catalogue list` names them.
datasets = ["digits@1"]
# What the data will be used for, as terms of the Data Use Ontology (DUO):
#   DUO:0000006 health, medical or biomedical research   DUO:0000007 one disease   DUO:0000042 general research
#   DUO:0000046 non-commercial use only                  DUO:0000021 ethics approval is at hand
purpose = ["DUO:0000006"]

# The four groups (technical, legal, platform, research) read what follows. 20 bytes at least for each.
# What is asked, why it matters, how it will be answered.
rationale = """
"""
# Why it cannot be answered with less data, or with none.
necessity = """
"""
# What comes back to those who gave the data: models, code, results.
reciprocity = """
"""
# Whom it can help, whom it can harm, and what is done about the latter.
social_impact = """
"""
)";

json request_from(const std::filesystem::path& file) {
    const core::Config form = core::Config::load(file);
    json request = {{"op", "application.submit"},
                    {"title", form.text("title")},
                    {"datasets", form.texts("datasets")},
                    {"purpose", form.texts("purpose")}};
    if (form.has("enclave")) request["enclave"] = form.text("enclave");
    for (const char* part : {"rationale", "necessity", "reciprocity", "social_impact"}) {
        request[part] = form.text(part);
        if (form.text(part).find_first_not_of(" \n\t") == std::string::npos) form.refuse(part, "is empty");
    }
    form.finish();
    return request;
}

}  // namespace

void add_apply(CLI::App& app, Common& common) {
    CLI::App* apply = app.add_subcommand("apply", "Apply for data (from your account in the enclave)");
    apply->require_subcommand(1);
    static std::filesystem::path file;
    static std::string id;
    CLI::App* create =
        add_verb(*apply, common, "create", "Write a commented form to fill in",
                 "aloft apply create --out question.toml", Changes::nothing, [&common] {
                     if (std::filesystem::exists(file))
                         throw core::failure(core::Fault::usage, "{}: exists already; name another file",
                                             file.string());
                     core::write_atomically(file, std::string_view(kForm), 0600);
                     print(common, {{"out", file.string()}}, file.string());
                 });
    create->add_option("--out", file, "The form")->required()->type_name("FILE");
    CLI::App* submit = add_verb(
        *apply, common, "submit", "Send a filled form to the four groups", "aloft apply submit question.toml",
        Changes::something, [&common] {
            const json request = request_from(file);
            if (only_tells(common, request)) return;
            const json answer = ask(common.site().socket, request).body;
            const std::string made = answer.at("application").get<std::string>();
            print(common, answer, tr("{} is in review. Where it stands: aloft apply show {}", made, made));
        });
    submit->add_option("form", file, "The filled form")->required()->type_name("FILE");
    add_verb(*apply, common, "list", "Your applications (reviewers: all)", "aloft apply list",
             Changes::nothing, [&common] {
                 print_rows(common, "applications", list_of(common, "application.list").rows,
                            {"application", "account", "enclave", "state", "datasets", "waiting_for",
                             "submitted", "title"});
             });
    CLI::App* show = add_verb(
        *apply, common, "show", "One application with its reviews", "aloft apply show A-7", Changes::nothing,
        [&common] {
            const json answer = ask(common.site().socket, {{"op", "application.show"}, {"id", id}}).body;
            print(common, answer, answer.at("application").dump(2));
        });
    show->add_option("application", id)->required();
    CLI::App* withdraw =
        add_verb(*apply, common, "withdraw", "Take an application back", "aloft apply withdraw A-7",
                 Changes::something, [&common] {
                     const json request = {{"op", "application.withdraw"}, {"id", id}};
                     if (!only_tells(common, request))
                         print(common, ask(common.site().socket, request).body, tr("{} is withdrawn", id));
                 });
    withdraw->add_option("application", id)->required();
}

void add_review(CLI::App& app, Common& common) {
    CLI::App* review = app.add_subcommand("review", "Decide on applications (members of the four groups)");
    review->require_subcommand(1);
    add_verb(*review, common, "list", "Applications that wait for a decision", "aloft review list",
             Changes::nothing, [&common] {
                 json waiting = json::array();
                 const json rows = list_of(common, "application.list").rows;
                 for (const json& row : rows)
                     if (row.at("state") == "in-review") waiting.push_back(row);
                 print_rows(
                     common, "applications", waiting,
                     {"application", "account", "enclave", "datasets", "waiting_for", "submitted", "title"});
             });
    static std::string id, group, reason;
    static bool approve = false, reject = false;
    CLI::App* decide =
        add_verb(*review, common, "decide", "Approve or reject for one group",
                 "aloft review decide A-7 --group legal --approve --reason \"annex B covers it\"",
                 Changes::something, [&common] {
                     const json request = {{"op", "review.decide"},
                                           {"id", id},
                                           {"group", group},
                                           {"decision", approve ? "approve" : "reject"},
                                           {"reason", reason}};
                     if (only_tells(common, request)) return;
                     const json answer = ask(common.site().socket, request).body;
                     print(common, answer, tr("{} is {}", id, answer.at("state").get<std::string>()));
                 });
    decide->add_option("application", id)->required();
    decide->add_option("--group", group, "For which group you decide")
        ->required()
        ->check(CLI::IsMember({"technical", "legal", "platform", "research"}));
    auto* decision = decide->add_option_group("decision", "One of");
    decision->add_flag("--approve", approve);
    decision->add_flag("--reject", reject);
    decision->require_option(1);
    decide->add_option("--reason", reason, "Why; the applicant reads it")->required();
}

}  // namespace jobs
