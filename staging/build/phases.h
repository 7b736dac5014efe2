#pragma once
#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "core/mpi/comm.h"

namespace staging {

// Where a build's time goes: of each phase the slowest rank's seconds, and what all ranks read and wrote (their readers'
// own reading of the deliveries comes on top).
class Phases {
public:
    explicit Phases(const core::Comm& comm) : comm_(comm) {}

    // Collective.
    template <class Work>
    void run(const char* name, Work work) {
        const auto begin = std::chrono::steady_clock::now();
        const Moved before = moved();
        work();
        const Moved after = moved();
        const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
        done_.push_back({name, comm_.max_real(seconds.count()), comm_.sum(after.read - before.read),
                         comm_.sum(after.written - before.written)});
    }
    nlohmann::ordered_json json() const;

private:
    struct Moved {
        std::int64_t read = 0, written = 0;
    };
    struct Phase {
        std::string name;
        double seconds;
        std::int64_t read, written;
    };
    static Moved moved();
    const core::Comm& comm_;
    std::vector<Phase> done_;
};

}  // namespace staging
