#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/base/message.h"
#include "core/base/tool.h"
#include "jobs/cli/commands.h"
#include "jobs/cli/top.h"

namespace {

// `aloft stage ...` is aloft-stage, the way git does it: beside this program, else in PATH. Returns only on
// failure.
int become(const char* verb, int count, char** arguments) {
    const std::string name = std::string("aloft-") + verb;
    std::error_code error;
    const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
    const std::string beside = (self.parent_path() / name).string();
    std::string first = name;
    arguments[0] = first.data();
    if (!error) ::execv(beside.c_str(), arguments);
    ::execvp(name.c_str(), arguments);
    return core::tell_failure(
        count, arguments, core::Fault::system,
        core::with_errno("cannot start " + name + "; is it installed on this host?", errno));
}

// Catalogues of messages lie beside the program, where it is installed and where it is built. Nothing if it is not known where that is.
std::filesystem::path languages() {
    std::error_code error;
    const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
    if (error || !self.is_absolute()) return {};
    return self.parent_path().parent_path() / "share/locale";
}

}  // namespace

int main(int argc, char** argv) {
    for (const char* verb : {"stage", "train"})
        if (argc > 1 && std::strcmp(argv[1], verb) == 0) return become(verb, argc - 1, argv + 1);
    if (const auto folder = languages(); !folder.empty()) core::speak_as_asked(folder);
    CLI::App app{
        jobs::tr("Apply for data, train on it inside an enclave, and take results out with two approvals. "
                 "Every step is in the ledger.")};
    app.footer(
        jobs::tr("Also:  aloft stage ... (aloft-stage: deliveries to shards)   aloft train ... (aloft-train: "
                 "training)\n"
                 "Begin: aloft catalogue list;  aloft apply create --out question.toml;  aloft submit -- "
                 "PROGRAM ..."));
    app.require_subcommand(1);
    jobs::Common common;
    app.add_option("--site", common.site_file, "The site's configuration")
        ->type_name("FILE")
        ->default_str("/etc/aloft/site.toml");
    jobs::add_catalogue(app, common);
    jobs::add_apply(app, common);
    jobs::add_review(app, common);
    jobs::add_grant(app, common);
    jobs::add_submit(app, common);
    jobs::add_shell(app, common);
    jobs::add_watch(app, common);
    jobs::add_release(app, common);
    jobs::add_usage(app, common);
    jobs::add_top(app, common);
    jobs::add_audit(app, common);
    jobs::add_admin(app, common);
    jobs::add_doctor(app, common);
    return core::run_tool(app, argc, argv, [&] { common.run(); });
}
