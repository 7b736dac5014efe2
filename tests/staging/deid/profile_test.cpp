#include "staging/deid/profile.h"

#include <catch2/catch.hpp>
#include <cstdlib>

#include "core/base/error.h"
#include "core/base/files.h"
#include "staging/deid/definition.h"
#include "support/scratch.h"

using namespace staging;
using Catch::Contains;

namespace {

namespace fs = std::filesystem;

fs::path configs() {
    return fs::path(std::getenv("ALOFT_SOURCE")) / "configs";
}
std::string replaced(std::string text, const std::string& from, const std::string& to) {
    const std::size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    return text.replace(at, from.size(), to);
}
std::string refusal(const std::string& toml) {
    try {
        Profile::parse(toml, "imaging.toml");
    } catch (const core::Error& e) {
        return e.fault() == core::Fault::usage ? e.what() : "another fault";
    }
    return "accepted";
}

}  // namespace

TEST_CASE("the installed profiles and datasets load, and fit each other") {
    for (const char* name : {"digits", "wdbc", "mixed"}) {
        const Definition definition =
            Definition::load(configs() / "datasets" / (std::string(name) + ".toml"), {"north", "east"});
        CHECK(definition.id() == std::string(name) + "@1");
        CHECK(definition.wanted.size() >= definition.columns.size());
    }
    CHECK_THROWS_WITH(Definition::load(configs() / "datasets/digits.toml", {"nort"}),
                      Contains("did you mean \"north\"?"));
}

TEST_CASE("a profile cannot be weakened by a slip of the pen") {
    const std::string good = core::read_text(configs() / "deid/imaging.toml");
    REQUIRE(refusal(good) == "accepted");
    CHECK_THAT(refusal(replaced(good, "ultrasound = ", "ultrasond = ")),
               Contains("did you mean \"ultrasound\"?"));
    CHECK_THAT(refusal(replaced(good, "faces = \"quarantine\"", "faces = \"maybe\"")), Contains("faces"));
    CHECK_THAT(refusal(replaced(good, "pool_above = 89", "pool_above = 120")), Contains("above 89 identify"));
    CHECK_THAT(refusal(replaced(good, "max_shift_days = 3650", "max_shift_days = 1")),
               Contains("max_shift_days"));
    CHECK_THAT(refusal(replaced(good, "k = 5", "k = 0")), Contains("k"));
    CHECK_THAT(refusal(replaced(good, "transform = \"shift\"", "transform = \"shfit\"")),
               Contains("did you mean \"shift\"?"));
    CHECK_THAT(refusal(replaced(good, "name = \"sex\"", "name = \"age\"")), Contains("stands twice"));
    CHECK_THAT(refusal(good + "\nextra = 1\n"), Contains("extra"));
}

TEST_CASE("a dataset cannot take what its profile does not let through") {
    const test::Scratch folder;
    fs::create_directories(folder / "deid");
    fs::create_directories(folder / "datasets");
    fs::copy(configs() / "deid/imaging.toml", folder / "deid/imaging.toml");
    const std::string good = core::read_text(configs() / "datasets/digits.toml");
    const auto refused = [&](const std::string& toml) -> std::string {
        core::write_atomically(folder / "datasets/digits.toml", toml);
        try {
            Definition::load(folder / "datasets/digits.toml", {"north"});
        } catch (const core::Error& e) {
            return e.what();
        }
        return "accepted";
    };
    REQUIRE(refused(good) == "accepted");
    CHECK_THAT(refused(replaced(good, "\"exam_day\"]", "\"exam_day\", \"patient_name\"]")),
               Contains("does not let \"patient_name\" through"));
    CHECK_THAT(refused(replaced(good, "\"sex\", \"age\"", "\"age\"")),
               Contains("measures risk over \"sex\""));
    CHECK_THAT(refused(good + "\n[maps.vendor]\ncategories = [\"a\"]\ncodes = {A = \"a\"}\n"),
               Contains("the profile gives these codes"));
    CHECK_THAT(refused(replaced(good, "train = 0.6", "train = 0.7")), Contains("add up to 1"));
}
