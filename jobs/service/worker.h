#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "core/base/files.h"

namespace jobs {

// One thread for work with files that may be large: copies, hashes, checks, packages. A task runs there and
// returns what is to be done with its result, which runs on the server's thread.
class Worker {
public:
    using Finish = std::function<void()>;

    Worker();
    ~Worker();  // waits for the task at hand; those behind it are dropped, and start-up finds them again
    void post(std::function<Finish()> task);
    std::size_t waiting();

    int fd() const noexcept { return wake_.get(); }  // readable when something is finished
    std::deque<Finish> done();                       // what is, to be run on the server's thread

private:
    void work();

    core::Fd wake_;
    std::mutex mutex_;
    std::condition_variable posted_;
    std::deque<std::function<Finish()>> tasks_;
    std::deque<Finish> done_;
    bool stop_ = false, busy_ = false;
    std::thread thread_;
};

}  // namespace jobs
