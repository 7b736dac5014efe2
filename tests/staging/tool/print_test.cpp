#include "staging/tool/print.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <sstream>

using Json = nlohmann::ordered_json;

TEST_CASE("columns are as wide as their widest cell on a terminal, numbers stand to the right") {
    std::ostringstream out;
    staging::print_table(out, {{"delivery", "files"}, {"臺北", "7"}, {"north", "12345"}});
    CHECK(out.str() == "delivery  files\n臺北          7\nnorth     12345\n");
}

TEST_CASE("an object of objects is a table, with a column for each of their keys") {
    std::ostringstream out;
    staging::print_words(
        out, Json{{"dataset", "digits@1"},
                  {"deliveries",
                   {{"north", {{"files", 3}}}, {"south", {{"files", 4}, {"left_out", {{"truncated", 1}}}}}}},
                  {"quarantine", {{"truncated", 1}}}});
    CHECK(out.str() ==
          "dataset: digits@1\n"
          "deliveries  files  left_out\n"
          "north           3\n"
          "south           4  truncated 1\n"
          "quarantine: truncated 1\n");
}
