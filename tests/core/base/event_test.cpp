#include "core/base/event.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <cstring>
#include <string>

#include "core/base/files.h"
#include "core/base/journal.h"
#include "tests/support/scratch.h"

namespace {

template <class Work>
std::string stderr_of(Work work) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const int saved = ::dup(STDERR_FILENO);
    ::dup2(ends[1], STDERR_FILENO);
    work();
    ::dup2(saved, STDERR_FILENO);
    ::close(saved);
    ::close(ends[1]);
    std::string all(4096, '\0');
    all.resize(static_cast<std::size_t>(::read(ends[0], all.data(), all.size())));
    ::close(ends[0]);
    return all;
}

}  // namespace

TEST_CASE("an event is one line, with its time, level, name and fields") {
    const std::string line =
        stderr_of([] { core::Event("info", "shard_written").with("shard", 12).with("seconds", 3.1); });
    CHECK(line.substr(20) == " info shard_written shard=12 seconds=3.1\n");
    CHECK(line[19] == 'Z');
}

TEST_CASE("no value can forge a second line or a second field") {
    const std::string line =
        stderr_of([] { core::Event("error", "e").with("text", "a\nb=\"c\" \xe7\x8e\x8b"); });
    CHECK(line.substr(20) == " error e text=\"a\\x0ab=\\\"c\\\" \\xe7\\x8e\\x8b\"\n");
}

TEST_CASE("quiet silences information, never trouble") {
    core::set_quiet(true);
    CHECK(stderr_of([] {
              core::Event("warning", "w");
              core::Event("info", "i");
          }).find(" i\n") == std::string::npos);
    CHECK(stderr_of([] { core::Event("warning", "w"); }).find("warning w") != std::string::npos);
    core::set_quiet(false);
}

TEST_CASE("a service's events are entries of the journal with fields, where stderr is the journal's") {
    const test::Scratch folder;
    const std::string path = folder / "socket";
    const core::Fd journal(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    REQUIRE(::bind(journal.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    const auto entry = [&] {
        std::string all(4096, '\0');
        const ssize_t size = ::recv(journal.get(), all.data(), all.size(), 0);
        return all.substr(0, static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    };
    const auto tell = [] {
        core::Event("warning", "job_refused").with("job", 7).with("text", "a=\"b\" \\ c\nd");
    };
    const auto as_the_journal = [&](auto work) {
        return stderr_of([&] {
            struct stat about {};
            REQUIRE(::fstat(STDERR_FILENO, &about) == 0);
            ::setenv("JOURNAL_STREAM", fmt::format("{}:{}", about.st_dev, about.st_ino).c_str(), 1);
            work();
            ::unsetenv("JOURNAL_STREAM");
        });
    };
    const std::string line = " warning job_refused job=7 text=\"a=\\\"b\\\" \\\\ c\\x0ad\"\n";

    CHECK(as_the_journal(tell).substr(20) == line);  // not asked for
    core::log_to_journal(path);
    CHECK(stderr_of(tell).substr(20) == line);  // not the journal's
    CHECK(entry().empty());

    CHECK(as_the_journal([&] {
              tell();
              core::Event("info", "ready");
              core::Event("error", "e").with("on", "x y");
          }).empty());
    const std::string told = entry();
    CHECK(told.starts_with("MESSAGE=" + line.substr(1) + "PRIORITY=4\nSYSLOG_IDENTIFIER="));
    CHECK(told.ends_with("\nALOFT_EVENT=job_refused\nALOFT_JOB=7\nALOFT_TEXT=a=\"b\" \\ c\\x0ad\n"));
    CHECK(entry().ends_with("\nALOFT_EVENT=ready\n"));
    CHECK(entry().ends_with("\nALOFT_EVENT=e\nALOFT_ON=x y\n"));

    // Whose process may be gone when the journal asks whose it is: a line on stderr, with its priority.
    const auto in_a_child = [&] {
        const pid_t child = ::fork();
        if (child == 0) {
            tell();
            ::_exit(0);
        }
        ::waitpid(child, nullptr, 0);
    };
    CHECK(as_the_journal(in_a_child).substr(23) == line);
    std::filesystem::remove(path);  // a journal that is gone
    const std::string told_on_stderr = as_the_journal(tell);
    CHECK(told_on_stderr.starts_with("<4>"));
    CHECK(told_on_stderr.substr(23) == line);
    core::end_log_to_journal();
    CHECK(as_the_journal(tell).starts_with("<4>"));
    CHECK(entry().empty());
    core::log_to_journal("");
}
