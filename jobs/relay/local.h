#pragma once
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/base/files.h"
#include "jobs/wire/token_buckets.h"

// What both ends of a relay do on their own host: speak to a Unix socket, and keep count of who has how much.

namespace jobs {

using Time = std::chrono::steady_clock::time_point;
Time after(std::chrono::seconds more);
// For so much to pass: a minute, and a second for each MiB.
Time time_for(std::uint64_t bytes);

struct Received {
    std::string line;  // with its end
    std::vector<core::Fd> files;
};
// One line with its descriptors, from a socket that does not block. With `watched`, ends when that one's other end
// goes. Throws Error(system) if the other end goes, or at `until`; Error(usage) if the line is longer than
// `limit_bytes` or more than one.
Received receive_line(int socket, std::size_t limit_bytes, Time until, int watched = -1);
// Throws Error(system) as above.
void send_line(int socket, std::string_view line, const std::vector<core::Fd>& files, Time until);

// What aloftd would answer to what failed with `e`, as a line.
std::string negative_answer(const core::Error& e);

// How many each has, of `limit` at most.
class Slots {
public:
    explicit Slots(int limit) : limit_(limit) {}
    // Holds one until it is let go; null if all are taken. `this` must outlive it.
    std::shared_ptr<void> take(const std::string& whose);

private:
    const int limit_;
    std::mutex mutex_;
    std::map<std::string, int> taken_;
};

// Who fills a log does so slowly.
class LogLimit {
public:
    bool may_log();

private:
    std::mutex mutex_;
    TokenBuckets rates_{0.2, 30};
};

// Calls `serve` for each connection that `listener` accepts, in a thread of its own, `most` at once; what is beyond
// is closed. Until `ended` becomes readable. Whatever `serve` throws ends its connection.
void serve_each(int listener, int ended, int most, const std::function<void(core::Fd)>& serve);

// How many connections of `descriptors` each this process may have, `most` at most; raises its limit as far as it
// may.
int connections_of(int descriptors, int most);

}  // namespace jobs
