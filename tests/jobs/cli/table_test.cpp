#include "jobs/cli/table.h"

#include <catch2/catch.hpp>

#include "core/base/width.h"

using core::width_of;
using jobs::table_lines;

TEST_CASE("columns stand below each other whatever script a cell has") {
    CHECK(table_lines({{"title", "state"}, {"肺炎", "open"}, {"naïve one", "shut"}}, 0) ==
          std::vector<std::string>{"title      state", "肺炎       open", "naïve one  shut"});
    CHECK(table_lines({}, 80).empty());
}

TEST_CASE("on a terminal no line is wider than it is, and no word is lost") {
    const std::string wide =
        "胸部X光影像中的肺炎能否由小型模型辨識並且在各醫院之間保持穩定的表現以及其他許多問題與其答案";
    const std::vector<std::vector<std::string>> rows{
        {"job", "name", "account", "datasets", "submitted", "title"},
        {"17", "first", "e-alice", "digits@1,wdbc@1,organs@3", "2026-11-23T20:35:08Z", wide},
        {"18", "肺炎", "e-bob", "-", "-", "short"}};
    for (const std::size_t most : {40u, 50u, 80u, 132u}) {
        const auto lines = table_lines(rows, most);
        std::string all;
        for (const std::string& line : lines) {
            CHECK(width_of(line) <= most);
            CHECK((line.empty() || line.back() != '\n'));
            for (const char c : line)
                if (c != ' ') all += c;
        }
        for (const auto& row : rows)
            for (std::string cell : row)
                if (width_of(cell) < most - 4) CHECK(all.find(cell) != std::string::npos);
        // What is cut is there, piece by piece, in its order.
        std::size_t at = 0;
        for (std::size_t i = 0; i < wide.size(); i += 3, at += 3) {
            at = all.find(wide.substr(i, 3), at);
            REQUIRE(at != std::string::npos);
        }
    }
    // Rows keep the first column at the edge; what follows of a row is indented.
    const auto lines = table_lines(rows, 50);
    CHECK(lines[0].starts_with("job"));
    CHECK(lines[1].starts_with("    "));
}
