// Small counts that nobody wrote down: what rates tell with confusions of more classes, with files beside and before, and with
// each other. Each planted file's answer is computed here once more, by other means than the desk's.
#include <catch2/catch.hpp>
#include <cmath>
#include <optional>

#include "core/base/files.h"
#include "jobs/release/desk.h"
#include "jobs/release/release_desk.h"
#include "support/scratch.h"

using desk::codes;
using desk::prepare;
using desk::text;
using Json = nlohmann::ordered_json;
using Plain = nlohmann::json;

namespace {

using Counts = std::vector<std::vector<int>>;

int sum_of_row(const Counts& m, std::size_t i) {
    int sum = 0;
    for (const int each : m[i]) sum += each;
    return sum;
}
int sum_of_column(const Counts& m, std::size_t j) {
    int sum = 0;
    for (const auto& row : m) sum += row[j];
    return sum;
}
double six(double value) {
    return std::round(value * 1e6) / 1e6;
}

// How many counts of `whole` a reader can mean by a rate that left; 0 digits known of one that is empty.
int fits(const Plain& rate, double whole) {
    if (rate.is_null()) return 1000;
    const std::string digits = rate.dump();
    const auto point = digits.find('.');
    // Rounded to steps of 1, 2 or 5 of its last digit: it may be any of five units.
    const double unit = point == std::string::npos ? 1 : std::pow(10.0, -double(digits.size() - point - 1));
    const double value = rate.get<double>();
    int count = 0;
    for (int k = 0; k <= whole; ++k) count += std::abs(k / whole - value) <= 2.6 * unit;
    return count;
}

Plain leaves(const Json& file, const jobs::Context& context = desk::generous()) {
    const auto leaving = prepare("x.json", file.dump(), context);
    INFO(file.dump() << " -> " << codes(leaving));
    REQUIRE_FALSE(leaving.refused());
    return Plain::parse(text(leaving));
}

jobs::Context after(const std::string& name, const std::string& bytes) {
    jobs::Context context = desk::generous();
    const auto leaving = prepare(name, bytes, context);
    INFO(codes(leaving));
    REQUIRE_FALSE(leaving.refused());
    context.earlier.push_back(jobs::earlier_table("R-1", leaving.type, leaving.canonical, context));
    return context;
}

// The files of one request as they leave, in the order given.
std::vector<Plain> together(const std::vector<Json>& files) {
    const test::Scratch scratch;
    core::make_directories(scratch / "r" / "author", 0700);
    std::vector<jobs::QuarantinedFile> copies;
    for (const Json& file : files) {
        const std::string name = "fold_" + std::to_string(copies.size() + 1) + ".json", bytes = file.dump();
        core::write_atomically(scratch / "r" / "author" / name, bytes);
        copies.push_back({name, bytes.size(), core::to_hex(core::sha256(core::view(bytes)))});
    }
    const core::Bytes secret(32, 1);
    const auto judged = jobs::judge(scratch / "r", copies, "a title", desk::generous(), secret);
    REQUIRE_FALSE(judged.refused());
    std::vector<Plain> out(files.size());
    for (const auto& leaving : judged.files)
        for (std::size_t i = 0; i < copies.size(); ++i)
            if (leaving.author.name == copies[i].name)
                out[i] = Plain::parse(core::read_text(scratch / "r" / "canonical" / leaving.name));
    return out;
}

// By elimination over the reals: whether the empty cell (row, column) follows from all sums of rows and columns, and from the sums of
// the diagonal over `divisors` of its rows.
bool follows(const Plain& matrix, std::size_t row, std::size_t column,
             const std::vector<std::vector<double>>& divisors = {}) {
    const std::size_t n = matrix.size();
    std::vector<std::vector<double>> system;
    for (std::size_t line = 0; line < 2 * n + divisors.size(); ++line) {
        system.emplace_back(n * n, 0.0);
        for (std::size_t i = 0; i < n; ++i)
            for (std::size_t j = 0; j < n; ++j) {
                if (!matrix[i][j].is_null()) continue;
                const bool inside = line < n ? i == line : line < 2 * n ? j == line - n : i == j;
                if (inside) system[line][i * n + j] = line < 2 * n ? 1.0 : 1.0 / divisors[line - 2 * n][i];
            }
    }
    const std::size_t cell = row * n + column;
    std::size_t next = 0;
    for (std::size_t c = 0; c <= n * n; ++c) {
        const std::size_t at = c == n * n ? cell : c;  // the cell in question last
        if (c == cell) continue;
        std::size_t best = next;
        for (std::size_t r = next; r < system.size(); ++r)
            if (std::abs(system[r][at]) > std::abs(system[best][at])) best = r;
        if (next == system.size() || std::abs(system[best][at]) < 1e-9) continue;
        if (at == cell) return true;  // a row of which nothing else is left
        std::swap(system[best], system[next]);
        for (std::size_t r = 0; r < system.size(); ++r) {
            if (r == next) continue;
            const double times = system[r][at] / system[next][at];
            for (std::size_t k = 0; k < n * n; ++k) system[r][k] -= times * system[next][k];
        }
        ++next;
    }
    return false;
}

const Counts kThree = {{15, 3, 60}, {11, 60, 12}, {60, 14, 70}};

}  // namespace

TEST_CASE("a rate with a row or a column of a confusion of three classes tells no small cell") {
    for (const std::string name :
         {"recall", "sensitivity", "tpr", "fnr", "precision", "ppv", "fdr", "accuracy"}) {
        const bool of_column = name == "precision" || name == "ppv" || name == "fdr";
        for (std::size_t c = 0; c < 3; ++c) {
            // (0, 0) leaves empty beside (0, 1), and gives it back.
            const int whole = of_column ? sum_of_column(kThree, c) : sum_of_row(kThree, c);
            for (const int part : {kThree[c][c], whole - kThree[c][c], 3, whole - 3}) {
                if (name == "accuracy" && c > 0) continue;
                if (name == "accuracy" && part != kThree[c][c]) continue;
                const double rate = six(double(part) / whole);
                const Plain left = leaves({{"confusion", kThree}, {"classes", {{"benign", {{name, rate}}}}}});
                if (part != 3 && part != whole - 3 && !left["confusion"][c][c].is_null()) continue;
                INFO(name << " " << part << "/" << whole << " " << left.dump());
                CHECK(fits(left["classes"]["benign"][name], whole) >= 3);
            }
        }
    }
    // The matrix once more, each row divided by its sum.
    Json shares = Json::array();
    for (std::size_t i = 0; i < 3; ++i) {
        shares.push_back(Json::array());
        for (const int count : kThree[i]) shares[i].push_back(six(double(count) / sum_of_row(kThree, i)));
    }
    const Plain left = leaves({{"confusion", kThree}, {"matrix", shares}});
    for (std::size_t j = 0; j < 3; ++j)
        if (left["confusion"][0][j].is_null()) CHECK(fits(left["matrix"][0][j], sum_of_row(kThree, 0)) >= 3);
    // F1 of a class, whose row and column are known.
    const double both = sum_of_row(kThree, 0) + sum_of_column(kThree, 0);
    const Plain with_f1 =
        leaves({{"confusion", kThree}, {"classes", {{"benign", {{"f1", six(2 * 15 / both)}}}}}});
    CHECK(fits(with_f1["classes"]["benign"]["f1"], both) >= 3);
}

TEST_CASE("all sums of rows and columns tell no small cell of a confusion") {
    // Two blocks whose cells leave empty, and one small cell between them: it is what the first rows have more than the first columns.
    const Counts bridge = {{40, 5, 0, 0}, {4, 50, 3, 0}, {0, 0, 45, 6}, {0, 0, 7, 55}};
    for (const Counts& counts : {bridge, kThree, Counts{{90, 2, 30}, {40, 80, 12}, {5, 20, 70}}}) {
        const Plain left = leaves({{"confusion", counts}});
        const auto& cells = left["confusion"];
        for (std::size_t i = 0; i < counts.size(); ++i)
            for (std::size_t j = 0; j < counts.size(); ++j)
                if (counts[i][j] > 0 && counts[i][j] < 10) {
                    INFO(left.dump() << i << j);
                    CHECK(cells[i][j].is_null());
                    CHECK_FALSE(follows(cells, i, j));
                }
    }
}

TEST_CASE("accuracy and means over classes tell no cell of a confusion with empty cells") {
    const Counts counts = {
        {45, 1, 0, 0, 0}, {0, 61, 2, 0, 0}, {0, 0, 52, 0, 0}, {0, 0, 0, 70, 0}, {0, 0, 0, 3, 66}};
    std::vector<double> ones(5, 1.0), rows;
    double right = 0, all = 0, mean = 0;
    for (std::size_t i = 0; i < 5; ++i) {
        rows.push_back(sum_of_row(counts, i));
        right += counts[i][i];
        all += rows[i];
        mean += counts[i][i] / rows[i] / 5;
    }
    const Plain left =
        leaves({{"confusion", counts},
                {"overall", {{"accuracy", six(right / all)}, {"balanced_accuracy", six(mean)}}}});
    INFO(left.dump());
    for (std::size_t i = 0; i < 5; ++i)
        for (std::size_t j = 0; j < 5; ++j)
            if (counts[i][j] > 0 && counts[i][j] < 10)
                CHECK_FALSE(follows(left["confusion"], i, j, {ones, rows}));
}

TEST_CASE("of two classes no figure tells what all empty cells hide, with the accuracy") {
    const double rows[] = {400, 90}, right[] = {397, 70};  // three are missed of the first
    const double said = right[0] + rows[1] - right[1];
    const std::pair<const char*, double> figures[] = {
        {"balanced_accuracy", (right[0] / rows[0] + right[1] / rows[1]) / 2},
        {"f1", 2 * right[0] / (rows[0] + said)},
        {"precision", right[0] / said},
        {"npv", right[1] / (490 - said)},
        {"mcc", (right[0] * right[1] - 3 * 20) / std::sqrt(400 * 90 * said * (490 - said))}};
    for (const auto& [name, value] : figures) {
        const Plain left = leaves({{"confusion", {{397, 3}, {20, 70}}},
                                   {"support", {{"benign", 400}, {"malignant", 90}}},
                                   {"overall", {{"accuracy", six(467.0 / 490)}, {name, six(value)}}}});
        INFO(name << " " << value << " " << left.dump());
        CHECK(left["overall"][name] != six(value));
    }
}

TEST_CASE("rates and a confusion in another file of one request are judged together, in either order") {
    const double told = six(15.0 / 78);
    const Json rates = {{"benign", {{"recall", told}}}}, matrix = {{"confusion", kThree}};
    CHECK(leaves(rates)["benign"]["recall"] == told);  // alone it says nothing
    for (const bool first : {false, true}) {
        const auto left =
            together(first ? std::vector<Json>{rates, matrix} : std::vector<Json>{matrix, rates});
        INFO(left[0].dump() << left[1].dump());
        CHECK(fits(left[first ? 0 : 1]["benign"]["recall"], 78) >= 3);
    }
    const auto curve = together({{{"tpr", {0.005, 0.5, 0.9}}}, {{"confusion", {{580, 20}, {30, 570}}}}});
    CHECK(fits(curve[0]["tpr"][0], 600) >= 3);
}

TEST_CASE("rates and a confusion in an earlier release are judged together, in either order") {
    const double told = six(2.0 / 83);
    const Json rates = {{"benign", {{"recall", told}}}},
               matrix = {{"confusion", {{40, 20, 23}, {11, 60, 12}, {60, 14, 70}}}};
    CHECK(leaves(rates)["benign"]["recall"] == told);
    CHECK(leaves(matrix)["confusion"][0][0] == 40);
    CHECK(fits(leaves(rates, after("x.json", matrix.dump()))["benign"]["recall"], 83) >= 3);
    const std::string csv = "diagnosis,recall\nbenign,0.024096\n";
    CHECK(text(prepare("x.csv", csv, after("x.json", matrix.dump()))).find("0.024096") == std::string::npos);
    for (const auto& context : {after("x.json", rates.dump()), after("x.csv", csv)}) {
        const Plain left = leaves(matrix, context);
        CHECK(left["confusion"][0] == Plain::parse("[null,null,null]"));
    }
    // Another's rates say nothing of these rows.
    CHECK(leaves(matrix, after("x.json", R"({"benign":{"recall":0.912345}})"))["confusion"][0][0] == 40);
}

TEST_CASE("a rate of all beside those of all parts but one tells nothing small of that one") {
    // 80 of 100 are found, 48 of 60 in the north: 8 are missed among the 40 others.
    const auto checks = [](const Json& file, const jobs::Context& context = desk::generous()) {
        const Plain left = leaves(file, context);
        INFO(left.dump());
        CHECK(left != Plain(file));
        return left;
    };
    const Json all = {{"site", "total"}, {"positives", 100}, {"sensitivity", 0.8}},
               north = {{"site", "north"}, {"positives", 60}, {"sensitivity", 0.8}};
    for (const Json& list : {Json{all, north}, Json{north, all}}) {
        const Plain left = checks({{"strata", list}});
        int known = 0;
        for (const auto& each : left["strata"]) known += fits(each["sensitivity"], each["positives"]) < 3;
        CHECK(known < 2);
    }
    CHECK(
        text(prepare("x.csv", "site,positives,sensitivity\ntotal,100,0.8\nnorth,60,0.8\n", desk::generous()))
            .find("60,0.8\n") == std::string::npos);
    // "overall" beside a list: 349 of 400 are right, 286 of those in two sites, and so 63 of the 70 others.
    const double overall = six(349.0 / 400), of_north = six(251.0 / 280);
    const Json parts = {{{"value", "north"}, {"samples", 280}, {"accuracy", of_north}},
                        {{"value", "south"}, {"samples", 50}, {"accuracy", 0.7}}};
    const Plain left = checks({{"overall", {{"samples", 400}, {"accuracy", overall}}}, {"sites", parts}});
    CHECK(left["overall"]["accuracy"] == overall);
    CHECK(fits(left["sites"][0]["accuracy"], 280) >= 3);
    // One in an earlier release.
    CHECK(leaves({{"sites", parts}})["sites"][0]["accuracy"] == of_north);
    checks({{"sites", parts}}, after("x.json", R"({"overall":{"samples":400,"accuracy":0.8725}})"));
    checks({{"overall", {{"samples", 400}, {"accuracy", overall}}}},
           after("x.json", Json{{"sites", parts}}.dump()));
    // A part that was rounded since it tells 3 of 50 does not come back.
    const Plain rounded = checks({{"overall", {{"samples", 330}, {"accuracy", six(299.0 / 330)}}},
                                  {"sites",
                                   {{{"value", "north"}, {"samples", 280}, {"accuracy", six(252.0 / 280)}},
                                    {{"value", "south"}, {"samples", 50}, {"accuracy", 0.94}}}}});
    CHECK(fits(rounded["sites"][1]["accuracy"], 50) >= 3);
    CHECK(
        (fits(rounded["sites"][0]["accuracy"], 280) >= 3 || fits(rounded["overall"]["accuracy"], 330) >= 3));
}

TEST_CASE("a macro average beside all classes but one tells nothing small of that one") {
    const Counts other = {{60, 20, 20}, {20, 60, 20}, {20, 20, 60}};
    // The third class finds 3 of 100 at some threshold.
    const double told = six((0.6 + 0.6 + 0.03) / 3);
    const std::vector<Json> shapes = {
        {{"confusion", other},
         {"macro_recall", told},
         {"classes", {{{"class", "0"}, {"recall", 0.6}}, {{"class", "1"}, {"recall", 0.6}}}}},
        {{"confusion", other},
         {"classes",
          {{"0", {{"recall", 0.6}}}, {"1", {{"recall", 0.6}}}, {"macro avg", {{"recall", told}}}}}},
        {{"confusion", other},
         {"classes",
          {{"0", {{"recall", 0.6}}},
           {"1", {{"recall", 0.6}}},
           {"2", {{"recall", nullptr}}},
           {"macro avg", {{"recall", told}}}}}},
        {{"confusion", other}, {"recall_class1", 0.6}, {"recall_class2", 0.6}, {"recall_macro", told}},
        {{"confusion", other}, {"recall", {0.6, 0.6, nullptr}}, {"mean_recall", told}}};
    for (const Json& file : shapes) {
        const Plain left = leaves(file);
        INFO(left.dump());
        CHECK(left.dump().find(Json(told).dump()) == std::string::npos);
    }
    // As scikit-learn reports: the class of 40 is rounded, for 37 of 40 tell 3; the mean gives it back.
    const double recalls[] = {0.8, 0.75, 37.0 / 40};
    const Plain left =
        leaves({{"0", {{"recall", 0.8}, {"support", 100}}},
                {"1", {{"recall", 0.75}, {"support", 80}}},
                {"2", {{"recall", recalls[2]}, {"support", 40}}},
                {"macro avg", {{"recall", six((0.8 + 0.75 + recalls[2]) / 3)}, {"support", 220}}},
                {"weighted avg", {{"recall", six((80 + 60 + 37) / 220.0)}, {"support", 220}}},
                {"accuracy", six((80 + 60 + 37) / 220.0)}});
    INFO(left.dump());
    CHECK(fits(left["2"]["recall"], 40) >= 3);
    // Unless the first class is not known any more, the mean gives no third one.
    const auto& macro = left["macro_avg"]["recall"];
    CHECK((left["0"]["recall"] != 0.8 || macro.is_null() ||
           std::abs(3 * macro.get<double>() - 0.8 - 0.75 - recalls[2]) * 40 > 0.01));
    const bool weighted =
        left["weighted_avg"]["recall"] == six(177 / 220.0) || left["accuracy"] == six(177 / 220.0);
    CHECK((!weighted || left["0"]["recall"] != 0.8));
}

TEST_CASE("what is too much to work out is refused, and says what to change") {
    const auto refused = [](const Json& file, const std::string& says) {
        const auto leaving = prepare("x.json", file.dump(), desk::generous());
        INFO(codes(leaving));
        CHECK(leaving.refused());
        std::string why;
        for (const auto& finding : leaving.findings)
            if (finding.code == "not-solved") why += finding.text;
        CHECK_THAT(why, Catch::Contains(says));
    };
    Json wide = {{"confusion", std::vector<std::vector<int>>(18, std::vector<int>(18, 20))}};
    CHECK_FALSE(prepare("x.json", wide.dump(), desk::generous()).refused());
    wide["confusion"][0][1] = 3;
    refused(wide, "merge classes");
    Json many = {{"folds", Json::array()}};
    for (int fold = 0; fold < 120; ++fold)
        many["folds"].push_back(
            {{"confusion",
              {{1000 + 4 * fold, 30 + fold, 20}, {20, 2000 + 9 * fold, 40}, {30, 50, 3000 + 16 * fold}}}});
    refused(many, "fewer matrices");
}
