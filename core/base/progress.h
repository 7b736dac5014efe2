#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>

namespace core {

// Progress of long work as events, at most one every few seconds and one at the end:
//   ... info progress doing=pack done=1200 of=5000 percent=24 rate=310 left_seconds=12
// `total` may be 0 when it is not known. One thread; with MPI, rank 0 only.
class Progress {
public:
    Progress(std::string doing, std::int64_t total,
             std::chrono::milliseconds every = std::chrono::seconds(5));
    void advance(std::int64_t count = 1) { reach(done_ + count); }
    void reach(std::int64_t done);  // so much of it, in all
    void finish();

    // From now on what this process reports stands also in FILE, for the site's monitoring (metrics.h), of each kind of
    // work that was begun: aloft_progress_done{doing="pack"}, _total, _seconds, _over, and when that was. What is wrong
    // with FILE is told once, and holds nothing up.
    static void keep_in(std::filesystem::path file);

private:
    void report(std::chrono::steady_clock::time_point now, bool is_over = false);
    std::string doing_;
    std::int64_t total_, done_ = 0;
    std::chrono::milliseconds every_;
    std::chrono::steady_clock::time_point started_, reported_;
};

}  // namespace core
