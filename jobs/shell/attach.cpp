#include <poll.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/message.h"
#include "jobs/shell/exchange.h"
#include "jobs/shell/shell.h"

namespace jobs::shell {

namespace fs = std::filesystem;
using core::Error;
using core::failure;
using core::Fault;
using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t kShownAgain = 4096;  // of what was printed before somebody attached again
constexpr auto kHere = 20s, kAsk = 5s;

volatile std::sig_atomic_t g_interrupts = 0, g_leave = 0;

// While one is attached the keys that end programs are for the other end.
class Keys {
public:
    Keys() {
        g_interrupts = 0;
        g_leave = 0;
        struct sigaction taken {};
        taken.sa_handler = [](int number) {
            if (number == SIGINT)
                g_interrupts = g_interrupts + 1;
            else
                g_leave = 1;
        };
        ::sigaction(SIGINT, &taken, &before_[0]);
        ::sigaction(SIGQUIT, &taken, &before_[1]);
    }
    Keys(const Keys&) = delete;
    Keys& operator=(const Keys&) = delete;
    ~Keys() {
        ::sigaction(SIGINT, &before_[0], nullptr);
        ::sigaction(SIGQUIT, &before_[1], nullptr);
    }

private:
    struct sigaction before_[2]{};
};

class Client {
public:
    explicit Client(const Attached& attached) : attached_(attached), in_(attached.in) {
        std::error_code none;
        const std::uint64_t size = fs::file_size(attached.folder / "out", none);
        if (!none && !attached.from_start && size > kShownAgain) shown_ = size - kShownAgain;
    }

    std::optional<int> run() {
        const Keys keys;
        while (!g_leave) {
            type();
            if (show()) pace_.moved();
            if (const auto code = ended()) return code;
            ask_for_job();
        }
        return std::nullopt;
    }

private:
    // What was typed goes off as it comes; the wait for it is the wait of this loop.
    void type() {
        pollfd ready{in_, POLLIN, 0};
        const bool is_ready = ::poll(&ready, 1, static_cast<int>(pace_.next().count())) > 0;
        for (; seen_ < g_interrupts; ++seen_) tell({Message::Kind::interrupt, {}});
        if (is_ready) {
            std::array<char, kMessageBytes> typed{};
            const ssize_t got = ::read(in_, typed.data(), typed.size());
            if (got > 0) {
                tell({Message::Kind::text, std::string(typed.data(), static_cast<std::size_t>(got))});
            } else if (got == 0 || (errno != EINTR && errno != EAGAIN)) {
                tell({Message::Kind::closed, {}});
                in_ = -1;  // poll passes it over
            }
        }
        if (Clock::now() - told_ > kHere) tell({Message::Kind::here, {}});
    }
    void tell(const Message& message) {
        pace_.moved();
        told_ = Clock::now();
        send(attached_.folder, message);
    }
    bool show() {
        return follow(attached_.folder / "out", shown_,
                      [this](std::string_view bytes) { core::write_all(attached_.out, core::view(bytes)); });
    }
    std::optional<int> ended() {
        const fs::path end = attached_.folder / "end";
        std::error_code none;
        if (!fs::exists(end, none)) return std::nullopt;
        const auto said = nlohmann::json::parse(core::read_text(end, 4096), nullptr, false);
        if (!said.is_object() || !said.contains("code") || !said.at("code").is_number_integer())
            throw failure(Fault::data, "the shell's end is not what aloft shell writes");
        while (!g_leave && show()) {
        }
        fs::remove_all(attached_.folder, none);
        return said.at("code").get<int>();
    }
    void ask_for_job() {
        if (!attached_.how_job_is || Clock::now() - asked_ < kAsk) return;
        asked_ = Clock::now();
        const core::Message how = attached_.how_job_is();
        if (how.format.empty()) return;
        show();
        std::error_code none;
        if (!fs::exists(attached_.folder / "end", none)) throw core::ToldError(Fault::data, how);
    }

    const Attached& attached_;
    int in_;
    Pace pace_;
    std::uint64_t shown_ = 0;
    std::sig_atomic_t seen_ = 0;
    Clock::time_point told_ = Clock::now(), asked_ = Clock::now();
};

}  // namespace

std::optional<int> attach(const Attached& attached) {
    return Client(attached).run();
}

}  // namespace jobs::shell
