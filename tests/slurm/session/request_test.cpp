#include "slurm/session/request.h"

#include <catch2/catch.hpp>
#include <cstdlib>

#include "core/base/error.h"

using slurm::parse_request;
using What = slurm::Request::What;

TEST_CASE("a session begins without arguments, or with one command") {
    CHECK(parse_request({}, {}).what == What::shell);
    const auto command = parse_request({"-c", "sbatch --wrap 'a b'"}, {});
    CHECK(command.what == What::command);
    CHECK(command.command == "sbatch --wrap 'a b'");
}

TEST_CASE("as ForceCommand it runs what the person asked for") {
    const std::map<std::string, std::string> asked{{"SSH_ORIGINAL_COMMAND", "aloft jobs"}};
    CHECK(parse_request({}, asked).command == "aloft jobs");
    // sshd hands its ForceCommand to the login shell, which may be this program too.
    CHECK(parse_request({"-c", slurm::kSession}, asked).command == "aloft jobs");
    CHECK(parse_request({"-c", slurm::kSession}, {}).what == What::shell);
    // A login shell's own argument stands; the variable could be anybody's.
    CHECK(parse_request({"-c", "true"}, asked).command == "true");
}

TEST_CASE("every other argument is refused") {
    for (const std::vector<std::string>& arguments : {std::vector<std::string>{"-c"},
                                                      {"-c", "a", "b"},
                                                      {"-l"},
                                                      {"--norc"},
                                                      {"script"},
                                                      {"-c", "a", "--check"},
                                                      {"--check", "x"},
                                                      {"--report"},
                                                      {"--report", "--check"},
                                                      {"--check", "--report", "x"},
                                                      {"-lc", "a"},
                                                      {""}})
        CHECK_THROWS_AS(parse_request(arguments, {}), core::Error);
}

TEST_CASE("of the environment only plain words of two variables stay") {
    const auto request = parse_request({}, {{"TERM", "xterm-256color"},
                                            {"LANG", "C.UTF-8"},
                                            {"LD_PRELOAD", "/tmp/x.so"},
                                            {"BASH_ENV", "/tmp/x"}});
    CHECK(request.variables ==
          std::map<std::string, std::string>{{"LANG", "C.UTF-8"}, {"TERM", "xterm-256color"}});
    CHECK(parse_request({}, {{"TERM", "../../x"}, {"LANG", std::string(65, 'a')}}).variables.empty());
    CHECK(parse_request({}, {{"TERM", ""}}).variables.empty());
}

TEST_CASE("the process's own environment is emptied") {
    ::setenv("LD_PRELOAD", "/tmp/x.so", 1);
    ::setenv("TERM", "dumb", 1);
    ::setenv("PATH", "/tmp", 1);
    const auto taken = slurm::take_environment();
    CHECK(taken.at("TERM") == "dumb");
    CHECK(taken.count("LD_PRELOAD") == 0);
    CHECK(std::getenv("LD_PRELOAD") == nullptr);
    CHECK(std::getenv("TERM") == nullptr);
    CHECK(std::string(std::getenv("PATH")) == "/usr/bin:/bin");
}

TEST_CASE("programs that copy files are refused, however a session is asked for them") {
    for (const char* command : {"scp -f results", "/usr/lib/openssh/sftp-server", "internal-sftp -l INFO",
                                "rsync --server --sender . results", "/usr/bin/rsync", "scp"}) {
        CHECK_THROWS_WITH(slurm::parse_request({}, {{"SSH_ORIGINAL_COMMAND", command}}),
                          Catch::Contains("aloft release"));
        CHECK_THROWS_WITH(slurm::parse_request({"-c", command}, {}), Catch::Contains("aloft release"));
    }
    for (const char* command : {"cat scp", "scpx", "./sftp/run", "aloft jobs"})
        CHECK(slurm::parse_request({"-c", command}, {}).command == command);
}
