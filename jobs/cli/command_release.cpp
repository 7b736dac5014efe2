// aloft release: the one way out.
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/message.h"
#include "core/base/split.h"
#include "core/policy/enclave.h"
#include "jobs/cli/commands.h"
#include "jobs/cli/recognised.h"
#include "jobs/release/desk.h"
#include "jobs/release/release_copies.h"
#include "jobs/wire/channel.h"

namespace jobs {

using core::Error;
using core::failure;
using core::Fault;
using nlohmann::json;

namespace {

constexpr int kLongSeconds = 3600;  // models are copied, judged and written anew while one waits

std::string number(const json& object, const char* key) {
    return printable(object.value(key, json(0)));
}

// Files as they leave, then what the checks saw.
std::string describe(const json& release) {
    std::string out;
    for (const json& file : release.at("files")) {
        out += printable(file.at("sha256")) + "  " + printable(file.at("name")) + "  (" +
               tr("{}, {} bytes, at most {} bits", printable(file.at("type")), number(file, "bytes"),
                  number(file, "bits"));
        if (const auto author = file.find("author"); author != file.end())
            out += tr("; made from {}", printable(author->at("name")));
        out += ")\n";
    }
    for (const json& finding : release.at("findings"))
        out += printable(finding.at("weight")) + ": [" + printable(finding.at("code")) + "] " +
               printable(finding.at("file")) + ": " +
               printable(recognised_finding(finding.at("text").get<std::string>())) + "\n";
    if (release.contains("budget"))
        out += tr("at most {} bits; of the {} that may leave under the application in a year, {} are left",
                  number(release, "bits"), number(release.at("budget"), "limit_bits"),
                  number(release.at("budget"), "left_bits")) +
               "\n";
    if (release.contains("approval") && !release.at("files").empty())
        out += tr("to approve: --sha256 {}", printable(release.at("approval"))) + "\n";
    return out;
}

std::vector<std::string> names_of(const std::vector<std::filesystem::path>& files) {
    std::vector<std::string> names;
    for (const auto& file : files) names.push_back(file.filename().string());
    check_names(names);
    return names;
}

struct CheckOptions {
    std::vector<std::filesystem::path> files;
    std::string title, enclave;
    std::vector<std::string> datasets;
    std::filesystem::path out;
    bool show = false;
};

// What aloftd's gate would say, without aloftd: the same library. It knows neither earlier releases nor what is left
// of the budget, and draws the weights with a secret of its own, so that their hash is another one.
void check(const Common& common, const CheckOptions& options) {
    const core::Site site = common.site();
    const ReleaseRules rules = ReleaseRules::load(site.config / "release.toml");
    const core::TemporaryFolder scratch("aloft-check");  // copies of an enclave's files do not stay behind
    core::make_directories(scratch.path() / "author", 0700);
    const std::vector<std::string> names = names_of(options.files);
    std::vector<core::Fd> opened;
    for (const auto& file : options.files) opened.push_back(core::open_regular(file));
    const auto copies = copy_in(opened, names, scratch.path() / "author", {}, rules);
    const core::Bytes secret(32, 0);
    const Judged judged =
        judge(scratch.path(), copies, options.title,
              context_of(rules, options.enclave, options.datasets, site.datasets, {}), secret);
    json files = json::array();
    for (const LeavingFile& file : judged.files) files.push_back(to_json(file));
    std::string shown;
    if (!judged.refused())
        for (const LeavingFile& file : judged.files) {
            const auto text = core::read_text(scratch.path() / "rendered" / (file.name + ".txt"));
            if (options.show) shown += "\n" + file.name + ":\n" + printable_text(text);
            if (!options.out.empty()) {
                core::make_directories(options.out, 0700);
                std::filesystem::copy_file(scratch.path() / "canonical" / file.name, options.out / file.name,
                                           std::filesystem::copy_options::overwrite_existing);
            }
        }
    const json answer = {{"refused", judged.refused()},
                         {"title", judged.title},
                         {"files", files},
                         {"findings", to_json(judged.findings)},
                         {"bits", judged.bits}};
    const std::string words =
        options.datasets.empty() ? "" : " " + tr("(words of {})", core::joined(options.datasets));
    print(common, answer,
          judged.refused()
              ? tr("this would be refused{}:", words) + "\n" + describe(answer)
              : tr("nothing would be refused{}, at most {} bits; as it would leave:", words, judged.bits) +
                    "\n" + describe(answer) + shown);
    if (judged.refused())
        throw failure(Fault::refused, "the release would be refused: mend what is listed and check again");
}

void request(const Common& common, const std::vector<std::filesystem::path>& files,
             const std::string& title) {
    std::vector<core::Fd> opened;
    std::vector<int> descriptors;
    const std::vector<std::string> names = names_of(files);
    for (const auto& file : files) {
        opened.push_back(core::open_regular(file));
        descriptors.push_back(opened.back().get());
    }
    const json body = {{"op", "release.request"}, {"title", title}, {"names", names}};
    const json answer = ask(common.site().socket, body, descriptors, kLongSeconds).body;
    print(common, answer,
          tr("{} is in review, as \"{}\":", printable(answer.at("release")), printable(answer.at("title"))) +
              "\n" + describe(answer));
}

// Every file of a release as it leaves, or one. aloftd records who looked at what.
void view(const Common& common, const std::string& id, const std::string& only) {
    const auto socket = common.site().socket;
    const json facts = ask(socket, {{"op", "release.show"}, {"id", id}}).body.at("release");
    json views = json::array();
    std::string text = id + ": " + printable(facts.at("title")) + "\n" + describe(facts);
    for (const json& file : facts.at("files")) {
        if (!only.empty() && file.at("name") != only) continue;
        const json one = ask(socket, {{"op", "release.view"}, {"id", id}, {"name", file.at("name")}}).body;
        text += "\n" + printable(file.at("name")) + ":\n" + printable_text(one.at("text").get<std::string>());
        views.push_back({{"file", one.at("file")}, {"text", one.at("text")}});
        if (file.at("type") == "png")
            text += tr("to see it: {}", "aloft release view " + id + " --picture " +
                                            printable(file.at("name")) + " --output FILE") +
                    "\n";
    }
    if (views.empty()) throw failure(Fault::usage, "{} has no such file; see: aloft release show {}", id, id);
    print(common, {{"release", id}, {"approval", facts.at("approval")}, {"views", views}}, text);
}

// A picture's pixels as they would leave, into a file of the reviewer's own. What is written has the digest that the approval is
// made from; aloftd records who looked.
void view_picture(const Common& common, const std::string& id, const std::string& name,
                  const std::filesystem::path& output) {
    const auto is_there = [&] {
        return failure(Fault::usage, "{} is there already: name a new file", output.string());
    };
    std::error_code none;
    if (std::filesystem::exists(std::filesystem::symlink_status(output, none))) throw is_there();
    core::AtomicFile file(output, 0600);  // before anything is on record
    const json facts = ask(common.site().socket, {{"op", "release.show"}, {"id", id}}).body.at("release");
    const json answer =
        ask(common.site().socket, {{"op", "release.view"}, {"id", id}, {"name", name}, {"form", "picture"}},
            {}, kLongSeconds)
            .body;
    const core::Bytes picture = core::from_base64(answer.at("picture").get<std::string>());
    const std::string hash = core::to_hex(core::sha256(picture));
    const json& files = facts.at("files");
    if (std::none_of(files.begin(), files.end(),
                     [&](const json& one) { return one.at("name") == name && one.at("sha256") == hash; }))
        throw failure(Fault::data, "{} of {} is not what is to be approved: its digest is another", name, id);
    file.write(picture);
    if (!file.commit_new()) throw is_there();
    print(common,
          {{"release", id},
           {"approval", facts.at("approval")},
           {"views", json::array({{{"file", answer.at("file")}, {"output", output.string()}}})}},
          tr("{}, sha256 {}, is in {}: look at it", name, hash, output.string()) + "\n" +
              tr("to approve: --sha256 {}", printable(facts.at("approval"))));
}

// What a check may know of the caller's own account, where this host tells it.
void fill_in(const Common& common, CheckOptions& options) {
    if (options.enclave.empty()) {
        try {
            const struct passwd* entry = ::getpwuid(::getuid());
            if (const auto enclave = core::enclave_of_account(common.site(), entry ? entry->pw_name : ""))
                options.enclave = enclave->name;
        } catch (
            const Error&) {  // policies are not for everybody's eyes: then the words of all enclaves hold
        }
    }
    if (!options.datasets.empty()) return;
    try {
        const json grants = list_of(common, "grant.list").rows;
        if (!grants.empty()) options.datasets = grants.back().at("datasets").get<std::vector<std::string>>();
    } catch (const std::exception&) {  // no aloftd here: --dataset says it
    }
}

}  // namespace

void add_release(CLI::App& app, Common& common) {
    CLI::App* release = app.add_subcommand(
        "release", "Take a model or metrics out of the enclave: checks, two reviewers, a package");
    release->require_subcommand(1);
    static CheckOptions options;
    static std::string id, reason, name, picture, output;
    static std::vector<std::string> hashes;
    static bool approve = false, reject = false;
    CLI::App* look = add_verb(
        *release, common, "check",
        "Say what the gate would write and what it would refuse, before asking; exit 5 if something would be",
        "aloft release check /aloft/workspace/out/metrics.json --dataset digits@1 --show", Changes::nothing,
        [&common] {
            fill_in(common, options);
            check(common, options);
        });
    look->add_option("files", options.files, "Files that you want to release")->required();
    look->add_option("--title", options.title, "As in the request")->default_val("a first look");
    look->add_option("--dataset", options.datasets, "NAME@VERSION whose words may leave (once for each)")
        ->allow_extra_args(false);
    look->add_option("--enclave", options.enclave, "Whose words may leave");
    look->add_option("--out", options.out, "Folder for what would leave");
    look->add_flag("--show", options.show, "Print it as the reviewers will see it");
    CLI::App* ask_for = add_verb(
        *release, common, "request",
        "Ask for the release of files; what leaves is written anew from aloftd's copies",
        "aloft release request /aloft/workspace/out/model.safetensors --title \"digits, first model\"",
        Changes::something, [&common] {
            if (!common.dry_run) return request(common, options.files, options.title);
            fill_in(common, options);
            check(common, options);
        });
    ask_for
        ->add_option("files", options.files,
                     "Files from your workspace; aloft release check says what may leave")
        ->required();
    ask_for->add_option("--title", options.title, "What it is, for the reviewers and the package")
        ->required();
    add_verb(*release, common, "list", "Your releases (reviewers: all)", "aloft release list",
             Changes::nothing, [&common] {
                 print_rows(common, "releases", list_of(common, "release.list").rows,
                            {"release", "account", "enclave", "state", "requested", "bits", "title"});
             });
    CLI::App* show = add_verb(
        *release, common, "show", "Files, hashes, bits, findings and reviews of one release",
        "aloft release show R-31", Changes::nothing, [&common] {
            const json answer = ask(common.site().socket, {{"op", "release.show"}, {"id", id}}).body;
            const json& facts = answer.at("release");
            print(common, facts,
                  tr("{} is {}: {}", id, printable(facts.at("state")), printable(facts.at("title"))) + "\n" +
                      describe(facts));
        });
    show->add_option("release", id)->required();
    CLI::App* viewed = add_verb(
        *release, common, "view",
        "Print what would leave, file by file (release reviewers); who looked is recorded",
        "aloft release view R-31", Changes::nothing,
        [&common] { picture.empty() ? view(common, id, name) : view_picture(common, id, picture, output); });
    viewed->add_option("release", id)->required();
    CLI::Option* of_file =
        viewed->add_option("--file", name, "This file alone, by its name in aloft release show");
    CLI::Option* drawn =
        viewed->add_option("--picture", picture,
                           "This picture, to look at: its pixels as they would leave, written to --output");
    CLI::Option* to =
        viewed->add_option("--output", output, "New file for the picture, for you alone to read");
    drawn->needs(to)->excludes(of_file);
    to->needs(drawn);
    CLI::App* review = add_verb(
        *release, common, "review", "Approve or reject; approving names the hash of title, names and files",
        "aloft release review R-31 --approve --sha256 HASH --reason \"aggregates only\"", Changes::something,
        [&common] {
            json body = {{"op", "release.review"},
                         {"id", id},
                         {"decision", approve ? "approve" : "reject"},
                         {"reason", reason}};
            if (approve) body["sha256"] = hashes;
            if (only_tells(common, body)) return;
            const json answer = ask(common.site().socket, body).body;
            print(common, answer, tr("{} is {}", id, printable(answer.at("state"))));
        });
    review->add_option("release", id)->required();
    auto* decision = review->add_option_group("decision", "One of");
    decision->add_flag("--approve", approve);
    decision->add_flag("--reject", reject);
    decision->require_option(1);
    review->add_option("--sha256", hashes, "The hash that aloft release view prints")
        ->allow_extra_args(false);
    review->add_option("--reason", reason, "Why; it stands in the package")->required();
    CLI::App* withdraw =
        add_verb(*release, common, "withdraw", "Take a request back", "aloft release withdraw R-31",
                 Changes::something, [&common] {
                     const json body = {{"op", "release.withdraw"}, {"id", id}};
                     if (!only_tells(common, body))
                         print(common, ask(common.site().socket, body).body, tr("{} is withdrawn", id));
                 });
    withdraw->add_option("release", id)->required();
    CLI::App* take = add_verb(*release, common, "export", "Make the package of an approved release",
                              "aloft release export R-31", Changes::something, [&common] {
                                  const json body = {{"op", "release.export"}, {"id", id}};
                                  if (only_tells(common, body)) return;
                                  const json answer = ask(common.site().socket, body, {}, kLongSeconds).body;
                                  print(common, answer, printable(answer.at("package")));
                              });
    take->add_option("release", id)->required();
}

}  // namespace jobs
