#include "staging/build/request.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "core/base/error.h"
#include "core/base/files.h"

using namespace staging;
namespace fs = std::filesystem;

namespace {

std::string refusal(const std::vector<DeliveryFolder>& deliveries, const std::vector<OwnFolder>& own = {}) {
    try {
        check_apart(deliveries, own);
    } catch (const core::Error& e) {
        CHECK(e.fault() == core::Fault::usage);
        const std::string text = e.what();
        return text.substr(0, text.find(':'));
    }
    return "";
}

}  // namespace

TEST_CASE("deliveries and what a build writes lie beside one another, whatever links lead there") {
    const core::TemporaryFolder temporary("request-test");
    const fs::path root = fs::canonical(temporary.path());
    fs::create_directories(root / "north/inner");
    fs::create_directories(root / "north2");
    fs::create_directories(root / "versions");
    fs::create_directory_symlink(root / "north/inner", root / "linked");
    const DeliveryFolder north{"north", root / "north"};

    CHECK(refusal({north, {"south", root / "north2"}},
                  {{"--out", root / "versions/1"}, {"--work", ""}, {"--keys", root / "north3"}}) == "");
    for (const fs::path& in :
         {root / "north", root / "north/", root / "north/inner", root / "linked", root / "linked/not/there/",
          root / "versions/../north/new", root / "./north/."}) {
        INFO(in);
        CHECK(refusal({north}, {{"--work", ""}, {"--out", in}}) ==
              "--out lies in the folder of the delivery north");
    }
    CHECK(refusal({north, {"south", root / "linked"}}) ==
          "the delivery south lies in the folder of the delivery north");
    CHECK(refusal({{"a", root / "linked"}, north}) ==
          "the delivery a lies in the folder of the delivery north");
    CHECK(refusal({north, {"south", root / "north/"}}) ==
          "the delivery south lies in the folder of the delivery north");
    for (const fs::path& around : {root, fs::path("/")})
        CHECK(refusal({north}, {{"--work", around}}) == "the delivery north lies in the folder of --work");
    // A link's parent is that of what it leads to.
    CHECK(refusal({{"south", root / "linked"}}, {{"--work", root / "linked/.."}}) ==
          "the delivery south lies in the folder of --work");

    const fs::path before = fs::current_path();
    fs::current_path(root / "north");
    CHECK(refusal({north}, {{"--out", "version"}}) == "--out lies in the folder of the delivery north");
    CHECK(refusal({north}, {{"--out", "../north2/version"}}) == "");
    fs::current_path(before);
}

TEST_CASE("what a build writes and its keys lie beside one another, too") {
    const core::TemporaryFolder temporary("request-test");
    const fs::path root = fs::canonical(temporary.path()), out = root / "versions/1";
    fs::create_directories(root / "keys");
    fs::create_directory_symlink(root / "keys", root / "linked");
    CHECK(refusal({}, {{"--out", out}, {"--work", root / "work"}, {"--keys", root / "keys"}}) == "");
    CHECK(refusal({}, {{"--out", out}, {"--work", ""}, {"--keys", root / "keys"}}) == "");
    CHECK(refusal({}, {{"--out", out}, {"--work", out / ".work"}, {"--keys", root / "keys"}}) == "");
    CHECK(refusal({}, {{"--out", out}, {"--keys", out / "keys"}}) == "--keys lies in the folder of --out");
    CHECK(refusal({}, {{"--out", root / "linked/1"}, {"--keys", root / "keys"}}) ==
          "--out lies in the folder of --keys");
    CHECK(refusal({}, {{"--out", out}, {"--work", out / "work"}}) == "--work lies in the folder of --out");
    CHECK(refusal({}, {{"--out", out}, {"--work", out / ".work/more"}}) ==
          "--work lies in the folder of --out");
    CHECK(refusal({}, {{"--work", root / "work"}, {"--keys", root / "work"}}) ==
          "--work lies in the folder of --keys");
}
