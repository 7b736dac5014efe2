#include "slurm/step/image.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <set>

#include "core/base/bytes.h"
#include "core/base/child.h"
#include "core/base/error.h"
#include "support/scratch.h"

namespace {

namespace fs = std::filesystem;

// What a built file asks the dynamic linker for, but for the C and C++ libraries.
std::set<std::string> needed_by(const fs::path& file) {
    std::set<std::string> names;
    const std::string said = core::run_program({"/usr/bin/readelf", "-d", file}, "").output;
    for (std::size_t at = 0; (at = said.find("(NEEDED)", at)) != std::string::npos;) {
        const auto begin = said.find('[', at) + 1;
        at = said.find(']', begin);
        const std::string name = said.substr(begin, at - begin);
        const auto is_of_the_language = [&](const char* start) { return name.starts_with(start); };
        if (std::ranges::none_of(std::array{"libc.", "libm.", "libgcc_s.", "libstdc++.", "ld-linux"},
                                 is_of_the_language))
            names.insert(name);
    }
    return names;
}

}  // namespace

TEST_CASE(
    "in an image our programs find every library that they link, and a C library that is old is enough") {
    const auto own = slurm::own_libraries();
    std::set<std::string> all;
    for (const char* variable : {"ALOFT_RUN_FILE", "ALOFT_SHELL_FILE", "LIBALOFT_FILE"}) {
        const char* file = std::getenv(variable);
        if (!file) continue;  // built without the trainer
        const auto needed = needed_by(file);
        CHECK_FALSE(needed.empty());
        all.insert(needed.begin(), needed.end());
        for (const std::string& name : needed) {
            INFO(name);
            CHECK(std::ranges::find(own, name) != own.end());
        }
        CHECK_THAT(core::run_program({"/usr/bin/readelf", "-d", file}, "").output,
                   Catch::Contains("runpath: [/aloft/lib]"));
        const std::string symbols = core::run_program({"/usr/bin/objdump", "-T", file}, "").output;
        for (int minor = 36; minor < 60; ++minor)
            CHECK(symbols.find("GLIBC_2." + std::to_string(minor)) == std::string::npos);
    }
    if (std::getenv("LIBALOFT_FILE")) CHECK(all == std::set<std::string>(own.begin(), own.end()));
}

TEST_CASE("a file that is not the policy's image is refused before anything is mounted") {
    const test::Scratch scratch;
    core::Site site;
    site.run = scratch / "run";
    const fs::path file = scratch / "one.sqfs";
    core::write_atomically(file, std::string_view("hsqs, and what else an image has"), 0644);
    core::Image image{"one", file,
                      core::to_hex(core::sha256(core::view("hsqs, and what else an image has")))};
    const auto refusal = [&]() -> std::string {
        try {
            slurm::mount_image(site, image);
        } catch (const core::Error& e) {
            CHECK(e.fault() == core::Fault::refused);
            return e.what();
        }
        return "";
    };
    image.file = scratch / "absent";
    CHECK_THAT(refusal(),
               Catch::Contains("image one cannot be used on this node: its file cannot be opened"));
    fs::create_symlink(file, scratch / "link");
    image.file = scratch / "link";
    CHECK_THAT(refusal(), Catch::Contains("its file cannot be opened"));
    REQUIRE(::mkfifo((scratch / "pipe").c_str(), 0600) == 0);
    image.file = scratch / "pipe";
    CHECK_THAT(refusal(), Catch::Contains("root's alone"));
    image.file = file;
    fs::permissions(file, fs::perms(0664));
    CHECK_THAT(refusal(), Catch::Contains("root's alone"));
    fs::permissions(file, fs::perms(0644));
    if (::geteuid() != 0) {
        CHECK_THAT(refusal(), Catch::Contains("root's alone"));
        return;
    }
    image.sha256[0] ^= 1;
    CHECK_THAT(refusal(), Catch::Contains("other bytes than the policy says"));
    image.sha256[0] ^= 1;
    // Its bytes are right, and no image: the kernel says so, or there is no loop device here.
    CHECK_THAT(refusal(), Catch::Contains("fence: cannot"));
    // Read once, whether it was right or wrong: the file is one.
    CHECK(std::ranges::distance(fs::directory_iterator(site.run / "images"), fs::directory_iterator()) == 1);
    core::write_atomically(file, std::string_view("hsqs, and what else an imagE has"), 0644);
    CHECK_THAT(refusal(), Catch::Contains("other bytes than the policy says"));
}
