#pragma once
#include <chrono>

namespace trainer {

// What is done while it lives does not count for the speed that is measured since `since`.
class Aside {
public:
    using Clock = std::chrono::steady_clock;
    explicit Aside(Clock::time_point& since) : since_(since) {}
    Aside(const Aside&) = delete;
    Aside& operator=(const Aside&) = delete;
    ~Aside() { since_ += Clock::now() - begun_; }

private:
    Clock::time_point& since_;
    Clock::time_point begun_ = Clock::now();
};

}  // namespace trainer
