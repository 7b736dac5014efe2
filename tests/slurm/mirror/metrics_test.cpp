#include "slurm/mirror/metrics.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <thread>

#include "core/base/time.h"
#include "support/published.h"
#include "support/scratch.h"

using Catch::Contains;

TEST_CASE("a mirror's metrics say how old the list is that its host goes by, and when it last came") {
    const test::Scratch scratch;
    const core::Site site = test::host_site(scratch.path());
    bool is_there = false;
    slurm::Attempts attempts(
        [&is_there] {
            if (!is_there) throw std::runtime_error("nothing there");
        },
        std::chrono::seconds(60));
    const auto says = [&] { return slurm::mirror_metrics(site, attempts).text(); };
    CHECK_THAT(says(), Contains("\naloft_mirror_copied_timestamp_seconds 0\n") &&
                           Contains("\naloft_mirror_list_issued_timestamp_seconds 0\n") &&
                           Contains("\naloft_mirror_hangs 0\n"));
    attempts.tick();
    while (attempts.started() == 1) attempts.tick();  // the first has failed
    CHECK(attempts.succeeded() == 0);

    test::Published published(site, 1'790'000'000, 1'790'000'300);
    published.list.seq = 7;
    published.write();
    is_there = true;
    const std::int64_t before = core::now_seconds();
    while (attempts.succeeded() == 0) {
        attempts.tick();
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    CHECK(attempts.succeeded() >= before);
    CHECK_THAT(says(), Contains("\naloft_mirror_list_issued_timestamp_seconds 1790000000\n") &&
                           Contains("\naloft_mirror_list_records 7\n") &&
                           Contains("\naloft_mirror_copied_timestamp_seconds " +
                                    std::to_string(attempts.succeeded())));
}
