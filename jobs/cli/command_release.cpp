// aloft release: the one way out.
#include <unistd.h>

#include <iostream>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/policy/names.h"
#include "jobs/wire/channel.h"
#include "jobs/cli/commands.h"

namespace jobs {

using core::Error;
using core::Fault;
using nlohmann::json;

namespace {

constexpr int kLongSeconds = 3600;  // models are copied, hashed and checked while one waits

std::string describe(const json& release) {
    std::string out;
    for (const json& file : release.at("files"))
        out += file.at("sha256").get<std::string>() + "  " + file.at("name").get<std::string>() + "  (" +
               file.at("type").get<std::string>() + ", " +
               std::to_string(file.at("bytes").get<std::uint64_t>()) + " bytes)\n";
    for (const json& finding : release.at("findings"))
        out += finding.at("weight").get<std::string>() + ": " + finding.at("file").get<std::string>() + ": " +
               finding.at("text").get<std::string>() + "\n";
    return out;
}

void request(const Common& common, const std::vector<std::filesystem::path>& files,
             const std::string& title) {
    std::vector<core::Fd> opened;
    std::vector<int> descriptors;
    json names = json::array();
    for (const auto& file : files) {
        opened.push_back(core::open_regular(file));
        descriptors.push_back(opened.back().get());
        names.push_back(file.filename().string());
        core::check_plain_name(file.filename().string(), "a file's name");
    }
    const json body = {{"op", "release.request"}, {"title", title}, {"names", names}};
    if (only_tells(common, body)) return;
    const json answer = ask(common.site().socket, body, descriptors, kLongSeconds).body;
    print(common, answer, answer.at("release").get<std::string>() + " is in review:\n" + describe(answer));
}

void fetch(const Common& common, const std::string& id, const std::filesystem::path& out) {
    const Answer answer = ask(common.site().socket, {{"op", "release.fetch"}, {"id", id}});
    const json& files = answer.body.at("files");
    if (files.size() != answer.descriptors.size())
        throw Error(Fault::system, "aloftd did not hand over the files");
    core::make_directories(out, 0700);
    core::Bytes chunk(1 << 20);
    for (std::size_t i = 0; i < files.size(); ++i) {
        const std::string name = files[i].at("name").get<std::string>();
        core::check_plain_name(name, "a file's name");
        core::AtomicFile copy(out / name, 0600);
        core::Sha256 hash;
        off_t at = 0;
        for (ssize_t got; (got = ::pread(answer.descriptors[i].get(), chunk.data(), chunk.size(), at)) > 0;
             at += got) {
            copy.write({chunk.data(), static_cast<std::size_t>(got)});
            hash.update({chunk.data(), static_cast<std::size_t>(got)});
        }
        if (core::to_hex(hash.finish()) != files[i].at("sha256").get<std::string>())
            throw Error(Fault::data,
                        name + ": the copy in quarantine is not what was recorded; tell the admin");
        copy.commit();
    }
    print(common, {{"files", files}, {"out", out.string()}},
          std::to_string(files.size()) + " files in " + out.string());
}

}  // namespace

void add_release(CLI::App& app, Common& common) {
    CLI::App* release = app.add_subcommand(
        "release", "Take a model or metrics out of the enclave: checks, two reviewers, a package");
    release->require_subcommand(1);
    static std::vector<std::filesystem::path> files;
    static std::string id, title, reason;
    static std::vector<std::string> hashes;
    static std::filesystem::path out;
    static bool approve = false, reject = false;
    CLI::App* ask_for = add_verb(
        *release, common, "request", "Ask for the release of files; aloftd judges its own copies of them",
        "aloft release request /aloft/workspace/out/model.safetensors --title \"digits, first model\"",
        Changes::something, [&common] { request(common, files, title); });
    ask_for->add_option("files", files, ".safetensors, .json or .csv, from your workspace")->required();
    ask_for->add_option("--title", title, "What it is, for the reviewers and the package")->required();
    add_verb(*release, common, "list", "Your releases (reviewers: all)", "aloft release list",
             Changes::nothing, [&common] {
                 print_rows(common, "releases",
                            ask(common.site().socket, {{"op", "release.list"}}).body.at("releases"),
                            {"release", "account", "enclave", "state", "requested", "title"});
             });
    CLI::App* show =
        add_verb(*release, common, "show", "Files, hashes, findings and reviews of one release",
                 "aloft release show R-31", Changes::nothing, [&common] {
                     const json answer = ask(common.site().socket, {{"op", "release.show"}, {"id", id}}).body;
                     const json& facts = answer.at("release");
                     print(common, facts,
                           id + " is " + facts.at("state").get<std::string>() + ": " +
                               facts.at("title").get<std::string>() + "\n" + describe(facts));
                 });
    show->add_option("release", id)->required();
    CLI::App* look = add_verb(
        *release, common, "fetch", "Copy the files in quarantine to look at them (release reviewers)",
        "aloft release fetch R-31 --out review", Changes::nothing, [&common] { fetch(common, id, out); });
    look->add_option("release", id)->required();
    look->add_option("--out", out, "Folder for the copies")->required();
    CLI::App* review =
        add_verb(*release, common, "review", "Approve or reject; approving names the SHA-256 of every file",
                 "aloft release review R-31 --approve --sha256 HASH --reason \"aggregates only\"",
                 Changes::something, [&common] {
                     json body = {{"op", "release.review"},
                                  {"id", id},
                                  {"decision", approve ? "approve" : "reject"},
                                  {"reason", reason}};
                     if (approve) body["sha256"] = hashes;
                     if (only_tells(common, body)) return;
                     const json answer = ask(common.site().socket, body).body;
                     print(common, answer, id + " is " + answer.at("state").get<std::string>());
                 });
    review->add_option("release", id)->required();
    auto* decision = review->add_option_group("decision", "One of");
    decision->add_flag("--approve", approve);
    decision->add_flag("--reject", reject);
    decision->require_option(1);
    review->add_option("--sha256", hashes, "SHA-256 of a file you have looked at (once for each file)");
    review->add_option("--reason", reason, "Why; it stands in the package")->required();
    CLI::App* withdraw =
        add_verb(*release, common, "withdraw", "Take a request back", "aloft release withdraw R-31",
                 Changes::something, [&common] {
                     const json body = {{"op", "release.withdraw"}, {"id", id}};
                     if (!only_tells(common, body))
                         print(common, ask(common.site().socket, body).body, id + " is withdrawn");
                 });
    withdraw->add_option("release", id)->required();
    CLI::App* take = add_verb(*release, common, "export", "Make the package of an approved release",
                              "aloft release export R-31", Changes::something, [&common] {
                                  const json body = {{"op", "release.export"}, {"id", id}};
                                  if (only_tells(common, body)) return;
                                  const json answer = ask(common.site().socket, body, {}, kLongSeconds).body;
                                  print(common, answer, answer.at("package").get<std::string>());
                              });
    take->add_option("release", id)->required();
}

}  // namespace jobs
