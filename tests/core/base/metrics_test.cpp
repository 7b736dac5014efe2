#include "core/base/metrics.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "core/base/error.h"
#include "core/base/files.h"
#include "support/scratch.h"

using namespace core;
using Catch::Contains;

namespace {

Metrics two_values() {
    Metrics out;
    out.family("jobs", "gauge", "Jobs.");
    out.value(3, "state", "running");
    out.value(-1, "state", "held");
    out.single("misses", "What is missing.", 0);
    return out;
}

}  // namespace

TEST_CASE("a document of metrics has the head of each family once, and its values below it") {
    CHECK(two_values().text() ==
          "# HELP aloft_jobs Jobs.\n# TYPE aloft_jobs gauge\naloft_jobs{state=\"running\"} "
          "3\naloft_jobs{state=\"held\"} -1\n"
          "# HELP aloft_misses What is missing.\n# TYPE aloft_misses gauge\naloft_misses 0\n");
}

TEST_CASE("metrics are written where the site wants them, and made only then") {
    const test::Scratch scratch;
    Site site;
    site.config = scratch.path() / "etc";
    make_directories(site.config);
    int made = 0;
    const auto save = [&] {
        save_metrics(site, "aloft-node", [&] {
            ++made;
            return two_values();
        });
    };
    save();
    CHECK(made == 0);
    const auto config = site.config / "monitoring.toml", folder = scratch.path() / "metrics";
    make_directories(folder);
    write_atomically(config, "folder = \"" + folder.string() + "\"\n");
    save();
    CHECK(made == 1);
    CHECK(read_text(folder / "aloft-node.prom") == two_values().text());
    CHECK((std::filesystem::status(folder / "aloft-node.prom").permissions() & std::filesystem::perms::all) ==
          std::filesystem::perms(0644));
    write_atomically(config, "folder = \"metrics\"\n");
    CHECK_THROWS_WITH(save(), Contains("absolute"));
    write_atomically(config, "folder = \"/x\"\nfodler = 1\n");
    CHECK_THROWS_WITH(save(), Contains("fodler"));
    write_atomically(config, "folder = \"" + (scratch.path() / "nowhere").string() + "\"\n");
    CHECK_THROWS_AS(save(), Error);
    CHECK(made == 2);
}

TEST_CASE(
    "a service writes its metrics at once when what it watches changes, and what is wrong throws nothing") {
    const test::Scratch scratch;
    Site site;
    site.config = scratch.path();
    write_atomically(site.config / "monitoring.toml", "folder = \"" + scratch.path().string() + "\"\n");
    int made = 0;
    MetricsFile file(site, "aloft-sign");
    const auto look = [&](bool state) {
        file.save_if_due(state, [&] {
            ++made;
            return two_values();
        });
        return made;
    };
    CHECK(look(true) == 1);
    CHECK(read_text(scratch.path() / "aloft-sign.prom") == two_values().text());
    CHECK(look(true) == 1);  // not due
    CHECK(look(false) == 2);
    CHECK(look(false) == 2);
    write_atomically(site.config / "monitoring.toml", "fodler = 1\n");
    CHECK(look(true) == 2);
}
