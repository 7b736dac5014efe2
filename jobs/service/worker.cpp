#include "jobs/service/worker.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "core/base/error.h"
#include "core/base/event.h"

namespace jobs {

Worker::Worker() : wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    if (!wake_.is_open())
        throw core::Error(core::Fault::system, core::with_errno("cannot make an eventfd", errno));
    // Signals are the server's (a signalfd): a thread that does not block them would take SIGTERM and die of
    // it.
    sigset_t all, before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    thread_ = std::thread([this] { work(); });
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Worker::~Worker() {
    {
        const std::lock_guard lock(mutex_);
        stop_ = true;
    }
    posted_.notify_one();
    thread_.join();
}

void Worker::post(std::function<Finish()> task) {
    {
        const std::lock_guard lock(mutex_);
        tasks_.push_back(std::move(task));
    }
    posted_.notify_one();
}

std::size_t Worker::waiting() {
    const std::lock_guard lock(mutex_);
    return tasks_.size() + (busy_ ? 1 : 0);
}

void Worker::work() {
    std::unique_lock lock(mutex_);
    for (;;) {
        posted_.wait(lock, [this] { return stop_ || !tasks_.empty(); });
        if (stop_) return;
        const auto task = std::move(tasks_.front());
        tasks_.pop_front();
        busy_ = true;
        lock.unlock();
        Finish finish;
        try {
            finish = task();  // a task reports the failures that it foresees in what it returns
        } catch (const std::exception& e) {
            core::Event("error", "work_failed").with("text", e.what());
        }
        lock.lock();
        busy_ = false;
        if (!finish) continue;
        done_.push_back(std::move(finish));
        const std::uint64_t one = 1;
        [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof one);
    }
}

std::deque<Worker::Finish> Worker::done() {
    std::uint64_t count;
    [[maybe_unused]] const auto got = ::read(wake_.get(), &count, sizeof count);
    std::deque<Finish> done;
    const std::lock_guard lock(mutex_);
    done.swap(done_);
    return done;
}

}  // namespace jobs
