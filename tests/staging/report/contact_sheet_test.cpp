#include "staging/report/contact_sheet.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>

namespace staging {
namespace {

SheetSample sample_of(int patient, std::int64_t shard, std::int64_t sample, std::int32_t site,
                      std::int32_t vendor = 0) {
    SheetSample out{sheet_order(1, shard, sample), {}, shard, sample, site, vendor};
    out.patient[0] = static_cast<std::uint8_t>(patient);
    return out;
}

std::vector<std::pair<std::int64_t, std::int64_t>> places(const SheetChoice& choice) {
    std::vector<std::pair<std::int64_t, std::int64_t>> out;
    for (const SheetChoice::Stratum& stratum : choice.strata())
        for (const SheetSample& one : stratum.samples) out.emplace_back(one.shard, one.sample);
    return out;
}

TEST_CASE("The order of samples is the digest that the header says") {
    CHECK(core::to_hex(sheet_order(1, 2, 17)) ==
          core::to_hex(core::sha256(core::view(std::string("aloft contact sheet\0"
                                                           "1\0"
                                                           "2\0"
                                                           "17",
                                                           26)))));
    CHECK(sheet_order(1, 21, 7) != sheet_order(1, 2, 17));
}

TEST_CASE("Of each stratum those who come first are chosen, whatever is seen first and by whom") {
    std::vector<SheetSample> all;
    for (int i = 0; i < 900; ++i) all.push_back(sample_of(i % 90, i / 100, i % 100, i % 90 % 3, i % 90 % 2));
    // All of them sorted: of each patient the first.
    std::map<std::pair<int, int>, std::map<core::Id16, SheetSample>> first;
    for (const SheetSample& one : all) {
        SheetSample& kept = first[{one.site, one.vendor}].try_emplace(one.patient, one).first->second;
        if (one.order < kept.order) kept = one;
    }
    std::vector<std::pair<std::int64_t, std::int64_t>> expected;
    for (const auto& [codes, patients] : first) {
        std::vector<SheetSample> sorted;
        for (const auto& [patient, one] : patients) sorted.push_back(one);
        std::sort(sorted.begin(), sorted.end(),
                  [](const auto& a, const auto& b) { return a.order < b.order; });
        for (int i = 0; i < 4; ++i) expected.emplace_back(sorted[i].shard, sorted[i].sample);
    }
    REQUIRE(expected.size() == 24);
    std::mt19937 random(5);
    for (const std::size_t ranks : {1, 2, 5}) {
        std::shuffle(all.begin(), all.end(), random);
        std::vector<SheetChoice> of_rank(ranks, SheetChoice(10, 4));
        for (const SheetSample& one : all) of_rank[random() % ranks].add(one);
        SheetChoice joined(10, 4);
        for (const SheetChoice& one : of_rank) {
            CHECK(one.kept().size() <= 6 * 10);
            for (const SheetSample& sample : one.kept()) joined.add(sample);
        }
        CHECK(places(joined) == expected);
    }
}

TEST_CASE("A stratum of fewer patients has no samples, however many these have") {
    SheetChoice choice(10, 4);
    for (int i = 0; i < 900; ++i) choice.add(sample_of(i % 9, 0, i, 0));
    for (int i = 0; i < 10; ++i) choice.add(sample_of(100 + i, 1, i, 1));
    const auto strata = choice.strata();
    REQUIRE(strata.size() == 2);
    CHECK((strata[0].has_too_few && strata[0].samples.empty()));
    CHECK((!strata[1].has_too_few && strata[1].samples.size() == 4));
}

TEST_CASE("A patient of several strata is shown once") {
    SheetChoice choice(10, 6);
    for (int i = 0; i < 40; ++i) choice.add(sample_of(i % 10, 0, i, 0, i % 20 / 10));
    const auto strata = choice.strata();
    REQUIRE(strata.size() == 2);
    std::set<core::Id16> shown;
    for (const auto& stratum : strata)
        for (const SheetSample& one : stratum.samples) CHECK(shown.insert(one.patient).second);
    CHECK((strata[0].samples.size() == 6 && strata[1].samples.size() == 4));
}

TEST_CASE("The page says first that it stays inside, escapes names, and loads nothing") {
    ContactSheet sheet{"digits@1", "image", 10, 6, 3, 1, {}};
    sheet.strata.push_back({"north",
                            "<img src=\"http://x\">",
                            false,
                            {{"shard-000000.h5, sample 1", "1 x 8 x 8", 8, 8, "AAAA"}}});
    sheet.strata.push_back({"south", "", true, {}});
    const std::string page = contact_sheet_html(sheet);
    CHECK(page.substr(0, page.find('\n')).find("holds images of patients: it stays inside") !=
          std::string::npos);
    CHECK(page.find("<img src=\"http") == std::string::npos);
    CHECK(page.find("default-src 'none'; img-src data:;") != std::string::npos);
    CHECK(page.find("<h2>south, (no vendor)</h2>\n<p>too few: not 10 patients</p>") != std::string::npos);
    CHECK(page.find("3 samples are no images") != std::string::npos);
}

}  // namespace
}  // namespace staging
