#include "staging/work/sealed_file.h"

#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "core/base/files.h"
#include "support/scratch.h"

using namespace staging;

namespace {

const core::SecretKey& key() {
    static const core::SecretKey one = core::SecretKey::from(core::Bytes(32, 5));
    return one;
}

// The blocks of a file, from the first to the last.
std::vector<core::Bytes> blocks(const std::filesystem::path& path, const core::SecretKey& with = key(),
                                const std::string& purpose = "test") {
    SealedReader reader(path, with, purpose);
    std::vector<core::Bytes> out;
    while (auto block = reader.next()) out.push_back(*std::move(block));
    return out;
}

struct File {
    test::Scratch folder;
    std::filesystem::path path = folder / "file";
    std::vector<core::Bytes> written{core::Bytes(100, 1), core::Bytes(), core::Bytes(100, 2),
                                     core::Bytes(7, 3)};
    std::vector<std::uint64_t> offsets;
    File() {
        SealedWriter writer(path, key(), "test");
        for (const core::Bytes& block : written) offsets.push_back(writer.append(block));
    }
};

}  // namespace

TEST_CASE("blocks come back in order, and each by its offset") {
    const File file;
    CHECK(blocks(file.path) == file.written);
    const SealedReader reader(file.path, key(), "test");
    for (std::size_t i = file.offsets.size(); i-- > 0;) CHECK(reader.at(file.offsets[i]) == file.written[i]);
}

TEST_CASE("a file that is opened again goes on where it ended") {
    const File file;
    SealedWriter(file.path, key(), "test").append(core::Bytes(3, 9));
    CHECK(blocks(file.path).size() == 5);
    CHECK(blocks(file.path).back() == core::Bytes(3, 9));
}

TEST_CASE("nothing of what was written can be read in the file") {
    const test::Scratch folder;
    const std::string name = "name of a patient";
    SealedWriter(folder / "file", key(), "test").append(core::view(name));
    CHECK(core::read_text(folder / "file").find("patient") == std::string::npos);
}

TEST_CASE("any changed byte is damage") {
    const File file;
    const core::Bytes good = core::read_file(file.path);
    for (std::size_t at = 0; at < good.size(); ++at) {
        core::Bytes bad = good;
        bad[at] ^= 1;
        core::write_atomically(file.path, bad);
        REQUIRE_THROWS_AS(blocks(file.path), core::Error);
    }
}

TEST_CASE("a block that was moved, a file cut inside a block, another key or purpose: damage") {
    const File file;
    const core::Bytes good = core::read_file(file.path);
    const auto at = [&](std::size_t i) {
        return good.begin() + static_cast<std::ptrdiff_t>(file.offsets[i]);
    };
    core::Bytes swapped(at(2), at(3));  // as long as the first
    swapped.insert(swapped.end(), at(1), at(2));
    swapped.insert(swapped.end(), at(0), at(1));
    swapped.insert(swapped.end(), at(3), good.end());
    core::write_atomically(file.path, swapped);
    CHECK_THROWS_AS(blocks(file.path), core::Error);
    core::write_atomically(file.path, core::ByteView(good).first(good.size() - 1));
    CHECK_THROWS_AS(blocks(file.path), core::Error);
    core::write_atomically(file.path, good);
    CHECK_THROWS_AS(blocks(file.path, core::SecretKey::from(core::Bytes(32, 6))), core::Error);
    CHECK_THROWS_AS(blocks(file.path, key(), "other"), core::Error);
    CHECK_THROWS_AS(SealedReader(file.path, key(), "test").at(1), core::Error);
}
