#include <linux/magic.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "core/base/error.h"
#include "core/base/event.h"
#include "core/base/files.h"
#include "core/base/journal.h"
#include "core/base/started.h"
#include "core/base/tool.h"
#include "slurm/mirror/metrics.h"

namespace {

constexpr std::chrono::seconds kLimit{20};  // a shared file system that is slow is not one that hangs

// Root's own, and gone with the power: what is here was verified on this host since it started.
void make_mirror(const core::Site& site) {
    core::make_directories(site.mirror, 0755);
    struct stat owner {};
    struct statfs kind {};
    if (::lstat(site.mirror.c_str(), &owner) || !S_ISDIR(owner.st_mode) || owner.st_uid != 0 ||
        (owner.st_mode & 022))
        throw core::Error(core::Fault::refused,
                          site.mirror.string() + " is not a folder that only root writes");
    if (::statfs(site.mirror.c_str(), &kind) || (kind.f_type != TMPFS_MAGIC && kind.f_type != RAMFS_MAGIC))
        throw core::Error(core::Fault::refused, site.mirror.string() + " is not on a tmpfs");
}

}  // namespace

int main(int argc, char** argv) {
    core::log_to_journal();
    CLI::App app{
        "Keeps this host's own copy of what Aloft publishes, verified, on a tmpfs: slurmctld, Prolog and the "
        "agent read "
        "nothing else, so a shared file system that hangs cannot hang them. Runs as root on every host; ends "
        "on "
        "SIGTERM.\nExample:  aloft-mirror"};
    std::filesystem::path site_file;
    int every = 1;
    bool once = false;
    app.add_option("--site", site_file, "The site's configuration")
        ->type_name("FILE")
        ->default_str("/etc/aloft/site.toml");
    app.add_option("--every", every, "Seconds between two looks")
        ->capture_default_str()
        ->check(CLI::Range(1, 3600));
    app.add_flag("--once", once, "Copy once and end; exit code 4 or 5 if there is nothing good to copy");
    return core::run_tool(app, argc, argv, [&] {
        if (::geteuid() != 0)
            throw core::Error(core::Fault::refused,
                              "aloft-mirror runs as root: nobody else may write what it keeps");
        const core::Site site = core::Site::load(site_file);
        make_mirror(site);
        if (once) return slurm::mirror_once(site);
        try {
            slurm::recall(site);
        } catch (const core::Error& e) {
            core::Event("warning", "nothing_recalled").with("text", e.what());
        }
        const core::Fd signals = core::end_signals();
        slurm::Attempts attempts([&] { slurm::mirror_once(site); }, kLimit);
        core::Event("info", "aloft_mirror_ready").with("mirror", site.mirror.string());
        pollfd ended{signals.get(), POLLIN, 0};
        core::MetricsFile metrics(site, "aloft-mirror");
        do {
            attempts.tick();
            metrics.save_if_due(true, [&] { return slurm::mirror_metrics(site, attempts); });
            if (attempts.started() > 1 || attempts.is_stuck()) core::tell_started();  // the first is over
        } while (::poll(&ended, 1, every * 1000) <= 0);
        core::end_log_to_journal();
        core::Event("info", "aloft_mirror_ended");
    });
}
