// aloft-relay: aloftd answers several login hosts, each by a relay of root's. See README.md.
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/error.h"
#include "core/base/event.h"
#include "core/base/journal.h"
#include "core/base/tool.h"
#include "core/keys/keys.h"
#include "jobs/relay/ends.h"

int main(int argc, char** argv) {
    core::log_to_journal();
    CLI::App app{
        "Carries requests of a login host to aloftd on another host, and says who asks. As root: without "
        "options "
        "on a login host, with --serve on aloftd's. Settings: relay.toml beside site.toml. Ends on SIGTERM.\n"
        "Example:  aloft-relay --serve"};
    std::filesystem::path site_file;
    bool serves = false;
    app.add_option("--site", site_file, "The site's configuration")
        ->type_name("FILE")
        ->default_str("/etc/aloft/site.toml");
    app.add_flag("--serve", serves, "This is aloftd's host: take the requests of login hosts to aloftd");
    const int code = core::run_tool(app, argc, argv, [&] {
        if (::geteuid() != 0)
            throw core::Error(core::Fault::refused, "aloft-relay runs as root: aloftd believes nobody else");
        core::forbid_core_dumps();
        ::umask(022);
        ::signal(SIGPIPE, SIG_IGN);
        const core::Fd ended = core::end_signals();
        const core::Site site = core::Site::load(site_file);
        serves ? jobs::run_serve_end(site, ended.get()) : jobs::run_login_end(site, ended.get());
        core::end_log_to_journal();
        core::Event("info", "aloft_relay_ended");
        ::_exit(0);  // requests on the way end with their connections
    });
    return code;
}
