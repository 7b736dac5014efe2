#include "trainer/engine/lineage.h"

#include <catch2/catch.hpp>

#include "core/base/error.h"

using namespace trainer;
using Catch::Contains;

namespace {

const std::string kA(64, 'a'), kB(64, 'b');

TensorFile with(const std::string& dataset, const std::string& entry) {
    TensorFile out;
    if (!dataset.empty()) out.metadata["aloft.dataset"] = dataset;
    if (!entry.empty()) out.metadata[kBeganFrom] = entry;
    return out;
}

}  // namespace

TEST_CASE("weights say of what they began, the nearest first") {
    const std::string first = began_from(with("digits@2", ""), kA);
    CHECK(first == R"([{"sha256":")" + kA + R"(","dataset":"digits@2"}])");
    const std::string second = began_from(with("", first), kB);
    CHECK(second ==
          R"([{"sha256":")" + kB + R"(","dataset":""},{"sha256":")" + kA + R"(","dataset":"digits@2"}])");
    CHECK(first_digest(second) == kB);
}

TEST_CASE("whoever trained on a dataset before has, in whatever version and however long ago") {
    const std::string before = began_from(with("digits@2", ""), kA);
    CHECK(is_trained_on(with("digits@1", ""), "digits"));
    CHECK(is_trained_on(with("wdbc@1", before), "digits"));
    CHECK(is_trained_on(with("wdbc@1", began_from(with("other@1", before), kB)), "digits"));
    CHECK_FALSE(is_trained_on(with("wdbc@1", before), "digit"));
    const auto both = with("wdbc@1*digits@2", "");
    for (const char* each : {"digits", "wdbc"}) {
        CHECK(is_trained_on(both, each));
        CHECK(is_trained_on(with("other@1", began_from(both, kA)), each));
    }
    CHECK_FALSE(is_trained_on(both, "other"));
    CHECK_FALSE(is_trained_on(with("", ""), "digits"));
}

TEST_CASE("an entry that is not one is an error that shows nothing of it") {
    for (const std::string& entry :
         {std::string("x"), std::string("[]"), std::string("{}"),
          std::string(R"([{"sha256":"SURNAME","dataset":""}])"), R"([{"sha256":")" + kA + R"("}])",
          R"([{"sha256":")" + kA + R"(","dataset":1}])",
          R"([{"sha256":")" + std::string(64, 'A') + R"(","dataset":""}])",
          R"([{"sha256":")" + kA + R"(","dataset":"","SURNAME":""}])"}) {
        CHECK_THROWS_WITH(began_from(with("", entry), kB), Contains(kBeganFrom) && !Contains("SURNAME"));
        CHECK_THROWS_AS(is_trained_on(with("", entry), "digits"), core::Error);
        CHECK_THROWS_AS(first_digest(entry), core::Error);
    }
}
