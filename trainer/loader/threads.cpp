#include "trainer/loader/threads.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>

namespace trainer {
namespace {

std::atomic<int> said{0};

}

int cores_of_process() {
    cpu_set_t set;
    CPU_ZERO(&set);
    const int cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    const char* local = std::getenv("LOCAL_WORLD_SIZE");
    return std::max(1, cores / std::max(1, local ? std::atoi(local) : 1));
}

int reader_threads_for(int cores) {
    return std::clamp(cores / 4, 1, 8);
}

void set_reader_threads(int threads) {
    said = threads;
}

int reader_threads() {
    const int threads = said;
    return threads > 0 ? threads : reader_threads_for(cores_of_process());
}

}  // namespace trainer
