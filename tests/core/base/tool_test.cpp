#include "core/base/tool.h"

#include <catch2/catch.hpp>

#include "core/base/error.h"

namespace {

int run(std::vector<const char*> arguments, const std::function<void()>& work, int* failure_seen = nullptr) {
    CLI::App app{"A tool."};
    int number = 0;
    app.add_option("--number", number, "A number");
    arguments.insert(arguments.begin(), "tool");
    return core::run_tool(app, static_cast<int>(arguments.size()), const_cast<char**>(arguments.data()), work,
                          [&](int code) {
                              if (failure_seen) *failure_seen = code;
                          });
}

}  // namespace

TEST_CASE("the exit code tells whose move it is") {
    using core::Error, core::Fault;
    const auto [fault, code] = GENERATE(table<Fault, int>({{Fault::bug, 1},
                                                           {Fault::usage, 2},
                                                           {Fault::data, 3},
                                                           {Fault::system, 4},
                                                           {Fault::refused, 5},
                                                           {Fault::requeue, 75}}));
    int seen = 0;
    const Fault thrown = fault;
    CHECK(run(
              {}, [&] { throw Error(thrown, "text"); }, &seen) == code);
    CHECK(seen == code);
}

TEST_CASE("what nobody foresaw is a bug, not a crash") {
    CHECK(run({}, [] { throw std::runtime_error("unforeseen"); }) == 1);
    CHECK(run({}, [] { throw 7; }) == 1);
}

TEST_CASE("help and version exit 0 without working, a wrong flag exits 2") {
    bool worked = false;
    CHECK(run({"--help"}, [&] { worked = true; }) == 0);
    CHECK(run({"--version"}, [&] { worked = true; }) == 0);
    CHECK(run({"--nmuber", "1"}, [&] { worked = true; }) == 2);
    CHECK(run({"--number", "x"}, [&] { worked = true; }) == 2);
    CHECK_FALSE(worked);
    CHECK(run({"--number", "1"}, [&] { worked = true; }) == 0);
    CHECK(worked);
}
