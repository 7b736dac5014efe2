#include <sys/stat.h>
#include <unistd.h>

#include <iostream>

#include "core/base/error.h"
#include "core/base/event.h"
#include "core/base/journal.h"
#include "core/base/started.h"
#include "core/base/tool.h"
#include "core/keys/keys.h"
#include "jobs/service/service.h"

int main(int argc, char** argv) {
    core::log_to_journal();
    CLI::App app{
        "The service behind `aloft`: the only writer of the ledger. Runs on the login host, as an account of "
        "its own that owns "
        "site.state and can write site.published, site.released and site.spool. Ends on SIGTERM.\n"
        "Example:  setpriv --reuid aloft --regid aloft --clear-groups aloftd"};
    std::filesystem::path site_file;
    bool rebuild = false;
    std::string table;
    jobs::LossDecision loss;
    app.add_option("--site", site_file, "The site's configuration")
        ->type_name("FILE")
        ->default_str("/etc/aloft/site.toml");
    app.add_flag("--rebuild", rebuild, "Make the state again from the ledger's first record, then serve");
    auto* accept =
        app.add_option(
               "--accept-loss", loss.reason,
               "Give up, for this reason, the records that this ledger lacks or may lack: it is recorded, "
               "every grant is "
               "revoked, every enclave suspended, every sealed key withdrawn, every open release and "
               "application too; then serve")
            ->type_name("REASON")
            ->check(CLI::Validator([](const std::string& reason) { return reason.empty() ? "say why" : ""; },
                                   "", ""));
    app.add_option("--up-to", loss.up_to,
                   "The last record number that may have been given, if known; else that of the newest "
                   "witness, or 10000 numbers are passed over")
        ->type_name("NUMBER")
        ->needs(accept);
    app.add_option("--operations", table, "Print the table of operations, and serve nothing")
        ->type_name("FORMAT")
        ->check(CLI::IsMember({"markdown", "json"}));
    return core::run_tool(app, argc, argv, [&] {
        if (!table.empty()) {
            std::cout << (table == "json" ? jobs::operations_json().dump() + "\n"
                                          : jobs::operations_markdown());
            return;
        }
        if (::geteuid() == 0)
            throw core::Error(core::Fault::refused,
                              "aloftd does not run as root; start it as its own account (see --help)");
        core::forbid_core_dumps();
        ::umask(022);
        const core::Site site = core::Site::load(site_file);
        jobs::Service service(site, rebuild,
                              loss);  // first: its lock tells whether the socket is another aloftd's
        jobs::Server server(site.socket);
        core::Event("info", "aloftd_ready").with("socket", site.socket.string());
        core::tell_started();
        service.serve(server);
        core::end_log_to_journal();
        core::Event("info", "aloftd_ended");
    });
}
