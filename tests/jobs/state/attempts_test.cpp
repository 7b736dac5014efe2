#include "jobs/state/attempts.h"

#include <catch2/catch.hpp>
#include <set>

using namespace jobs;
using nlohmann::json;

TEST_CASE("of what a job tried only words of a short list are kept, whatever it chose") {
    const json chosen[] = {
        {{"what", "TCP"}, {"to", "[7061:7469:656e:7420:5761:6e67:2031:3934]:443"}, {"count", 3}},
        {{"what", "a socket of protocol 132"}, {"to", ""}, {"count", 1}},
        {{"what", "secret"}, {"to", "secret"}, {"count", 1}},
        {{"what", "UDP by IPv6"}, {"to", "ntp"}, {"count", 2}},
        {{"what", "a socket for SCTP"}, {"to", ""}, {"count", 2}},
        {{"what", "a raw socket"}, {"to", ""}, {"count", 2}},
        {{"what", "a socket for secret"}, {"to", "secret:22"}, {"count", 2}},
        {{"what", {{"secret", 1}}}, {"to", {1, 2}}, {"count", 1}},
        {{"what", "secret by IPv6"}, {"to", "https"}, {"count", 1}},
        7,
        json::object(),
        {{"what", "TCP"}, {"to", "x"}, {"count", -1}},
        {{"what", "TCP"}, {"to", "x"}, {"count", 1e300}},
    };
    const std::set<std::string> whats{"TCP",
                                      "TCP by IPv6",
                                      "UDP by IPv6",
                                      "a socket for SCTP",
                                      "a socket for another protocol",
                                      "a raw socket",
                                      "another protocol",
                                      "another protocol by IPv6"};
    const std::set<std::string> tos{"", "ssh", "smtp", "http", "ntp", "https", "other"};
    for (const json& one : chosen) {
        const json kept = classes_only({{"attempts", json::array({one})}}).at("attempts");
        for (const json& row : kept) {
            CHECK(whats.contains(row.at("what").get<std::string>()));
            CHECK(tos.contains(row.at("to").get<std::string>()));
            CHECK(row.size() == 3);
        }
        CHECK(classes_only({{"attempts", kept}}).at("attempts") ==
              kept);  // of what is classed nothing changes
    }
}

TEST_CASE("attempts of one class are one, with their counts added up") {
    const json kept = classes_only({{"attempts",
                                     {{{"what", "TCP"}, {"to", "10.0.0.1:23"}, {"count", 3}},
                                      {{"what", "TCP"}, {"to", "10.9.9.9:2525"}, {"count", 4}}}},
                                    {"blocked", {{"connect", 7}, {"sec ret", 1}, {"many", "x"}}}});
    CHECK(kept.at("attempts") == json::array({{{"what", "TCP"}, {"to", "other"}, {"count", 7}}}));
    CHECK(kept.at("blocked") == json{{"connect", 7}});
    CHECK(classes_only({{"attempts", "x"}, {"blocked", 3}}) ==
          json{{"attempts", json::array()}, {"blocked", json::object()}});
}

TEST_CASE("a rounded count never says more than it must") {
    CHECK(rounded_count(0) == 0);
    for (const auto& [exact, shown] :
         {std::pair{1, 1}, {4, 2}, {5, 5}, {9, 5}, {77, 50}, {100, 100}, {999'999, 500'000}})
        CHECK(rounded_count(exact) == shown);
}
