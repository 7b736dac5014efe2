#pragma once
#include <chrono>
#include <thread>

namespace core {

// Asks `holds` until it says true, with `pause` between two times; false if it still does not when `patience` is
// over. It is asked once at least, and once more at the very end.
template <class Holds>
bool wait_until(std::chrono::milliseconds patience, std::chrono::milliseconds pause, Holds holds) {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (!holds()) {
        if (std::chrono::steady_clock::now() >= end) return false;
        std::this_thread::sleep_for(pause);
    }
    return true;
}

}  // namespace core
