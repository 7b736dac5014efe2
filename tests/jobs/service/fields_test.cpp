#include "jobs/service/fields.h"

#include <catch2/catch.hpp>

#include "core/base/error.h"

using namespace jobs;
using Catch::Contains;
using nlohmann::json;

TEST_CASE("a text is what can be shown: nothing that a terminal obeys, hides or turns around") {
    for (const char* good :
         {"", "plain", "d\xc3\xa9j\xc3\xa0", "\xe6\x9d\x8e", "\xf0\x9f\x99\x82", "a \xe2\x80\x93 b"})
        CHECK(is_printable(good));
    for (const char* bad : {"\x1b]52;c;x\a", "a\nb", "a\rb", "a\tb", "\x7f", "\xc2\x85", "\xe2\x80\xae",
                            "\xe2\x81\xa6", "\xe2\x80\x8b", "\xef\xbb\xbf", "\xff", "\xc0\xaf",
                            "\xed\xa0\x80", "\xe2\x82", "\xf5\x80\x80\x80", "\x80"}) {
        CHECK_FALSE(is_printable(bad));
    }
    CHECK(is_printable("a\n\tb\r\n", true));
    CHECK_FALSE(is_printable("a\x1b", true));
    CHECK_FALSE(is_printable(std::string_view("a\0b", 3), true));
}

TEST_CASE("a request holds the fields of its operation, as they must be, and no others") {
    const Field fields[] = {{"id", Kind::application},
                            {"group", Kind::line, 1, 20, Need::required, "legal|technical"},
                            {"nodes", Kind::integer, 1, 10},
                            {"names", Kind::lines, 1, 2},
                            {"sha256", Kind::hash, 0, 0, Need::optional},
                            {"add", Kind::members, 0, 2, Need::optional, "accounts|nodes"},
                            {"dry_run", Kind::flag, 0, 0, Need::optional}};
    const json good = {{"op", "x"}, {"id", "A-7"}, {"group", "legal"}, {"nodes", 10}, {"names", {"a"}}};
    CHECK_NOTHROW(check_fields(good, fields));
    const auto with = [&](const char* key, json value) {
        json body = good;
        body[key] = std::move(value);
        return body;
    };
    for (const json& body : {with("id", "R-7"),
                             with("id", "A-x"),
                             with("id", 7),
                             with("id", "A-777777777777777777777"),
                             with("group", "legal|technical"),
                             with("group", "LEGAL"),
                             with("group", "text:legal"),
                             with("nodes", 0),
                             with("nodes", 11),
                             with("nodes", 1.5),
                             with("nodes", UINT64_MAX),
                             with("nodes", "1"),
                             with("names", json::array()),
                             with("names", {"a", "b", "c"}),
                             with("names", {1}),
                             with("names", {"a\n"}),
                             with("names", {std::string(257, 'x')}),
                             with("sha256", std::string(64, 'x')),
                             with("sha256", "aa"),
                             with("add", {{"grants", json::array()}}),
                             with("add", {{"nodes", {1}}}),
                             with("add", json::array()),
                             with("dry_run", 1),
                             with("more", true),
                             with("", 1)})
        CHECK_THROWS_AS(check_fields(body, fields), core::Error);
    for (const char* key : {"id", "group", "nodes", "names"}) {
        json body = good;
        body.erase(key);
        CHECK_THROWS_WITH(check_fields(body, fields), Contains(std::string(key) + ": missing"));
    }
}

TEST_CASE("an error names the field and never its value") {
    const Field fields[] = {{"id", Kind::line, 1, 3}, {"name", Kind::name, 0, 0, Need::optional}};
    for (const json& body : {json{{"id", "Wang Xiao Ming"}}, json{{"id", "a"}, {"Wang Xiao Ming", 1}},
                             json{{"id", "a"}, {"name", "Wang Xiao Ming"}}})
        CHECK_THROWS_WITH(check_fields(body, fields), !Contains("Wang"));
}

TEST_CASE("a request is one object of JSON, not nested without end") {
    CHECK(parse_request(R"({"op":"x"})").at("op") == "x");
    for (const std::string line :
         {std::string("[]"), std::string("null"), std::string("{"), std::string("{\"a\":\"\xff\"}"),
          std::string(100'000, '['),
          std::string("{\"a\":" + std::string(50, '[') + std::string(50, ']') + "}")})
        CHECK_THROWS_AS(parse_request(line), core::Error);
}
