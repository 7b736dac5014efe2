#include "jobs/backup/archive.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <map>

#include "core/base/error.h"
#include "core/base/files.h"
#include "support/scratch.h"

using Catch::Contains;
using core::SecretKey;
using jobs::ArchiveReader;
using jobs::ArchiveWriter;

namespace {

using Files = std::map<std::string, std::string>;

Files read_all(const std::filesystem::path& file, const SecretKey& key) {
    Files files;
    ArchiveReader archive(file, key);
    while (const auto next = archive.next())
        archive.read([&, name = next->name](core::ByteView piece) { files[name] += core::text(piece); });
    return files;
}

void write_all_of(const std::filesystem::path& file, const SecretKey& key, const Files& files) {
    ArchiveWriter archive(file, key);
    for (const auto& [name, text] : files) {
        archive.begin({name, 0640});
        archive.write(core::view(text));
    }
    archive.finish();
}

// One empty, one of a piece, one of more than a piece.
const Files kFiles{{"config/site.toml", ""},
                   {"state/ledger.jsonl", std::string(200'000, 'x') + "end"},
                   {"state/keys/grant.key", "aloft-key-1"}};

}  // namespace

TEST_CASE("an archive gives back every file, with its mode, and only to its key") {
    const test::Scratch scratch;
    const SecretKey key = SecretKey::generate(), other = SecretKey::generate();
    write_all_of(scratch / "archive", key, kFiles);
    Files expected = kFiles;
    expected.erase("config/site.toml");  // no piece
    CHECK(read_all(scratch / "archive", key) == expected);
    ArchiveReader modes(scratch / "archive", key);
    std::size_t count = 0;
    while (const auto next = modes.next()) count += next->mode == 0640 && kFiles.contains(next->name);
    CHECK(count == kFiles.size());
    CHECK_THROWS_WITH(read_all(scratch / "archive", other), Contains("another key"));
    CHECK(core::read_text(scratch / "archive").find("grant.key") == std::string::npos);
    CHECK_THROWS_WITH(write_all_of(scratch / "archive", key, kFiles),
                      Contains("a backup in this folder already"));
}

TEST_CASE("every byte of an archive counts, and every cut is found") {
    const test::Scratch scratch;
    const SecretKey key = SecretKey::generate();
    write_all_of(scratch / "archive", key, {{"config/a.toml", "abc"}, {"state/b", "0123456789"}});
    const std::string whole = core::read_text(scratch / "archive");
    for (std::size_t at = 0; at < whole.size(); ++at) {
        std::string changed = whole;
        changed[at] = static_cast<char>(changed[at] ^ 1);
        core::write_atomically(scratch / "changed", changed);
        CHECK_THROWS_AS(read_all(scratch / "changed", key), core::Error);
        core::write_atomically(scratch / "changed", whole.substr(0, at));
        CHECK_THROWS_AS(read_all(scratch / "changed", key), core::Error);
    }
    core::write_atomically(scratch / "changed", whole + "x");
    CHECK_THROWS_AS(read_all(scratch / "changed", key), core::Error);
}

TEST_CASE("a name in an archive stays within state and config") {
    for (const char* good :
         {"state/a", "config/keys/nodes/n1.pub", "state/releases/0a/canonical/model.safetensors"})
        CHECK(jobs::is_archived_name(good));
    for (const char* bad : {"", "state", "state/", "/etc/passwd", "state/../../etc/passwd", "config//a",
                            "config/./a", "other/a", "state/a/", "../state/a"})
        CHECK_FALSE(jobs::is_archived_name(bad));
}
