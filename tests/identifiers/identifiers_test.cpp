#include "identifiers/identifiers.h"

#include <catch2/catch.hpp>
#include <fstream>

#include "core/base/files.h"
#include "support/scratch.h"

using identifiers::Identifier;
using identifiers::Search;

namespace {

const std::vector<Identifier> kPlanted{
    {"name", "許功麗"}, {"national_id", "A123456789"}, {"name_roman", "Hsu KungLi"}};

// Everything found in `bytes` with noise around it, as "kind: form".
std::vector<std::string> found_in(const std::string& bytes) {
    Search search(kPlanted);
    search.bytes(core::view("noise before " + bytes + " and after"), "here");
    std::vector<std::string> out;
    for (const auto& finding : search.findings()) out.push_back(finding.kind + ": " + finding.form);
    return out;
}

}  // namespace

TEST_CASE("an identifier is found in each character set, as each has it") {
    // The name holds 0x5C in Big5: 許 is B3 5C.
    const auto [form, bytes] = GENERATE(table<std::string, std::string>({
        {"name: utf-8", "許功麗"},
        {"name: BIG5", "\xB3\x5C\xA5\x5C\xC4\x52"},
        {"name: GB18030", "\xD4\x53\xB9\xA6\xFB\x90"},
        {"name: UTF-16LE", "\x31\x8A\x9F\x52\x97\x9E"},
        {"name: json escapes", "\\u8a31\\u529f\\u9e97"},
        {"name: url escapes", "%E8%A8%B1%E5%8A%9F%E9%BA%97"},
        {"name: BIG5 hex", "b35ca55cc452"},
        {"national_id: UTF-16LE", std::string("A\0001\0002\0003\0004\0005\0006\0007\0008\0009", 20)},
        {"national_id: utf-8 hex", "41313233343536373839"},
        {"national_id: utf-8 base64", "QTEyMzQ1Njc4OQ=="},
        {"national_id: utf-8 base64", "eEExMjM0NTY3ODk="},  // in the middle: xA123456789
        // echo -n A123456789 | md5sum, sha1sum, sha256sum
        {"national_id: md5 of utf-8, hex", "31c0cf5e44892f8a6b297ec58a85ba30"},
        {"national_id: sha1 of utf-8, hex", "c191e16993b7fc19955cff4d37c577827d7763df"},
        {"national_id: sha256 of utf-8, hex",
         "51ff20a57253f7f0ee3a9bffe86a86a2141c716b2f554b2bf6429df50e538c13"},
    }));
    CHECK(found_in(bytes) == std::vector<std::string>{form});
}

TEST_CASE("what is not an identifier is not found") {
    CHECK(found_in("A12345678, A123456780, hsu kungli, 許功").empty());
}

TEST_CASE("an ID in the unused high bytes of 16-bit pixels is found") {
    core::Bytes pixels;
    for (const char c : std::string("..A123456789..")) {
        pixels.push_back(77);
        pixels.push_back(static_cast<std::uint8_t>(c));
    }
    Search search(kPlanted);
    search.bytes(pixels, "as it lies");
    CHECK(search.findings().empty());
    search.elements(pixels, 2, "pixels");
    REQUIRE(search.findings().size() == 1);
    CHECK(search.findings()[0].where == "pixels, byte 1 of each element");
}

TEST_CASE("a tree is searched in names and bytes, and a finding names neither") {
    const test::Scratch scratch;
    std::filesystem::create_directories(scratch / "a/b");
    std::ofstream(scratch / "a/b/A123456789.txt") << "nothing";
    std::ofstream(scratch / "a/plain.txt") << "of Hsu KungLi";
    Search search(kPlanted);
    search.tree(scratch.path());
    REQUIRE(search.findings().size() == 2);
    CHECK(search.findings()[0].where == "the name of file 3");
    CHECK(search.findings()[1].where == "file 4");
    CHECK(search.searched_files() == 2);
}
