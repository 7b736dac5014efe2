#include "core/base/site.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>

#include "core/base/files.h"
#include "support/scratch.h"

using namespace core;

TEST_CASE("what a site's example leaves to the site lies beside the file that --site names") {
    const test::Scratch folder;
    const auto example = std::filesystem::path(std::getenv("ALOFT_SOURCE")) / "configs/clusters/site.toml";
    const std::string text = read_text(example);
    write_atomically(folder / "site.toml", text, 0644);
    CHECK(Site::load(folder / "site.toml").config ==
          std::filesystem::path(folder / "site.toml").parent_path());

    // Who names another folder gets that.
    std::string named = text;
    named.replace(named.find("# config = \"/etc/aloft\""), 23, "config = \"/srv/aloft/etc\"");
    write_atomically(folder / "site.toml", named, 0644);
    CHECK(Site::load(folder / "site.toml").config == "/srv/aloft/etc");
}
