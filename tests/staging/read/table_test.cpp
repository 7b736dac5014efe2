#include <signal.h>

#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "staging/read/delivery.h"
#include "staging/read/format.h"
#include "staging/read/make_dicom.h"
#include "staging/read/processes.h"
#include "staging/read/table/utf8.h"
#include "staging/read/worker.h"
#include "staging/sandbox/sandbox.h"
#include "support/scratch.h"

using namespace staging;

namespace {

struct Read {
    std::vector<Record> rows;
    core::Digest sha256;
    std::uint64_t bytes;
    // "value|value" of row `index`, or its reason and detail
    std::string operator[](std::size_t index) const {
        const Record& row = rows.at(index);
        if (!row.ok())
            return std::string(reason_name(row.reason)) + (row.detail.empty() ? "" : " " + row.detail);
        std::string text;
        for (const auto& value : row.values)
            text += (&value == &row.values.front() ? "" : "|") + value.value().bytes;
        return text;
    }
};

Read read(const std::string& csv, const std::vector<std::string>& columns, const Limits& limits = {},
          const TableForm& form = {}) {
    const test::Scratch folder;
    core::write_atomically(folder / "t.csv", csv);
    const Readers server;
    Table table(server, Wanted::of(*find_format("csv"), columns, form), limits,
                Delivery(folder.path()).open("t.csv"));
    Read result;
    for (Record row; table.next(row);) result.rows.push_back(std::move(row));
    result.sha256 = table.file_sha256();
    result.bytes = table.file_bytes();
    CHECK(result.sha256 == core::sha256(core::view(csv)));
    CHECK(result.bytes == csv.size());
    return result;
}

}  // namespace

TEST_CASE("columns come in the order in which they are wanted") {
    const Read table = read("id,radius,name\n1,2.5,Wang\n2,3.5,Li\n", {"radius", "id"});
    REQUIRE(table.rows.size() == 2);
    CHECK(table[0] == "2.5|1");
    CHECK(table[1] == "3.5|2");
    CHECK(table.rows[1].row == 2);
    CHECK(number(*table.rows[0].values[0]) == 2.5);
    CHECK(integer(*table.rows[0].values[1]) == 1);
}

TEST_CASE("RFC 4180: quotes, line ends, a byte order mark, fields with spaces") {
    const Read table = read(
        "\xef\xbb\xbf"
        "a,b\r\n\"x,\"\"y\"\"\nz\", 1 \r\n\r\n\"\",\r\nlast,row",
        {"a", "b"});
    REQUIRE(table.rows.size() == 3);
    CHECK(table[0] == "x,\"y\"\nz| 1 ");
    CHECK(table[1] == "|");
    CHECK(table[2] == "last|row");
}

TEST_CASE("a wrong row is named and the table goes on") {
    const Read table = read("a,b\n1\n1,2,3\n1,\xff\n\xff,2\n1,2\n", {"b"});
    REQUIRE(table.rows.size() == 5);
    CHECK(table[0] == "bad_row");
    CHECK(table[1] == "bad_row");
    CHECK(table[2] == "not_utf8 b");
    CHECK(table[3] == "not_utf8");
    CHECK(table[4] == "2");
    for (std::size_t i = 0; i < 5; ++i) CHECK(table.rows[i].row == i + 1);
    for (std::size_t i = 0; i < 4; ++i) CHECK(table.rows[i].values.empty());
}

TEST_CASE("a table that cannot go on ends with the reason") {
    const auto only = [](const std::string& csv, const std::string& reason) {
        const Read table = read(csv, {"a"});
        REQUIRE(table.rows.size() == 1);
        CHECK(table[0] == reason);
    };
    only("", "bad_header empty");
    only("\r\n\r\n", "bad_header empty");
    only("\xef\xbb\xbf\n", "bad_header empty");
    only(std::string(5000, '\n') + "b\n", "bad_header looks like a title row");
    only("b,c\n1,2\n", "bad_header a");
    only("b,a,,a\n1,2,3,4\n", "bad_header a");
    only("a,\xff\n1,2\n", "bad_header looks like another encoding");
    const Read quotes = read("a,b\n1,2\n3,x\"y\n5,6\n", {"a"});
    REQUIRE(quotes.rows.size() == 2);
    CHECK(quotes[1] == "bad_quoting");
    CHECK(quotes.rows[1].row == 2);
    const Read open = read("a,b\n1,2\n3,\"y\n5,6\n", {"a"});
    CHECK(open[1] == "bad_quoting");
    Limits limits;
    limits.rows = 2;
    const Read many = read("a\n1\n2\n3\n4\n", {"a"}, limits);
    REQUIRE(many.rows.size() == 3);
    CHECK(many[2] == "too_many_rows");
}

TEST_CASE("columns that nobody wants may have no name, or one name") {
    const Read table = read("x,a,x,,b,,\n1,2,3,4,5,,\n6,7,8,9,10,,\n1,2,3,4,5\n", {"a", "b"});
    REQUIRE(table.rows.size() == 3);
    CHECK(table[0] == "2|5");
    CHECK(table[1] == "7|10");
    CHECK(table[2] == "bad_row");
}

TEST_CASE("rows and values have largest sizes") {
    Limits limits;
    limits.row_bytes = 1000;
    limits.value_bytes = 100;
    const std::string wide(200, 'x');
    std::string fields;
    for (int i = 0; i < 6; ++i) fields += "," + wide;
    const Read table = read("a,b,c,d,e,f,g\n1" + fields + "\n" + wide + ",,,,,,\n1,,,,,,\n", {"a"}, limits);
    REQUIRE(table.rows.size() == 3);
    CHECK(table[0] == "row_too_large");
    CHECK(table[1] == "value_too_large a");
    CHECK(table[2] == "1");
    // A quote that is never closed would take the rest of the file into one field.
    const Read endless = read("a\n\"" + std::string(3 << 20, 'x'), {"a"}, limits);
    REQUIRE(endless.rows.size() == 1);
    CHECK(endless[0] == "row_too_large");
}

TEST_CASE("memory does not grow with the table") {
    const std::uint64_t rows = kSanitized ? 100'000 : 1'000'000;
    const test::Scratch folder;
    {
        std::string csv = "a,b,c\n";
        for (std::uint64_t i = 0; i < rows; ++i) csv += std::to_string(i) + ",xxxxxxxxxxxxxxxxxxxx,y\n";
        core::write_atomically(folder / "t.csv", csv);
    }
    const Readers server;
    Table table(server, Wanted::columns({"a"}), {}, Delivery(folder.path()).open("t.csv"));
    REQUIRE(test::workers().size() == 1);
    const pid_t worker = test::workers()[0];
    Record row;
    REQUIRE(table.next(row));
    const long before = test::status_kb(worker, "VmHWM");
    std::uint64_t count = 1;
    bool ordered = row.values[0]->bytes == "0";
    for (; table.next(row); ++count)
        ordered = ordered && row.ok() && row.values[0]->bytes == std::to_string(count);
    CHECK(ordered);
    CHECK(count == rows);
    CHECK(test::status_kb(worker, "VmHWM") < before + (kSanitized ? 400'000 : 20'000));
}

TEST_CASE(
    "a table that cannot be opened is one Record with the reason, one whose worker is killed is read again") {
    const test::Scratch folder;
    const Readers server;
    Record row;
    Table absent(server, Wanted::columns({"a"}), {}, Delivery(folder.path()).open("absent"));
    REQUIRE(absent.next(row));
    CHECK(row.reason == Reason::unreadable);
    CHECK_FALSE(absent.next(row));

    core::write_atomically(folder / "t.csv", "a\n1\n");
    Table table(server, Wanted::columns({"a"}), {}, Delivery(folder.path()).open("t.csv"));
    REQUIRE(test::workers().size() == 1);
    ::kill(test::workers()[0], SIGKILL);
    // Killed by somebody else: no verdict, the table is read from its beginning.
    REQUIRE(table.next(row));
    CHECK(row.ok());
    CHECK(row.row == 1);
    CHECK_FALSE(table.next(row));
    CHECK_THROWS_AS(Table(server, Wanted::attributes({}), {}, Delivery(folder.path()).open("t.csv")),
                    core::Error);
}

TEST_CASE("UTF-8 is what Unicode's table 3-7 says") {
    for (const char* good : {"", "abc", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf",
                             "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "王小明"})
        CHECK(is_utf8_text(good));
    for (const char* bad :
         {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
          "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe4\xbd", "\xc2", "\xff", "\xa4\xa4\xa4\xe5"})
        CHECK_FALSE(is_utf8_text(bad));
    CHECK_FALSE(is_utf8_text(std::string_view("a\0b", 3)));
}

namespace {

// ASCII and the given characters as UTF-16.
std::string utf16(const std::u16string& text, bool big_endian, bool with_mark) {
    std::string out;
    for (const char16_t unit : (with_mark ? u"\xfeff" : u"") + text) {
        const char low = static_cast<char>(unit & 0xff), high = static_cast<char>(unit >> 8);
        out += big_endian ? high : low;
        out += big_endian ? low : high;
    }
    return out;
}

}  // namespace

TEST_CASE("a table in another declared form is read as what it means") {
    CHECK(read("id;name\n1;a,b\n", {"name", "id"}, {}, {';', "utf-8", 0})[0] == "a,b|1");
    CHECK(read("id\tname\n1\ta;b\n", {"name", "id"}, {}, {'\t', "utf-8", 0})[0] == "a;b|1");
    CHECK(read("Report of May\n\nprinted,by\nid,name\n1,x\n", {"id"}, {}, {',', "utf-8", 2})[0] == "1");
    // 許功蓋: the second byte of each is a backslash in ASCII. 民國 in the header.
    const std::string big5 = "\xa5\xc1\xb0\xea,name\n112,\xb3\x5c\xa5\x5c\xbb\x5c\n";
    CHECK(read(big5, {"民國", "name"}, {}, {',', "big5", 0})[0] == "112|許功蓋");
    const std::string gb18030 = "name\n\xcd\xf5\n\x90\x30\x81\x30\n";  // 王, and U+10000 in four bytes
    CHECK(read(gb18030, {"name"}, {}, {',', "gb18030", 0})[1] == "\xf0\x90\x80\x80");
    CHECK(read(gb18030, {"name"}, {}, {',', "gb18030", 0})[0] == "王");
}

TEST_CASE("UTF-16 in either order, with or without its mark, also where a chunk ends within a character") {
    const std::u16string text = u"id,name\r\n1,王小明\r\n2,\xd840\xdc00\r\n";
    for (const bool big_endian : {false, true}) {
        const Read table = read(utf16(text, big_endian, true), {"name"}, {}, {',', "utf-16", 0});
        REQUIRE(table.rows.size() == 2);
        CHECK(table[0] == "王小明");
        CHECK(table[1] == "𠀀");
    }
    for (const bool big_endian : {false, true}) {
        CHECK(read(utf16(text, big_endian, false), {"name"}, {}, {',', "utf-16", 0})[0] == "王小明");
        // 椀 is U+6900, 愀 U+6100, whose halves are those of ASCII the other way round.
        CHECK(read(utf16(u"椀愀,name\n1,愀\n", big_endian, false), {"name"}, {}, {',', "utf-16", 0})[0] ==
              "愀");
        CHECK(read(utf16(u"id,name\r1,愀\r", big_endian, false), {"name"}, {}, {',', "utf-16", 0})[0] ==
              "愀");
    }
    for (int shift = 0; shift < 4; ++shift) {
        std::u16string longer = u"id,name\n" + std::u16string(static_cast<std::size_t>(shift), u'1');
        while (longer.size() < 40000) longer += u",\xd840\xdc00\n1";
        const Read table = read(utf16(longer, false, true), {"name"}, {}, {',', "utf-16", 0});
        REQUIRE(table.rows.size() > 1000);
        for (std::size_t i = 0; i + 1 < table.rows.size(); ++i) REQUIRE(table[i] == "𠀀");
    }
    CHECK(read(utf16(u"id,name\n1,\xdc00\n", false, true), {"name"}, {}, {',', "utf-16", 0})[0] ==
          "not_utf8 utf-16");
    CHECK(read(utf16(u"id\n1\n", false, true) + "x", {"id"}, {}, {',', "utf-16", 0})[1] == "not_utf8 utf-16");
}

TEST_CASE("a table of another form than declared is refused with a word on what it looks like") {
    CHECK(read("id;name\n1;a\n", {"id", "name"})[0] == "bad_header looks like semicolons");
    CHECK(read("id\tname\n1\ta\n", {"id", "name"})[0] == "bad_header looks like tabs");
    CHECK(read("id,name\n1,a\n", {"id", "name"}, {}, {';', "utf-8", 0})[0] == "bad_header looks like commas");
    CHECK(read("Report of May\nid,name\n1,a\n", {"id", "name"})[0] == "bad_header looks like a title row");
    CHECK(read(utf16(u"id,name\n1,a\n", false, true), {"id"})[0] == "bad_header looks like utf-16");
    CHECK(read("\xa5\xc1\xb0\xea,name\n1,a\n", {"民國"})[0] == "bad_header looks like another encoding");
    CHECK(read("sep=1,b\n1,a\n", {"sep=1"})[0] == "1");
    CHECK(read(utf16(u"", false, true), {"id"}, {}, {',', "utf-16", 0})[0] == "bad_header empty");
}

TEST_CASE("a first line that says the separator is none of the table's, if it says what is declared") {
    const std::vector<std::string> wanted{"id", "name"};
    for (const char* line : {"sep=,\r\n", "\xef\xbb\xbfsep=,\n"}) {
        const Read table = read(line + std::string("id,name\n1,a\n2,b\n"), wanted);
        REQUIRE(table.rows.size() == 2);
        CHECK(table[1] == "2|b");
        CHECK(table.rows[1].row == 2);
    }
    CHECK(read("sep=;\nid;name\n1;a\n", wanted, {}, {';', "utf-8", 0})[0] == "1|a");
    CHECK(read("sep=\t\nid\tname\n1\ta\n", wanted, {}, {'\t', "utf-8", 0})[0] == "1|a");
    CHECK(read(utf16(u"sep=;\r\nid;name\r\n1;a\r\n", false, true), wanted, {}, {';', "utf-16", 0})[0] ==
          "1|a");
    // It is no title row, whether one is declared or not.
    CHECK(read("sep=,\nReport\nid,name\n1,a\n", wanted, {}, {',', "utf-8", 1})[0] == "1|a");
    CHECK(read("Report\nsep=,\nid,name\n1,a\n", wanted, {}, {',', "utf-8", 2})[0] == "1|a");
    CHECK(read("Report \xff\nid,name\n1,a\n", wanted, {}, {',', "utf-8", 1})[0] == "1|a");
    CHECK(read("sep=,\nid,name\n1,a\n", wanted, {}, {',', "utf-8", 1})[0] == "bad_header id");
    CHECK(read("sep=;\nid;name\n1;a\n", wanted)[0] == "bad_header looks like semicolons");
    CHECK(read("sep=,\nid,name\n1,a\n", wanted, {}, {';', "utf-8", 0})[0] == "bad_header looks like commas");
    CHECK(read("sep=\t\nid\tname\n1\ta\n", wanted)[0] == "bad_header looks like tabs");
    CHECK(read("id,name\nsep=,\n", wanted)[0] == "sep=|");
    CHECK(read("sep=,\nsep=,\nid,name\n1,a\n", wanted)[0] == "bad_header id");
    CHECK(read("sep=,\n", wanted)[0] == "bad_header");
    CHECK(read("a,b\n1,a\n", {"id"})[0] == "bad_header id");
}

TEST_CASE("a form that no table can have is refused by name") {
    const auto with = [](const TableForm& form) { Wanted::of(*find_format("csv"), {"id"}, form); };
    CHECK_THROWS_WITH(with({'x', "utf-8", 0}), Catch::Contains("separator"));
    CHECK_THROWS_WITH(with({',', "latin", 0}), Catch::Contains("encoding"));
    CHECK_THROWS_WITH(with({'|', "big5", 0}), Catch::Contains("cannot be told apart"));
}

TEST_CASE("the longest row that a definition may allow comes over, though it grows when it is decoded") {
    Limits limits;
    limits.row_bytes = kMostRowBytes;
    limits.value_bytes = kMostValueBytes;
    const std::vector<std::string> names{"a", "b", "c", "d", "e", "f", "g", "h"};
    std::string table = "a,b,c,d,e,f,g,h\n", row;
    for (int i = 0; i < 20'000; ++i) table += "1,2,3,4,5,6,7,8\n";  // so that a message is begun already
    const std::size_t longest = kMostValueBytes - 2;
    // TIS-620: one byte each, and three in UTF-8.
    for (std::size_t i = 0; i < names.size(); ++i) row += (i ? "," : "") + std::string(longest, '\xa1');
    TableForm form;
    form.encoding = "tis-620";
    const Read read_all = read(table + row + "\n1,2,3,4,5,6,7,8\n" + row + "x,\n", names, limits, form);
    REQUIRE(read_all.rows.size() == 20'003);
    REQUIRE(read_all.rows[20'000].ok());
    for (const auto& value : read_all.rows[20'000].values) CHECK(value->bytes.size() == 3 * longest);
    CHECK(read_all[20'001] == "1|2|3|4|5|6|7|8");
    CHECK(read_all[20'002] == "bad_row");
}
