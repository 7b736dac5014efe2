#include "core/base/catalogue.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdint>
#include <cstring>
#include <fstream>

using namespace core;

namespace {

struct Texts {
    std::string english, other;
};

std::string number(std::size_t value) {
    const auto word = static_cast<std::uint32_t>(value);
    return {reinterpret_cast<const char*>(&word), sizeof word};
}

// As msgfmt writes one (GNU gettext's manual, "The Format of GNU MO Files").
std::string catalogue(const std::vector<Texts>& all) {
    const std::size_t tables = 28, texts = tables + 16 * all.size();
    std::string first, second, bytes;
    for (const Texts& one : all) {
        first += number(one.english.size()) + number(texts + bytes.size());
        bytes += one.english + '\0';
    }
    for (const Texts& one : all) {
        second += number(one.other.size()) + number(texts + bytes.size());
        bytes += one.other + '\0';
    }
    return number(0x950412de) + number(0) + number(all.size()) + number(tables) +
           number(tables + 8 * all.size()) + number(0) + number(texts) + first + second + bytes;
}

std::vector<Translation> read(const std::string& bytes, std::string_view context) {
    const auto file =
        std::filesystem::temp_directory_path() / ("aloft-catalogue-" + std::to_string(::getpid()) + ".mo");
    std::ofstream(file, std::ios::binary) << bytes;
    const auto all = translations_in(file, context);
    std::filesystem::remove(file);
    return all;
}

const std::vector<Texts> kTexts = {{"", "Language: xx\n"},
                                   {"absent", "anders"},
                                   {std::string("check\4") + "absent", "abwesend"},
                                   {std::string("check\4") + "mode {}", "Modus {}"},
                                   {std::string("checks\4") + "other", "nein"}};

}  // namespace

TEST_CASE("the entries of a context are told, without it, and no others") {
    const auto all = read(catalogue(kTexts), "check");
    REQUIRE(all.size() == 2);
    CHECK(all[0].english == "absent");
    CHECK(all[0].other == "abwesend");
    CHECK(all[1].english == "mode {}");
    CHECK(all[1].other == "Modus {}");
    CHECK(read(catalogue(kTexts), "chec").empty());
    CHECK(read(catalogue({}), "check").empty());
}

TEST_CASE("what is no catalogue, or a damaged one, has no entries") {
    CHECK(translations_in("/nonexistent", "check").empty());
    CHECK(translations_in("", "check").empty());
    CHECK(translations_in("/", "check").empty());
    const std::string whole = catalogue(kTexts);
    for (std::size_t length = 0; length + 30 < whole.size(); ++length)
        CHECK(read(whole.substr(0, length), "check").empty());
    for (std::size_t at = 0; at < whole.size(); ++at) {  // never beyond what is there
        std::string damaged = whole;
        damaged[at] = static_cast<char>(0xff);
        CHECK_NOTHROW(read(damaged, "check"));
    }
}

TEST_CASE("without a language no catalogue is in use") {
    CHECK(catalogue_in_use().empty());
}
