#include "staging/report/quality.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <limits>

#include "reports.h"
#include "staging/report/published.h"

using namespace staging;
using Json = nlohmann::ordered_json;

namespace {

Definition definition() {
    Definition out;
    out.schema.fields = {{"image", core::DType::f32, {2}, ""}};
    out.schema.columns = {{"patient", core::ColumnType::id16, {}},
                          {"split", core::ColumnType::category, {"train", "validation", "test", "hidden"}},
                          {"site", core::ColumnType::category, {"north", "south"}},
                          {"age", core::ColumnType::i64, {}}};
    return out;
}

core::Sample sample(const char* site, float one, float other, core::Cell age) {
    core::Sample out;
    core::Array array;
    array.bytes.resize(8);
    std::memcpy(array.bytes.data(), &one, 4);
    std::memcpy(array.bytes.data() + 4, &other, 4);
    out.fields = {array};
    out.columns = {core::Id16{1}, std::string("train"), std::string(site), std::move(age)};
    return out;
}

constexpr float kNone = std::numeric_limits<float>::quiet_NaN();

}  // namespace

TEST_CASE("values, missing ones and each sample's mean are counted by site") {
    Quality quality;
    quality.add(sample("north", 1, 3, std::int64_t{40}), definition());
    quality.add(sample("north", 5, kNone, std::monostate()), definition());
    quality.add(sample("south", kNone, kNone, std::int64_t{50}), definition());
    const NumberRange& north = quality.fields.at("image").at("north");
    CHECK((north.count == 3 && north.missing == 1 && north.min == 1 && north.max == 5 && north.sum == 9));
    const core::Moments& means = quality.per_sample.at("image (mean)").at("north");
    CHECK((means.count == 2 && means.mean == 3.5 && means.least == 2 && means.greatest == 5));
    CHECK(quality.per_sample.at("image (mean)").at("south").missing == 1);
    CHECK((quality.per_sample.at("age").at("north").count == 1 &&
           quality.per_sample.at("age").at("north").missing == 1));
    CHECK(quality.columns.at("age").at("south").sum == 50);
    CHECK(quality.categories.at("site").at("north").at("north") == 2);
}

TEST_CASE("parts that were written and read again make the whole") {
    Quality whole, one, other;
    for (int i = 0; i < 20; ++i) {
        const core::Sample each =
            sample(i % 3 ? "north" : "south", static_cast<float>(i) / 7, i % 5 ? 1 : kNone,
                   i % 4 ? core::Cell(std::int64_t{i}) : core::Cell());
        whole.add(each, definition());
        (i < 9 ? one : other).add(each, definition());
    }
    Quality read = quality_from_json(Json::parse(to_json(one).dump()));
    read.merge(quality_from_json(Json::parse(to_json(other).dump())));
    CHECK(read.strata == whole.strata);
    CHECK(read.categories == whole.categories);
    CHECK(read.fields.at("image").at("north").count == whole.fields.at("image").at("north").count);
    const core::Moments &a = read.per_sample.at("age").at("north"),
                        &b = whole.per_sample.at("age").at("north");
    CHECK((a.count == b.count && a.missing == b.missing));
    CHECK(a.mean == Approx(b.mean));
    CHECK(a.squares == Approx(b.squares));
}

TEST_CASE("names in a page are words, whatever they hold, and what was suppressed is not in it") {
    Json report = test::small_report();
    report["quality"]["strata"][0]["site"] = "<img src=x onerror=alert(1)>";
    report["drift"][0]["what"] = "\"</text><script>";
    const std::string page = quality_html(report);
    CHECK(page.find("<img") == std::string::npos);
    CHECK(page.find("<script") == std::string::npos);
    CHECK(page.find("&lt;img src=x onerror=alert(1)&gt;") != std::string::npos);
    CHECK(page.find("default-src 'none'") != std::string::npos);
    const std::string published = quality_html(published_report(test::small_report()));
    CHECK(published.find("too few") != std::string::npos);
    CHECK(published.find("12345.678") == std::string::npos);
    CHECK(published.find("88.5") == std::string::npos);
    CHECK(quality_html(test::small_report()).find("88.5") != std::string::npos);
}
