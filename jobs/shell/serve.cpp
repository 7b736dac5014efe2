#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/base/error.h"
#include "core/base/event.h"
#include "core/base/files.h"
#include "core/base/tool.h"
#include "jobs/shell/exchange.h"
#include "jobs/shell/shell.h"

namespace jobs::shell {

namespace fs = std::filesystem;
using core::Error;
using core::Fault;
using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

namespace {

// Without a terminal bash says so, twice, before it reads this; from here on it may speak.
constexpr const char* kBash = "[ ! -r ~/.bashrc ] || . ~/.bashrc\nexec 2>&3 3>&-\nPS1='\\h:\\w\\$ '\n";

constexpr int kMessages = 64;  // before one looks about

struct Pipe {
    core::Fd read, write;
    Pipe() {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC))
            throw Error(Fault::system, core::with_errno("cannot make a pipe", errno));
        read = core::Fd(ends[0]);
        write = core::Fd(ends[1]);
    }
};

// In a process group of its own, which is what an interrupt is sent to.
class Program {
public:
    Program(const fs::path& folder, std::vector<std::string> words) {
        const bool is_bash = words.empty();
        if (is_bash) words = {"bash", "--noediting", "--init-file", (folder / "rc").string(), "-i"};
        std::vector<char*> arguments;
        for (std::string& word : words) arguments.push_back(word.data());
        arguments.push_back(nullptr);
        const core::Fd nothing(::open("/dev/null", O_WRONLY | O_CLOEXEC));
        Pipe in, out;
        pid_ = ::fork();
        if (pid_ < 0) throw Error(Fault::system, core::with_errno("cannot start a process", errno));
        if (pid_ == 0) {
            ::setpgid(0, 0);
            sigset_t none;
            ::sigemptyset(&none);
            ::sigprocmask(SIG_SETMASK, &none, nullptr);
            // Out of the way of the numbers that they are to have.
            const int input = ::fcntl(in.read.get(), F_DUPFD_CLOEXEC, 10);
            const int output = ::fcntl(out.write.get(), F_DUPFD_CLOEXEC, 10);
            const int silent = ::fcntl(nothing.get(), F_DUPFD_CLOEXEC, 10);
            ::dup2(input, 0);
            ::dup2(output, 1);
            ::dup2(is_bash ? silent : output, 2);
            if (is_bash) ::dup2(output, 3);
            ::setenv("ALOFT_SHELL", "1", 1);  // what is typed wrongly ends no job (slurm/step/inside/srun)
            ::execvp(arguments[0], arguments.data());
            ::_exit(127);
        }
        ::setpgid(pid_, pid_);
        to_ = std::move(in.write);
        from_ = std::move(out.read);
        for (const core::Fd* end : {&to_, &from_}) ::fcntl(end->get(), F_SETFL, O_NONBLOCK);
    }
    ~Program() {
        if (!code_) end();
    }
    int output() const noexcept { return from_.get(); }
    void signal(int number) const noexcept { ::kill(-pid_, number); }
    void close_input() { to_ = {}; }

    void type(const std::string& text) { waiting_ += text; }
    std::size_t waiting() const noexcept { return to_.is_open() ? waiting_.size() : 0; }
    bool has_waiting() const noexcept { return !waiting_.empty() && to_.is_open(); }
    int input() const noexcept { return to_.get(); }
    // As much as it takes now. What it no longer reads is dropped.
    void feed() {
        const ssize_t taken = ::write(to_.get(), waiting_.data(), waiting_.size());
        if (taken > 0)
            waiting_.erase(0, static_cast<std::size_t>(taken));
        else if (taken < 0 && errno != EAGAIN && errno != EINTR)
            waiting_.clear();
    }
    // Its exit code once it has ended.
    std::optional<int> ended() {
        int status = 0;
        if (!code_ && ::waitpid(pid_, &status, WNOHANG) == pid_)
            code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        return code_;
    }
    // Of all of it, as a terminal that is closed does; who does not listen is killed.
    void end() {
        signal(SIGHUP);
        signal(SIGCONT);
        for (int i = 0; i < 50 && !ended(); ++i) std::this_thread::sleep_for(100ms);
        signal(SIGKILL);
        while (!ended()) std::this_thread::sleep_for(10ms);
    }

private:
    pid_t pid_ = -1;
    core::Fd to_, from_;
    std::string waiting_;
    std::optional<int> code_;
};

class Server {
public:
    explicit Server(const Served& served)
        : folder_(served.folder),
          idle_(served.idle),
          inbox_(served.folder),
          program_(make(served), served.program) {}

    int run() {
        const core::Fd signals = core::end_signals();
        ::signal(SIGPIPE, SIG_IGN);
        int code = 0;
        std::string why = "ended";
        while (true) {
            if (const auto ended = program_.ended()) {
                code = *ended;
                break;
            }
            if (Clock::now() - heard_ > idle_) {
                why = "left alone";
                break;
            }
            if (!wait(signals.get())) {
                code = 128 + SIGTERM, why = "stopped";
                break;
            }
            take_messages();
        }
        program_.end();
        drain();
        core::write_atomically(folder_ / "end", nlohmann::json{{"code", code}, {"why", why}}.dump() + "\n");
        return code;
    }

private:
    static const fs::path& make(const Served& served) {
        fs::remove_all(served.folder);
        core::make_directories(served.folder, 0700);
        core::write_atomically(served.folder / "rc", kBash);
        core::write_atomically(served.folder / "out", "");
        core::write_atomically(served.folder / "in", "");  // last: who sees it may attach
        return served.folder;
    }
    // Until there is output, room for input, a signal (then false), or time to look for messages.
    bool wait(int signals) {
        std::array<pollfd, 3> ready{{{signals, POLLIN, 0},
                                     {program_.output(), POLLIN, 0},
                                     {program_.has_waiting() ? program_.input() : -1, POLLOUT, 0}}};
        ::poll(ready.data(), ready.size(), static_cast<int>(pace_.next().count()));
        if (ready[0].revents) return false;
        if (ready[1].revents & POLLIN) {
            pace_.moved();
            pass_on();
        } else if (ready[1].revents) {  // closed by a program that goes on
            std::this_thread::sleep_for(pace_.next());
        }
        if (ready[2].revents) program_.feed();
        return true;
    }
    // What was printed, as far as it is there; false at its end.
    bool pass_on() {
        std::array<char, 64 << 10> piece{};
        const ssize_t got = ::read(program_.output(), piece.data(), piece.size());
        if (got <= 0) return false;
        const auto size = static_cast<std::uint64_t>(got);
        if (written_ <= kOutputBytes && written_ + size > kOutputBytes)
            keep("\naloft: more than 1 GiB was printed; the rest is not kept\n");
        if (written_ + size <= kOutputBytes) keep({piece.data(), static_cast<std::size_t>(got)});
        written_ += size;
        return true;
    }
    // What a full disk or a quota does not take is lost, and the program goes on.
    void keep(std::string_view bytes) {
        try {
            if (lost_) append(folder_ / "out", "\naloft: the workspace is full; some output is lost here\n");
            lost_ = false;
            append(folder_ / "out", bytes);
        } catch (const Error& e) {
            if (!lost_) core::Event("warning", "output_lost").with("text", e.what());
            lost_ = true;
        }
    }
    void drain() {
        while (pass_on()) {
        }
    }
    // A program that does not read is told no more until it does.
    void take_messages() {
        for (int taken = 0; taken < kMessages && program_.waiting() < kAtOnce; ++taken) {
            const auto message = inbox_.next();
            if (!message) break;
            pace_.moved();
            heard_ = Clock::now();
            switch (message->kind) {
                case Message::Kind::text:
                    program_.type(message->text);
                    break;
                case Message::Kind::interrupt:
                    program_.signal(SIGINT);
                    break;
                case Message::Kind::closed:
                    is_closing_ = true;
                    break;
                case Message::Kind::here:
                    break;
            }
        }
        if (program_.has_waiting()) program_.feed();
        if (is_closing_ && !program_.has_waiting()) program_.close_input();
    }

    fs::path folder_;
    std::chrono::seconds idle_;
    Inbox inbox_;
    Program program_;
    Pace pace_;
    Clock::time_point heard_ = Clock::now();
    std::uint64_t written_ = 0;
    bool is_closing_ = false, lost_ = false;
};

}  // namespace

int serve(const Served& served) {
    return Server(served).run();
}

}  // namespace jobs::shell
