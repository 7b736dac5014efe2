#include "jobs/shell/shell.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include <catch2/catch.hpp>
#include <fstream>
#include <thread>

#include "core/base/error.h"
#include "core/base/files.h"
#include "jobs/shell/exchange.h"
#include "support/scratch.h"

using namespace jobs::shell;
using namespace std::chrono_literals;
using Catch::Contains;
namespace fs = std::filesystem;

namespace {

// A job's end in a process of its own, a person's end in this one.
class Job {
public:
    test::Scratch scratch;
    fs::path folder = folder_of(scratch.path(), "17", "0123abcd");

    explicit Job(std::vector<std::string> program = {}, std::chrono::seconds idle = 600s) {
        pid_ = ::fork();
        if (pid_ == 0) {
            ::setenv("HOME", scratch.path().c_str(), 1);
            int code = 3;
            try {
                code = serve({folder, std::move(program), idle});
            } catch (const core::Error&) {
            }
            ::_exit(code);
        }
        while (!fs::exists(folder / "in")) std::this_thread::sleep_for(10ms);
    }
    ~Job() {
        if (pid_ > 0) ::kill(pid_, SIGKILL), ::waitpid(pid_, nullptr, 0);
    }
    void signal(int number) const { ::kill(pid_, number); }
    int exit_code() {
        int status = 0;
        ::waitpid(std::exchange(pid_, -1), &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }

private:
    pid_t pid_ = -1;
};

// Somebody who types, and what they see.
class Person {
public:
    Person(const Job& job, bool from_start = true, std::string job_is = "") : job_is_(std::move(job_is)) {
        REQUIRE(::pipe(typed_) == 0);
        REQUIRE(::pipe(shown_) == 0);
        reader_ = std::thread([this] {
            char piece[4096];
            for (ssize_t got; (got = ::read(shown_[0], piece, sizeof piece)) > 0;) {
                const std::lock_guard lock(mutex_);
                seen_.append(piece, static_cast<std::size_t>(got));
            }
        });
        attached_ = std::thread([this, &job, from_start] {
            try {
                code = attach({job.folder, typed_[0], shown_[1], from_start, [this] {
                                   return job_is_.empty() ? core::Message{} : core::Message{"{}", {job_is_}};
                               }});
            } catch (const core::Error& e) {
                error = e.what();
            }
            ::close(shown_[1]);
        });
    }
    ~Person() {
        if (typed_[1] >= 0) close();
        leave();
    }
    void type(const std::string& text) { REQUIRE(::write(typed_[1], text.data(), text.size()) > 0); }
    void close() { ::close(std::exchange(typed_[1], -1)); }
    void press(int signal) { ::pthread_kill(attached_.native_handle(), signal); }
    std::string seen() {
        const std::lock_guard lock(mutex_);
        return seen_;
    }
    bool sees(const std::string& text) {
        for (int i = 0; i < 3000; ++i, std::this_thread::sleep_for(10ms))
            if (seen().find(text) != std::string::npos) return true;
        return false;
    }
    void leave() {
        if (attached_.joinable()) attached_.join();
        if (reader_.joinable()) reader_.join();
        for (int* end : {&typed_[0], &typed_[1], &shown_[0]})
            if (*end >= 0) ::close(std::exchange(*end, -1));
    }

    std::optional<int> code;
    std::string error;

private:
    std::string job_is_, seen_;
    std::mutex mutex_;
    int typed_[2] = {-1, -1}, shown_[2] = {-1, -1};
    std::thread reader_, attached_;
};

// Killed; whoever inherits it may not have taken its exit code yet.
bool is_gone(pid_t pid) {
    for (int i = 0; i < 1000; ++i, std::this_thread::sleep_for(10ms)) {
        std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
        std::string text;
        if (!std::getline(file, text) || text.find(") Z ") != std::string::npos) return true;
    }
    return false;
}

}  // namespace

TEST_CASE("what is typed runs in the job, and its exit code comes back") {
    Job job;
    Person person(job);
    person.type("echo $((6 * 7)) on ${0##*/}\n");
    CHECK(person.sees("42 on bash"));
    person.type("ls /nonexistent\n");  // errors are shown, too
    CHECK(person.sees("No such file"));
    person.type("exit 3\n");
    person.leave();
    CHECK(person.code == 3);
    CHECK(job.exit_code() == 3);
    CHECK_THAT(person.seen(), !Contains("job control") && !Contains("terminal"));
    CHECK_FALSE(fs::exists(job.folder));
}

TEST_CASE("an interrupt ends what runs there, not the shell") {
    Job job;
    Person person(job);
    person.type("echo beg''un; sleep 1000\n");
    REQUIRE(person.sees("begun"));
    person.press(SIGINT);
    person.type("echo still $((1 + 1))\n");
    CHECK(person.sees("still 2"));
    person.close();  // control and d
    person.leave();
    CHECK(job.exit_code() == person.code);
}

TEST_CASE("who leaves comes back to the same shell") {
    Job job;
    {
        Person person(job);
        person.type("kept=yes; echo no''ted\n");
        REQUIRE(person.sees("noted"));
        person.press(SIGQUIT);
        person.leave();
        CHECK_FALSE(person.code);
        CHECK(person.error.empty());
    }
    Person again(job, false);
    CHECK(again.sees("noted"));  // the last of what was there
    again.type("echo kept: $kept; exit\n");
    CHECK(again.sees("kept: yes"));
    again.leave();
    CHECK(again.code == 0);
}

TEST_CASE("a shell that is left alone ends, and all that it began") {
    Job job({}, 1s);
    send(job.folder,
         {Message::Kind::text, "sleep 1000 & echo $! >~/one; sleep 1000 & echo $! >~/two; wait\n"});
    CHECK(job.exit_code() == 0);
    for (const char* name : {"one", "two"}) {
        const pid_t one = std::stoi(core::read_text(job.scratch.path() / name));
        CHECK(is_gone(one));
    }
    CHECK_THAT(core::read_text(job.folder / "end"), Contains("left alone"));
}

TEST_CASE("a job that is ended says so to who is attached") {
    Job job;
    SECTION("by a signal, which it obeys") {
        Person person(job);
        REQUIRE(person.sees(":"));  // the prompt
        job.signal(SIGTERM);
        person.leave();
        CHECK(person.code == 143);
        CHECK(job.exit_code() == 143);
    }
    SECTION("with its node, as Slurm tells") {
        job.signal(SIGKILL);
        Person person(job, true, "job 17 ended as NODE_FAIL");
        person.leave();
        CHECK(person.error == "job 17 ended as NODE_FAIL");
        CHECK_FALSE(person.code);
    }
}

TEST_CASE("keys reach a program that prints faster than anybody reads") {
    Job job({"sh", "-c", "trap 'exit 9' INT; yes; exit 9"});
    Person person(job);
    REQUIRE(person.sees("y\ny\n"));
    person.press(SIGINT);
    person.leave();
    CHECK(person.code == 9);
}

TEST_CASE("what a program does not read yet waits on the disk, not in memory") {
    Job job({"sh", "-c", "sleep 1; wc -c"});
    const std::string text(kMessageBytes, 'x');
    for (int i = 0; i < 256; ++i) send(job.folder, {Message::Kind::text, text});
    send(job.folder, {Message::Kind::closed, {}});
    CHECK(job.exit_code() == 0);
    CHECK_THAT(core::read_text(job.folder / "out"), Contains(std::to_string(256 * kMessageBytes)));
}

TEST_CASE("a job's folder is found by its number, and goes when it has ended") {
    test::Scratch scratch;
    CHECK_FALSE(newest_folder(scratch.path(), "17"));
    const fs::path old = folder_of(scratch.path(), "17", "00000001"),
                   now = folder_of(scratch.path(), "17", new_token()),
                   other = folder_of(scratch.path(), "170", "00000003");
    for (const fs::path& folder : {old, now, other}) fs::create_directory(folder);
    fs::last_write_time(old, fs::last_write_time(now) - 1h);
    CHECK(newest_folder(scratch.path(), "17") == now);
    core::write_atomically(old / "end", "{}");
    remove_ended(scratch.path());
    CHECK_FALSE(fs::exists(old));
    CHECK((fs::exists(now) && fs::exists(other)));
    CHECK((is_token(new_token()) && !is_token("../../x1") && !is_token("")));
}

TEST_CASE("another program than bash, and much output") {
    Job job({"sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x; echo; cat; exit 7"});
    Person person(job);
    person.type("to the end\n");
    person.close();
    person.leave();
    CHECK(person.code == 7);
    CHECK(person.seen().size() == 3'000'000 + 1 + 11);
    CHECK_THAT(person.seen(), Catch::EndsWith("x\nto the end\n"));
}

TEST_CASE("a job that runs again begins anew") {
    test::Scratch scratch;
    const fs::path folder = folder_of(scratch.path(), "18", "0123abcd");
    for (int run = 0; run < 2; ++run) {
        const pid_t pid = ::fork();
        if (pid == 0) ::_exit(serve({folder, {"sh", "-c", "echo run"}, 60s}));
        int status = 0;
        ::waitpid(pid, &status, 0);
        CHECK(core::read_text(folder / "out") == "run\n");
        CHECK((fs::status(folder).permissions() & fs::perms::all) == fs::perms::owner_all);
    }
}

TEST_CASE("what is no message ends the shell and is not obeyed") {
    const std::string bad = GENERATE("x000000", "t9999999", "t00000a");
    Job job;
    append(job.folder / "in", bad + "t000016touch ~/obeyed\n");
    CHECK(job.exit_code() == 3);
    CHECK_FALSE(fs::exists(job.scratch.path() / "obeyed"));
}

TEST_CASE("half a message waits for its rest") {
    test::Scratch other;
    core::write_atomically(other.path() / "in", "t000005ab");  // not all of it is there yet
    Inbox inbox(other.path());
    CHECK_FALSE(inbox.next());
    append(other.path() / "in", "cdei000000");
    CHECK(inbox.next()->text == "abcde");
    CHECK(inbox.next()->kind == Message::Kind::interrupt);
    CHECK_FALSE(inbox.next());
}
