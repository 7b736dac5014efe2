#include "trainer/engine/claim.h"

#include <chrono>
#include <cstdlib>
#include <thread>

#include "core/base/error.h"
#include "core/base/event.h"
#include "trainer/engine/watch.h"

namespace trainer {
namespace {

constexpr std::chrono::seconds kOfRanks{2};
// NFS 4 gives a lease of 90 s where the server says no other; Lustre evicts a client within 150 s.
constexpr std::chrono::seconds kOfHosts{180};

bool is_begun_anew() {
    const char* count = std::getenv("SLURM_RESTART_COUNT");
    return count && std::atoi(count) > 0;
}

}  // namespace

core::FileLock claim(const std::filesystem::path& out, const std::function<bool()>& is_stopped) {
    using Clock = std::chrono::steady_clock;
    const Watch::Busy busy;
    core::FileLock lock(out / ".lock");
    const bool is_patient = is_begun_anew();
    const auto end = Clock::now() + (is_patient ? kOfHosts : kOfRanks);
    for (bool is_first = true;; is_first = false) {
        switch (lock.ask()) {
            case core::FileLock::Answer::ours:
                return lock;
            case core::FileLock::Answer::no_locks:
                core::Event("warning", "run_not_locked")
                    .with("text",
                          "the file system of --out has no locks: see to it yourself that no two runs have "
                          "one --out at a time");
                return lock;
            case core::FileLock::Answer::anothers:
                break;
        }
        if (is_stopped())
            throw core::Error(core::Fault::requeue,
                              "asked to stop before the first step; run the same command again");
        if (Clock::now() >= end)
            throw core::Error(core::Fault::system, "another run is at work in " + out.string() +
                                                       ": wait for its end, or take another folder");
        if (is_first && is_patient)
            core::Event("info", "run_locked")
                .with("text", "the run that was before is not gone yet: waiting for up to 3 minutes");
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
}

}  // namespace trainer
