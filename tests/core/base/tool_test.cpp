#include "core/base/tool.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <iostream>
#include <sstream>

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

namespace {

// What a tool with --json has on stdout.
std::string output_of(std::vector<const char*> arguments, const std::function<void()>& work, int code) {
    CLI::App app{"A tool."};
    bool json = false;
    std::string name;
    app.add_flag("--json", json);
    app.add_option("--name", name)->required()->check(CLI::IsMember({"one", "two"}));
    std::vector<std::string> rest;
    app.add_option("rest", rest);
    arguments.insert(arguments.begin(), "tool");
    std::ostringstream out;
    std::streambuf* const before = std::cout.rdbuf(out.rdbuf());
    const int got =
        core::run_tool(app, static_cast<int>(arguments.size()), const_cast<char**>(arguments.data()), work);
    std::cout.rdbuf(before);
    CHECK(got == code);
    return out.str();
}

}  // namespace

TEST_CASE("with --json a failure is one object, too") {
    using core::Error, core::Fault;
    const auto fails = [] { throw Error(Fault::data, "shard 3 is damaged"); };
    CHECK(output_of({"--name", "one", "--json"}, fails, 3) ==
          "{\"error\":{\"kind\":\"data\",\"code\":3,\"text\":\"shard 3 is damaged\"}}\n");
    CHECK(output_of({"--name", "one"}, fails, 3).empty());
    for (const char* yes : {"--json=true", "--json=1", "--json=on"})
        CHECK(output_of({"--name", "one", yes}, fails, 3).find("{\"error\":") == 0);
    CHECK(output_of({"--name", "one", "--json=false"}, fails, 3).empty());
    CHECK(output_of({"--name", "one", "--json=perhaps"}, fails, 2).find("{\"error\":") == 0);
    CHECK(output_of({"--name", "one", "--", "--json"}, fails, 3).empty());  // of the program that it starts
    CHECK(output_of(
              {"--json", "--name", "two"}, [] { throw 7; }, 1)
              .find("\"kind\":\"bug\"") != std::string::npos);
}

TEST_CASE("a command line that does not parse is such an object, without the values that it has") {
    const auto none = [] { FAIL("it works on"); };
    CHECK(output_of({"--json"}, none, 2) ==
          "{\"error\":{\"kind\":\"usage\",\"code\":2,\"text\":\"--name is required\"}}\n");
    for (const auto& arguments : {std::vector<const char*>{"--json", "--name", "SURNAME^NAME"},
                                  {"--name", "one", "--birth-date", "SURNAME^NAME", "--json"}}) {
        const std::string told = output_of(arguments, none, 2);
        CHECK(nlohmann::json::parse(told).at("error").at("code") == 2);
        CHECK(told.find("SURNAME") == std::string::npos);
    }
    CHECK(output_of({"--help", "--json"}, none, 0).find("A tool.") == 0);
}

TEST_CASE("of several ranks the first tells of a failure, before MPI starts, too") {
    const char* const arguments[] = {"tool", "--json"};
    const auto told_by = [&](const char* rank) {
        ::setenv("OMPI_COMM_WORLD_RANK", rank, 1);
        core::leave_json_to_rank_0();
        std::ostringstream out;
        std::streambuf* const before = std::cout.rdbuf(out.rdbuf());
        CHECK(core::tell_failure(2, arguments, core::Fault::system, "no memory") == 4);
        std::cout.rdbuf(before);
        return out.str();
    };
    CHECK(told_by("1").empty());
    CHECK(told_by("0") == "{\"error\":{\"kind\":\"system\",\"code\":4,\"text\":\"no memory\"}}\n");
    ::unsetenv("OMPI_COMM_WORLD_RANK");
}

TEST_CASE("what has answered --json and fails then has one object, its answer") {
    CHECK(output_of(
              {"--name", "one", "--json"},
              [] {
                  core::print_json(nlohmann::json{{"misses", 2}});
                  throw core::Error(core::Fault::refused, "2 checks fail");
              },
              5) == "{\"misses\":2}\n");
    CHECK(output_of(
              {"--name", "one", "--json"},
              [] {
                  core::print_json(nlohmann::json{{"a", 1}}, 1);
              },
              0) == "{\n \"a\": 1\n}\n");
}
