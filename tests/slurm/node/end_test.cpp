#include "slurm/node/end.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "core/base/files.h"
#include "support/scratch.h"

TEST_CASE("a key is overwritten before its file goes") {
    const test::Scratch scratch;
    core::Site site;
    site.run = scratch.path();
    const slurm::JobFiles files(site, 17);
    core::make_directories(files.keys);
    core::write_atomically(files.keys / "digits@1", core::Bytes(32, 0x5a), 0400);
    const auto other_name = scratch / "pages";  // of the same pages
    std::filesystem::create_hard_link(files.keys / "digits@1", other_name);
    slurm::destroy_keys(files);
    CHECK_FALSE(std::filesystem::exists(files.keys));
    const core::Bytes left = core::read_file(other_name);
    CHECK(left.size() >= 32);
    CHECK(std::count(left.begin(), left.end(), 0) == static_cast<std::ptrdiff_t>(left.size()));
    slurm::destroy_keys(files);  // there is none
}
