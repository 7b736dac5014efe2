#include "identifiers/identifiers.h"

#include <zlib.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <set>

#include "core/base/files.h"
#include "support/scratch.h"

using identifiers::Breadth;
using identifiers::Identifier;
using identifiers::Search;

namespace {

const std::vector<Identifier> kPlanted{
    {"name", "許功麗"}, {"national_id", "A123456789"}, {"name_roman", "Hsu KungLi"}};
const std::vector<Identifier> kFew{
    {"name", "王美"}, {"national_id", "A123456789"}, {"phone", "0912-345-678"}};

// Everything found in `bytes` with noise around it, as "kind: form".
std::vector<std::string> found_in(const std::string& bytes, Breadth breadth = Breadth::usual) {
    Search search(breadth == Breadth::every ? kFew : kPlanted, breadth);
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

TEST_CASE("of a few identifiers more forms are found") {
    const auto [form, bytes] = GENERATE(table<std::string, std::string>({
        {"name: BIG5", "\xA4\xFD\xAC\xFC"},
        {"name: GB18030", "\xCD\xF5\xC3\xC0"},
        {"name: UTF-16LE", "\x8B\x73\x8E\x7F"},
        {"name: UTF-16BE", "\x73\x8B\x7F\x8E"},
        {"name: UTF-32BE", std::string("\0\0\x73\x8B\0\0\x7F\x8E", 8)},
        {"name: SHIFT_JIS", "\x89\xA4\x94\xFC"},
        {"name: EUC-KR", "\xE8\xDD\xDA\xB8"},
        {"name: reversed", "美王"},
        {"name: character references", "&#29579;&#32654;"},
        {"name: character references", "&#x738B;&#x7F8E;"},
        {"name: quoted-printable", "=E7=8E=8B=E7=BE=8E"},
        {"national_id: reversed", "987654321A"},
        {"national_id: lower case", "a123456789"},
        {"national_id: digits alone", "A-123456789"},
        {"national_id: percent escapes", "%41%31%32%33%34%35%36%37%38%39"},
        {"national_id: full-width, UTF-8", "Ａ１２３４５６７８９"},
        {"national_id: UTF-32LE",
         std::string("A\0\0\0001\0\0\0002\0\0\0003\0\0\0004\0\0\0005\0\0\0006\0\0\0007"
                     "\0\0\0008\0\0\0009\0\0\0",
                     40)},
        {"national_id: digits of a fraction", "12.3456789"},
        {"phone: percent escapes", "0912%2D345%2D678"},
        {"phone: digits alone", "(0912345678)"},
    }));
    CHECK(found_in(bytes, Breadth::every) == std::vector<std::string>{form});
    Search usual(kFew);
    usual.bytes(core::view(bytes), "here");
    CHECK(usual.findings().empty());
}

TEST_CASE(
    "a name of two characters is found whatever its bytes are, unless they are letters and digits alone") {
    const auto found = [](const std::string& name, const std::string& bytes) {
        Search search({{"name", name}}, Breadth::every);
        search.bytes(core::view("xx" + bytes + "yy"), "here");
        return search.findings().size() == 1 && search.findings()[0].form.starts_with("UTF-16");
    };
    CHECK(found("杜木", "\x67\x5C\x67\x28"));  // g\g(
    CHECK(found("杜木", "\x5C\x67\x28\x67"));
    CHECK(found("王明", "\x73\x8B\x66\x0E"));
    CHECK_FALSE(found("江水", "\x6C\x5F\x6C\x34"));  // l_l4
}

TEST_CASE("an ID in one bit of each element is found, whatever its order and where it begins") {
    const bool high_first = GENERATE(true, false);
    const unsigned bit = GENERATE(0U, 11U);
    core::Bytes pixels(2 * (3 + 80 + 40), 0);
    const std::string id = "A123456789";
    for (std::size_t i = 0; i < 80; ++i) {
        const unsigned one = static_cast<unsigned char>(id[i / 8]) >> (high_first ? 7 - i % 8 : i % 8) & 1;
        pixels[2 * (3 + i) + bit / 8] |= static_cast<std::uint8_t>(one << (bit % 8));
    }
    Search search(kFew, Breadth::every);
    search.elements(pixels, 2, "pixels");
    REQUIRE(search.findings().size() == 1);
    CHECK(search.findings()[0].where == "pixels, bit " + std::to_string(bit) + " of each element");
    Search usual(kFew);
    usual.elements(pixels, 2, "pixels");
    CHECK(usual.findings().empty());
}

TEST_CASE("what is deflated is found in it, also one stream in another") {
    const auto deflated = [](const std::string& text) {
        std::string out(compressBound(text.size()), '\0');
        uLongf size = out.size();
        REQUIRE(compress(reinterpret_cast<Bytef*>(out.data()), &size,
                         reinterpret_cast<const Bytef*>(text.data()), text.size()) == Z_OK);
        out.resize(size);
        return out;
    };
    const test::Scratch scratch;
    std::ofstream(scratch / "one") << "tEXt" << deflated("of A123456789") << "IEND";
    std::ofstream(scratch / "two") << deflated("x" + deflated("of A123456789"));
    Search search(kFew, Breadth::every);
    search.tree(scratch.path());
    REQUIRE(search.findings().size() == 2);
    CHECK(search.findings()[0].where == "file 1, inflated");
    CHECK(search.findings()[1].where == "file 2, inflated, inflated");
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

TEST_CASE("in a sealed tree what noise holds by chance is no finding, and an identifier is") {
    const test::Scratch scratch;
    std::ofstream(scratch / "noise") << "\x13\x37"
                                     << "高明"
                                     << "\x13";                                  // UTF-8, six bytes
    std::ofstream(scratch / "short") << std::string("\x9a\xd8\x66\x0e\x01", 5);  // the same, UTF-16
    Search open({{"name", "高明"}}, Breadth::every), sealed({{"name", "高明"}}, Breadth::every);
    open.tree(scratch.path());
    sealed.tree(scratch.path(), Search::Contents::sealed);
    std::set<std::string> here, there;
    for (const auto& one : open.findings()) here.insert(one.where.substr(0, 6));
    for (const auto& one : sealed.findings()) there.insert(one.where);
    CHECK(here == std::set<std::string>{"file 1", "file 2"});
    CHECK(there == std::set<std::string>{"file 1"});
}
