#include "jobs/cli/recognised.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>

#include "core/base/message.h"

using jobs::Recogniser;
using Entries = std::vector<core::Translation>;

TEST_CASE("a text is recognised whole, and what stands in its places is carried over as it is") {
    const Recogniser known(Entries{{"absent", "無"},
                                   {"install {}: {} by it", "安裝 {}：{}"},
                                   {"{}: not there", "{}：不在"},
                                   {"half {{of}} {}", "{} 之半 {{}}"}});
    CHECK(known.told("absent") == "無");
    CHECK(known.told("install nftables: Prolog by it") == "安裝 nftables：Prolog");
    CHECK(known.told("/srv/a: not there") == "/srv/a：不在");
    CHECK(known.told("half {of} all") == "all 之半 {}");
    for (const char* other :
         {"", "absent ", " absent", "abs", "install a: b by it.", "Install a: b by it", "not there"})
        CHECK(known.told(other) == other);
    // What stands in a place is no format, whoever wrote it.
    CHECK(known.told("{} {0} {: not there") == "{} {0} {：不在");
}

TEST_CASE("the order of places in a translation may be another one") {
    const Recogniser known(Entries{{"install {} on {}", "在 {1} 安裝 {0}"}, {"{} for {}", "{1}之{0}"}});
    CHECK(known.told("install 1.2 on n1") == "在 n1 安裝 1.2");
    CHECK(known.told("sshd for alice") == "alice之sshd");
}

TEST_CASE("of several entries the one with the most literal text is taken, in whatever order they come") {
    Entries entries{{"{}, which is not", "a {}"},
                    {"{}: {}", "b {} {}"},
                    {"{}: {}, which is not", "c {} {}"},
                    {"x: {}", "d {}"},
                    {"x: y, which is not", "e"}};
    for (int turn = 0; turn < 5; ++turn) {
        std::rotate(entries.begin(), entries.begin() + 1, entries.end());
        const Recogniser known(entries);
        CHECK(known.told("x: y, which is not") == "e");
        CHECK(known.told("z: y, which is not") == "c z y");
        CHECK(known.told("z y, which is not") == "a z y");
        CHECK(known.told("x: y") == "d y");
        CHECK(known.told("z: y") == "b z y");
    }
    // As much literal text: the fewest places, then the first by its bytes.
    for (const bool first : {true, false}) {
        Entries even{{"{}ab{}", "two {} {}"}, {"{}ab", "end {}"}, {"ab{}", "begin {}"}};
        if (first) std::swap(even.front(), even.back());
        CHECK(Recogniser(even).told("abab") == "begin ab");
        CHECK(Recogniser(even).told("1ab2") == "two 1 2");
    }
}

TEST_CASE("places may be empty, and may hold what looks like literal text") {
    const Recogniser known(
        Entries{{"a{}b{}c", "<{}|{}>"}, {"mode {}", "權 {}"}, {"{} is {}'s and {}'s", "{}={}={}"}});
    CHECK(known.told("abc") == "<|>");
    CHECK(known.told("a1bb2bc") == "<1|b2b>");
    CHECK(known.told("aabbcc") == "<a|bc>");
    CHECK(known.told("mode ") == "權 ");
    CHECK(known.told("mode mode 7") == "權 mode 7");
    CHECK(known.told("1 is a's and b's and c's") == "1=a=b's and c");
    // Parts that would have to overlap are not there.
    CHECK(Recogniser(Entries{{"aba{}aba", "x {}"}}).told("ababa") == "ababa");
}

TEST_CASE("entries that would lose something are not used") {
    const Recogniser known(Entries{{"one {}", "eins"},
                                   {"two {}", "zwei {} {}"},
                                   {"three {0}", "drei {0}"},
                                   {"four {", "vier"},
                                   {"{}", "alles {}"},
                                   {"{}{}", "alles {}{}"},
                                   {"five {}", "fünf {x}"},
                                   {"six {}", "sechs {1}"}});
    for (const char* text : {"one 1", "two 2", "three 3", "four {", "five 5", "six 6", "anything"})
        CHECK(known.told(text) == text);
}

TEST_CASE("a text that a node cut is recognised by what is left of it") {
    const Recogniser known(
        Entries{{"mount a disk at {}: what is on it must be there, before {}", "在 {} 掛載，先於 {}"},
                {"mount a tmpfs there: unsealed keys must not reach a disk", "掛載 tmpfs"},
                {"the same words for a long while, and then one", "甲"},
                {"the same words for a long while, and then two", "乙"}});
    CHECK(known.told("mount a tmpfs there: unsealed k...") == "掛載 tmpfs");
    CHECK(known.told("mount a disk at /srv: what is on it mu...") == "在 /srv 掛載，先於 ...");
    CHECK(known.told("mount a disk at /srv: what is on it must be there, before the ne...") ==
          "在 /srv 掛載，先於 the ne...");
    CHECK(known.told("the same words for a long while, and then t...") == "乙");
    // Too little, two that fit as well, more than there is, or cut behind its end.
    for (const char* text : {"mount a tmpfs the...", "the same words for a long while, and...", "...",
                             "mount a tmpfs there: unsealed keys must not reach a disk or two...",
                             "mount a tmpfs there: unsealed keys must not reach a disk...",
                             "mount a tmpfs there: unsealed x..."})
        CHECK(known.told(text) == text);
}

TEST_CASE("a list is told part by part") {
    const Recogniser known(Entries{{"may use cron", "可用 cron"}, {"{} is not known", "不知 {}"}});
    CHECK(known.told("may use cron, x11forwarding yes, permittunnel is not known") ==
          "可用 cron, x11forwarding yes, 不知 permittunnel");
    CHECK(known.told("a, b, c") == "a, b, c");
    std::string many = "may use cron";
    for (int i = 0; i < 100; ++i) many += ", may use cron";
    CHECK(known.told(many) == many);
}

TEST_CASE("a hostile text costs time in proportion to its length") {
    const std::string part(60, 'a');
    Entries entries;
    for (int i = 0; i < 60; ++i) {
        const std::string one = part + "b" + std::to_string(i);
        entries.push_back({"{}" + one + "{}" + one + "{}", "{} {} {}"});
    }
    entries.push_back({"{}, {}", "{} {}"});
    const Recogniser known(entries);
    const auto seconds = [&](std::size_t bytes, const std::string& of) {
        std::string text;
        while (text.size() < bytes) text += of;
        const auto begin = std::chrono::steady_clock::now();
        CHECK_FALSE(known.told(text + "...").empty());
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    };
    // Quadratic, the first alone would be minutes.
    for (const char* of : {"a", ", ", "{}", "aab", "\n\033"}) CHECK(seconds(1 << 20, of) < 30);
}

TEST_CASE("each text that a catalogue has is recognised, whole and as a node cuts it") {
    const std::filesystem::path file = std::getenv("ALOFT_CATALOGUE");
    const std::string context = GENERATE("check", "finding");
    const Entries all = core::translations_in(file, context);
    REQUIRE(all.size() > (context == "check" ? 250 : 100));
    const Recogniser known(all);
    std::size_t cuts = 0;
    for (const core::Translation& one : all) {
        INFO(one.english);
        std::vector<std::string> places;
        for (char place = 'P'; !core::Message{one.english, places}.fits(); ++place)
            places.push_back(std::string(3, place));
        const std::string text = core::Message{one.english, places}.english();
        CHECK(known.told(text) == core::Message{one.other, places}.english());
        if (text.size() <= 96) continue;
        ++cuts;
        CHECK(known.told(text.substr(0, 93) + "...") != text.substr(0, 93) + "...");
    }
    CHECK(cuts > 10);
}

TEST_CASE("a finding is told with its place, and how many more there are") {
    const Recogniser places(Entries{{"row {}, column {}", "第 {} 列第 {} 欄"}, {"line {}", "第 {} 行"}});
    const Recogniser changes(Entries{{"an address; leave it out", "網址"},
                                     {"tensor {}: of a type that cannot leave", "張量 {}：型別"}});
    const auto told = [&](const char* text) { return jobs::finding_told(places, changes, text); };
    CHECK(told("an address; leave it out") == "網址");
    CHECK(told("row 3, column 2: an address; leave it out") == "第 3 列第 2 欄: 網址");
    CHECK(told("/3/1: an address; leave it out (2 more such places)") == "/3/1: 網址 (2 more such places)");
    CHECK(told("tensor a: b: of a type that cannot leave") == "張量 a: b：型別");
    CHECK(told("line 4: tensor a: of a type that cannot leave") == "第 4 行: 張量 a：型別");
    for (const char* other :
         {"", ": ", "line 4: no such thing", "a: b: c: d: e: f: g: h: i: j: k: an address; leave it out",
          "x (2 more such places)", " (more such places)", " more such places)"})
        CHECK(told(other) == other);
}

TEST_CASE("without a language a check's text is English") {
    CHECK(jobs::recognised("absent") == "absent");
}
