#include "core/base/site.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>

#include "core/base/error.h"
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

    // A site that names nobody changes no text.
    CHECK(Site::load(folder / "site.toml").with_contact("Tell the admin") == "Tell the admin");

    // Who names another folder gets that.
    std::string named = text;
    named.replace(named.find("# config = \"/etc/aloft\""), 23, "config = \"/srv/aloft/etc\"");
    write_atomically(folder / "site.toml", named, 0644);
    CHECK(Site::load(folder / "site.toml").config == "/srv/aloft/etc");
}

TEST_CASE("who is sent to the admin is told who that is, and nobody else") {
    const test::Scratch folder;
    const auto example = std::filesystem::path(std::getenv("ALOFT_SOURCE")) / "configs/clusters/site.toml";
    const auto load = [&](const std::string& contact) {
        write_atomically(folder / "site.toml", "contact = \"" + contact + "\"\n" + read_text(example), 0644);
        return Site::load(folder / "site.toml");
    };
    const Site site = load("hpc-help@example.org, +886 2 0000");
    CHECK(site.with_contact("no workspace. Tell the admin") ==
          "no workspace. Tell the admin (hpc-help@example.org, +886 2 0000)");
    CHECK(site.with_contact("ask the admin: the log says why") ==
          "ask the admin: the log says why (hpc-help@example.org, +886 2 0000)");
    CHECK(site.with_contact("grant G-1 ended") == "grant G-1 ended");
    CHECK(load(std::string(200, 'x')).contact.size() == 200);
    CHECK_THROWS_AS(load(std::string(201, 'x')), Error);
    CHECK_THROWS_AS(load("two\\nlines"), Error);
}
