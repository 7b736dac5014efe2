#include "trainer/engine/run_log.h"

#include <sys/resource.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <nlohmann/json.hpp>
#include <sstream>

#include "support/scratch.h"

using trainer::RunLog;

TEST_CASE("a line that was torn by a full disk takes no other with it") {
    const test::Scratch scratch;
    const auto path = scratch.path() / "log.jsonl";
    const auto line = [](int step) { return nlohmann::ordered_json{{"event", "step"}, {"step", step}}; };
    RunLog log(path, 0);
    log.append(line(1));
    // No file of ours may be longer: the next line ends in its middle, as on a disk that is full.
    const auto before = std::signal(SIGXFSZ, SIG_IGN);
    rlimit old{};
    REQUIRE(getrlimit(RLIMIT_FSIZE, &old) == 0);
    rlimit limit = old;
    limit.rlim_cur = std::filesystem::file_size(path) + 5;
    REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    log.append(line(2));
    log.append(line(3));
    REQUIRE(setrlimit(RLIMIT_FSIZE, &old) == 0);
    std::signal(SIGXFSZ, before);
    log.append(line(4));
    log.append(line(5));

    std::istringstream lines(core::read_text(path, 1000));
    std::vector<int> steps;
    std::size_t torn = 0;
    for (std::string each; std::getline(lines, each);) {
        const auto json = nlohmann::json::parse(each, nullptr, false);
        if (json.is_object())
            steps.push_back(json["step"]);
        else
            ++torn;
    }
    CHECK(steps == std::vector{1, 4, 5});
    CHECK(torn == 1);
}
