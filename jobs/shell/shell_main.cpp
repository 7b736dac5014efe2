#include <cstdlib>

#include "core/base/error.h"
#include "core/base/tool.h"
#include "jobs/shell/exchange.h"
#include "jobs/shell/shell.h"

int main(int argc, char** argv) {
    CLI::App app{
        "The end of `aloft shell` that runs in the job: a shell that takes its lines from a file of the "
        "workspace, and prints to another. `aloft shell` submits it."};
    std::int64_t idle = 30;
    std::string token;
    std::vector<std::string> program;
    app.add_option("--idle", idle, "Minutes without anybody attached after which it ends")
        ->capture_default_str()
        ->check(CLI::Range(1, 10000000));
    app.add_option("--token", token, "The folder's, as aloft shell drew it")->required();
    app.add_option("program", program, "What to run instead of bash, after --");
    int code = 0;
    const int said = core::run_tool(app, argc, argv, [&] {
        const char* number = std::getenv("SLURM_JOB_ID");
        const std::string job = number ? number : "";
        if (job.empty() || job.find_first_not_of("0123456789") != std::string::npos)
            throw core::Error(core::Fault::usage, "this is a job's own end: type aloft shell");
        if (!jobs::shell::is_token(token))
            throw core::Error(core::Fault::usage, "--token: expected eight hexadecimal digits");
        code = jobs::shell::serve(
            {jobs::shell::folder_of("/aloft/workspace", job, token), program, std::chrono::minutes(idle)});
        // Upon that code Slurm would begin another shell, with nobody attached.
        if (code == static_cast<int>(core::Fault::requeue)) code = 1;
    });
    return said ? said : code;
}
