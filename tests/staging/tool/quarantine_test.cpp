#include "staging/tool/quarantine.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <sstream>

using Json = nlohmann::ordered_json;

TEST_CASE("a record of what was left out is a line, with what it has of row and detail") {
    std::ostringstream out;
    staging::print_quarantined(
        out, Json{{"site", "north"}, {"number", 12}, {"name", "ab12"}, {"reason", "truncated"}});
    staging::print_quarantined(out, Json{{"site", "south"},
                                         {"number", 3},
                                         {"row", 7},
                                         {"name", "cd34"},
                                         {"reason", "bad_mask"},
                                         {"detail", "values"}});
    CHECK(out.str() == "north  file 12  ab12  truncated\nsouth  file 3 row 7  cd34  bad_mask (values)\n");
}
