#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "staging/risk/policy.h"

using namespace staging;

namespace {

RiskPolicy read(const std::string& toml) {
    const core::Config file = core::Config::parse(toml, "rules.toml");
    const RiskPolicy policy = read_risk(file.table("risk"));
    file.finish();
    return policy;
}

const std::string kPlain = "[risk]\nquasi_identifiers = [\"age\", \"site\"]\nk = 5\n";

}  // namespace

TEST_CASE("every key of [risk] is read") {
    const RiskPolicy policy = read(kPlain + R"(
sensitive = "diagnosis"
l = 2
entropy_l = 1.5
recursive = { c = 3, l = 2 }
t = 0.3
distance = "ordered"
below = "suppress"
most_suppressed = 0.05
most_steps = 100
hierarchies.age.widths = [10, 20]
hierarchies.site.parents = { north = "upper", upper = "all" }
)");
    CHECK(policy.k == 5);
    CHECK(policy.entropy_l == 1.5);
    CHECK(policy.recursive_c == 3);
    CHECK(policy.recursive_l == 2);
    CHECK(policy.distance == Distance::ordered);
    CHECK(policy.suppress);
    CHECK(policy.most_suppressed == 0.05);
    CHECK(policy.most_steps == 100);
    CHECK(policy.hierarchies.at("age").widths == std::vector<std::int64_t>{10, 20});
    CHECK(policy.hierarchies.at("site").parents.at("north") == "upper");
}

TEST_CASE("without new keys nothing is generalised and nobody left out") {
    const RiskPolicy policy = read(kPlain);
    CHECK_FALSE(policy.generalises());
    CHECK_FALSE(policy.suppress);
    CHECK_FALSE(policy.ask_for_sensitive());
}

TEST_CASE("two rules for one column are joined, unless that makes a rule of two kinds") {
    HierarchyRule widths{.widths = {10}}, none, same{.widths = {10}};
    CHECK(none.join(widths));
    CHECK(none.widths == widths.widths);
    CHECK(same.join(widths));
    CHECK_FALSE(same.join({.widths = {5}}));
    CHECK_FALSE(widths.join({.prefixes = {2}}));
}

TEST_CASE("what makes no sense is refused, and the key named") {
    const std::string suppress = kPlain + "below = \"suppress\"\n";
    const std::pair<std::string, const char*> bad[] = {
        {"[risk]\nquasi_identifiers = []\nk = 0\n", "k: expected"},
        {kPlain + "entropy_l = 2\n", "sensitive: l and t"},
        {kPlain + "sensitive = \"d\"\nentropy_l = 0.5\n", "entropy_l"},
        {kPlain + "sensitive = \"d\"\nrecursive = { c = 2 }\n", "l: missing"},
        {kPlain + "sensitive = \"d\"\nrecursive = { c = 0, l = 2 }\n", "c: expected"},
        {kPlain + "sensitive = \"d\"\ndistance = \"far\"\n", "distance"},
        {kPlain + "hierarchies.age.widths = [5]\n", "below"},
        {kPlain + "most_suppressed = 0.1\n", "most_suppressed"},
        {suppress + "hierarchies.aeg.widths = [5]\n", "did you mean \"age\""},
        {suppress + "hierarchies.age.widths = [5, 12]\n", "widths"},
        {suppress + "hierarchies.age.widths = [1]\n", "widths"},
        {suppress + "hierarchies.age.width = [5]\n", "width"},
        {suppress + "hierarchies.age.dates = [\"year\", \"month\"]\n", "dates"},
        {suppress + "hierarchies.age.prefixes = [2, 3]\n", "prefixes"},
        {suppress + "hierarchies.age = { widths = [5], prefixes = [2] }\n", "one of"},
        {suppress + "hierarchies.site.parents = { a = \"b\", b = \"a\" }\n", "part of itself"},
        {suppress + "hierarchies.age.widths = [5]\nmost_suppressed = 1\n", "most_suppressed"},
        {suppress + "hierarchies.age.widths = [5]\nmost_steps = 0\n", "most_steps"},
        {suppress + "hierarchies.age.widths = [5]\nmost_steps = 9007199254740993\n", "most_steps"},
        {kPlain + "sensitive = \"d\"\nt = nan\n", "t: expected"},
        {kPlain + "sensitive = \"d\"\nl = 1\n", "l: expected 2"},
        {kPlain + "sensitive = \"d\"\nentropy_l = 1\n", "entropy_l"},
        {kPlain + "sensitive = \"d\"\nrecursive = { c = inf, l = 2 }\n", "c: expected"},
        {kPlain + "distance = \"ordered\"\n", "distance"},
        {suppress + "[risk.hierarchies]\n", "hierarchies"},
    };
    for (const auto& [toml, key] : bad) {
        INFO(toml);
        CHECK_THROWS_WITH(read(toml), Catch::Contains(key));
    }
}
