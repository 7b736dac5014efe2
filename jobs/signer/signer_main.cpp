#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/error.h"
#include "core/base/event.h"
#include "core/base/files.h"
#include "core/base/journal.h"
#include "core/base/started.h"
#include "core/base/time.h"
#include "core/base/tool.h"
#include "jobs/signer/signer.h"

namespace {

// Looking costs a few small reads.
constexpr int kEveryMilliseconds = 100;

}  // namespace

int main(int argc, char** argv) {
    core::log_to_journal();
    CLI::App app{
        "Signs what Aloft publishes: grants, enclave policies and the list of what counts now. Takes no "
        "requests; "
        "reads what aloftd found out. Runs beside aloftd, as the same account. Ends on SIGTERM.\n"
        "Example:  setpriv --reuid aloft --regid aloft --clear-groups aloft-sign"};
    std::filesystem::path site_file;
    app.add_option("--site", site_file, "The site's configuration")
        ->type_name("FILE")
        ->default_str("/etc/aloft/site.toml");
    return core::run_tool(app, argc, argv, [&] {
        if (::geteuid() == 0)
            throw core::Error(core::Fault::refused,
                              "aloft-sign does not run as root; start it as aloftd's account (see --help)");
        core::forbid_core_dumps();
        ::umask(022);
        const core::Fd signals = core::end_signals();
        const core::Site site = core::Site::load(site_file);
        jobs::Signer signer(site);
        core::MetricsFile metrics(site, "aloft-sign");
        core::Event("info", "aloft_sign_ready");
        std::string trouble;
        pollfd ended{signals.get(), POLLIN, 0};
        do {
            std::string now_wrong;
            try {
                signer.make_round(core::now_seconds());
            } catch (const std::exception& e) {
                now_wrong = e.what();
                if (now_wrong != trouble) core::Event("error", "not_signed").with("text", now_wrong);
            }
            if (now_wrong.empty() && !trouble.empty()) core::Event("info", "signed_again");
            trouble = now_wrong;
            core::tell_started();
            metrics.save_if_due(trouble.empty(), [&] { return signer.metrics(trouble.empty()); });
        } while (::poll(&ended, 1, kEveryMilliseconds) <= 0);
        core::end_log_to_journal();
        core::Event("info", "aloft_sign_ended");
    });
}
