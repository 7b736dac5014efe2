// What several figures of one confusion of two classes tell together. Each answer is worked out here once more, by trying every
// confusion of whole numbers.
#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <map>
#include <random>
#include <set>

#include "jobs/release/release_desk.h"
#include "jobs/release/two_classes.h"

using desk::codes;
using desk::prepare;
using desk::text;
using Json = nlohmann::ordered_json;
using Plain = nlohmann::json;

namespace {

std::mt19937 dice(20261128);

int between(int low, int high) {
    return low + static_cast<int>(dice() % static_cast<unsigned>(high - low + 1));
}

double six(double value) {
    return std::round(value * 1e6) / 1e6;
}

struct Cells {
    int tp, fn, fp, tn;
    int all() const { return tp + fn + fp + tn; }
    // The sums that a reader might ask for, too.
    std::array<int, 10> sums() const {
        return {tp, fn, fp, tn, tp + fn, fp + tn, tp + fp, fn + tn, fn + fp, tp + tn};
    }
};

double share(double of, double whole) {
    return whole > 0 ? of / whole : 0;
}

double figure(const std::string& key, const Cells& c) {
    const double p = c.tp + c.fn, n = c.fp + c.tn, said = c.tp + c.fp, unsaid = c.fn + c.tn, all = p + n;
    if (key == "sensitivity") return share(c.tp, p);
    if (key == "fnr") return 1 - share(c.tp, p);
    if (key == "specificity") return share(c.tn, n);
    if (key == "precision") return share(c.tp, said);
    if (key == "npv") return share(c.tn, unsaid);
    if (key == "f1") return share(2 * c.tp, p + said);
    if (key == "accuracy") return share(c.tp + c.tn, all);
    if (key == "prevalence") return share(p, all);
    if (key == "balanced_accuracy")
        return p == 0 ? share(c.tn, n) : n == 0 ? share(c.tp, p) : (share(c.tp, p) + share(c.tn, n)) / 2;
    if (key == "mcc") return share(1.0 * c.tp * c.tn - 1.0 * c.fp * c.fn, std::sqrt(p * n * said * unsaid));
    if (key == "kappa") {
        const double chance = (p * said + n * unsaid) / (all * all);
        return share((c.tp + c.tn) / all - chance, 1 - chance);
    }
    FAIL(key);
    return 0;
}

const std::vector<std::string> kFigures = {"sensitivity", "specificity",       "precision",  "npv",
                                           "f1",          "accuracy",          "prevalence", "mcc",
                                           "kappa",       "balanced_accuracy", "fnr"};

// From where to where a figure may be that left so. Six digits are exact; one that was rounded is a multiple of 1, 2 or 5 units of its last
// digit, and beside 0 and 1 at most or at least that.
constexpr double kSix = 6e-7;
std::pair<double, double> range_of(const Plain& left, double before) {
    const double value = left.get<double>();
    if (value == before) return {value - kSix, value + kSix};
    const std::string digits = left.dump();
    const auto point = digits.find('.');
    const double unit = std::pow(10.0, -static_cast<double>(digits.size() - point - 1));
    double low = value - 2.6 * unit, high = value + 2.6 * unit;
    if (value > 0 && value <= 5.1 * unit) low = 0;
    if (value < 0 && value >= -5.1 * unit) high = 0;
    if (value >= 1 - 5.1 * unit) high = 1;
    return {low, high};
}

void each(int all, const std::function<void(const Cells&)>& visit) {
    for (int tp = 0; tp <= all; ++tp)
        for (int fn = 0; tp + fn <= all; ++fn)
            for (int fp = 0; tp + fn + fp <= all; ++fp) visit({tp, fn, fp, all - tp - fn - fp});
}

// The confusions of so many samples that a reader of `left` finds.
std::vector<Cells> readings(const Plain& left, const Json& before, int all) {
    std::vector<Cells> out;
    std::vector<std::pair<std::string, std::pair<double, double>>> ranges;
    for (const auto& [key, value] : before.items())
        if (std::find(kFigures.begin(), kFigures.end(), key) != kFigures.end() && !left.at(key).is_null())
            ranges.emplace_back(key, range_of(left.at(key), value.get<double>()));
    each(all, [&](const Cells& cells) {
        if (std::all_of(ranges.begin(), ranges.end(), [&](const auto& range) {
                const double value = figure(range.first, cells);
                return value >= range.second.first && value <= range.second.second;
            }))
            out.push_back(cells);
    });
    return out;
}

bool is_hidden(const Plain& left, const Json& before, const Cells& truth) {
    const auto fits = readings(left, before, truth.all());
    for (std::size_t i = 0; i < truth.sums().size(); ++i) {
        std::set<int> values;
        for (const Cells& each : fits) values.insert(each.sums()[i]);
        if (truth.sums()[i] > 0 && truth.sums()[i] < 10 && values.size() < 3) return false;
    }
    return true;
}

Plain leaves(const Json& file) {
    const auto leaving = prepare("x.json", file.dump(), desk::generous());
    INFO(file.dump() << " -> " << codes(leaving));
    REQUIRE_FALSE(leaving.refused());
    return Plain::parse(text(leaving));
}

Json figures(const std::vector<std::string>& keys, const Cells& cells) {
    Json out;
    for (const std::string& key : keys) out[key] = six(figure(key, cells));
    return out;
}

}  // namespace

TEST_CASE("the search finds what trying every confusion finds") {
    const std::map<std::string, std::string> kinds = {{"sensitivity", "recall"},
                                                      {"balanced_accuracy", "balanced"}};
    const jobs::ReleaseRules rules;
    int told = 0, untold = 0;
    for (int i = 0; i < 400; ++i) {
        const int all = between(1, 45);
        Cells truth{};
        truth.tp = between(0, all);
        truth.fn = between(0, (all - truth.tp) / (1 + i % 3));
        truth.fp = between(0, (all - truth.tp - truth.fn) / (1 + i % 4));
        truth.tn = all - truth.tp - truth.fn - truth.fp;
        std::vector<jobs::Figure> asked;
        std::vector<std::string> keys;
        for (const std::string& key : kFigures) {
            if (between(0, 2)) continue;
            const double value = figure(key, truth), half = std::pow(10.0, -between(1, 6));
            keys.push_back(key);
            asked.push_back({kinds.contains(key) ? kinds.at(key) : key, value - half, value + half});
        }
        jobs::KnownCounts known;
        known.all = all;
        if (i % 5 == 0) known.positives = truth.tp + truth.fn;
        if (i % 7 == 0) known.tp = truth.tp;
        std::array<std::set<int>, 10> values;
        each(all, [&](const Cells& cells) {
            if (known.positives && cells.tp + cells.fn != *known.positives) return;
            if (known.tp && cells.tp != *known.tp) return;
            for (std::size_t k = 0; k < keys.size(); ++k) {
                const double value = figure(keys[k], cells);
                if (value < asked[k].low - 1e-9 || value > asked[k].high + 1e-9) return;
                // What is there is divided by something.
                if (asked[k].low > 0 && value == 0) return;
            }
            for (std::size_t s = 0; s < values.size(); ++s) values[s].insert(cells.sums()[s]);
        });
        bool expected = false;
        for (std::size_t s = 0; s < values.size(); ++s) {
            if ((s == 0 && known.tp) || ((s == 4 || s == 5) && known.positives)) continue;
            const bool is_small =
                std::any_of(values[s].begin(), values[s].end(), [](int v) { return v > 0 && v < 10; });
            expected = expected || (values[s].size() < 3 && is_small);
        }
        std::size_t work = 10'000'000;
        std::string said;
        for (std::size_t k = 0; k < keys.size(); ++k)
            said += keys[k] + " " + std::to_string(asked[k].low) + " " + std::to_string(asked[k].high) + "; ";
        INFO(i << ": " << truth.tp << " " << truth.fn << " " << truth.fp << " " << truth.tn << " of "
               << said);
        CHECK((jobs::tells_together(asked, known, rules, work) == jobs::Tells::yes) == expected);
        ++(expected ? told : untold);
    }
    CHECK(told > 50);
    CHECK(untold > 50);
}

TEST_CASE("what may be looked at is bounded, and said to be not known beyond") {
    std::size_t work = 1000;
    jobs::KnownCounts known;
    known.all = 1'000'000'000;
    CHECK(jobs::tells_together({{"balanced", 0.9, 0.900001}}, known, {}, work) == jobs::Tells::not_known);
    CHECK(work == 0);
    CHECK(jobs::tells_together({{"recall", 0.9, 0.900001}}, {}, {}, work) == jobs::Tells::not_known);
}

TEST_CASE("figures of one confusion with the number of samples tell no small cell together") {
    const Cells truth{37, 4, 7, 32};
    const std::vector<std::vector<std::string>> sets = {{"balanced_accuracy", "f1", "specificity"},
                                                        {"sensitivity", "specificity", "f1"},
                                                        {"precision", "f1"},
                                                        {"sensitivity"},
                                                        {"npv", "precision", "mcc"},
                                                        {"kappa", "balanced_accuracy", "accuracy"}};
    for (const auto& keys : sets) {
        const Json figures_of = figures(keys, truth);
        Json object = {{"samples", truth.all()}};
        object.update(figures_of);
        INFO(object.dump());
        REQUIRE_FALSE(is_hidden(Plain(figures_of), figures_of, truth));  // else it shows nothing
        CHECK(is_hidden(leaves(object), figures_of, truth));
        CHECK(is_hidden(leaves({{"overall", object}})["overall"], figures_of, truth));
        // The number of samples further up, as beside points of operation.
        CHECK(is_hidden(leaves({{"samples", truth.all()}, {"points", {figures_of}}})["points"][0], figures_of,
                        truth));
        // Or elsewhere.
        CHECK(is_hidden(leaves({{"test", {{"samples", truth.all()}}}, {"points", {figures_of}}})["points"][0],
                        figures_of, truth));
        // Lists beside each other.
        Json lists = {{"samples", truth.all()}};
        for (const auto& [key, value] : figures_of.items()) lists[key] = {0.5, value};
        const Plain left = leaves(lists);
        Plain second;
        for (const auto& [key, value] : figures_of.items()) second[key] = left[key][1];
        CHECK(is_hidden(second, figures_of, truth));
        // A row.
        std::string csv = "site,samples", row = "north," + std::to_string(truth.all());
        for (const auto& [key, value] : figures_of.items()) {
            csv += "," + key;
            row += "," + value.dump();
        }
        const auto leaving = prepare("x.csv", csv + "\n" + row + "\n", desk::generous());
        REQUIRE_FALSE(leaving.refused());
        std::string cells = text(leaving);
        cells = cells.substr(cells.find('\n') + 1);
        Plain of_row;
        std::size_t at = cells.find(',', cells.find(',') + 1);
        for (const auto& [key, value] : figures_of.items()) {
            const std::string cell = cells.substr(at + 1, cells.find_first_of(",\n", at + 1) - at - 1);
            of_row[key] = cell.empty() ? Plain() : Plain::parse(cell);
            at = cells.find_first_of(",\n", at + 1);
        }
        INFO(text(leaving));
        CHECK(is_hidden(of_row, figures_of, truth));
    }
}

TEST_CASE("any figures of any small confusion tell no small cell together, and are never rounded to 0 or 1") {
    int rounded = 0;
    for (int i = 0; i < 120; ++i) {
        const Cells truth{between(0, 40), between(0, 12), between(0, 12), between(0, 40)};
        if (truth.all() < 12) continue;
        std::vector<std::string> keys;
        for (const std::string& key : kFigures)
            if (between(0, 1)) keys.push_back(key);
        const Json before = figures(keys, truth);
        // Of 0.5 and 0.25 alone nobody knows that they had six digits.
        if (std::none_of(before.begin(), before.end(),
                         [](const Json& each) { return each.dump().size() >= 8; }))
            continue;
        Json object = {{"samples", truth.all()}};
        object.update(before);
        const Plain left = leaves(object);
        INFO(truth.tp << " " << truth.fn << " " << truth.fp << " " << truth.tn << "\n"
                      << object.dump() << "\n"
                      << left.dump());
        CHECK(is_hidden(left, before, truth));
        for (const auto& [key, value] : before.items()) {
            if (left[key].is_null() || left[key] == value) continue;
            ++rounded;
            CHECK(left[key] != 0);
            CHECK(left[key] != 1);
            CHECK(std::abs(left[key].get<double>() - value.get<double>()) <= 0.2501);
        }
    }
    CHECK(rounded > 100);
}

TEST_CASE(
    "precision and F1 of a class with its support tell nothing small beside a recall that was rounded") {
    const int tp = 96, fn = 4, fp = 5;
    const Json object = {
        {"precision", six(96.0 / 101)}, {"recall", 0.96}, {"f1-score", six(192.0 / 201)}, {"support", 100}};
    const Plain left = leaves({{"benign", object}})["benign"];
    std::set<int> missed, alarms;
    for (int t = 0; t <= 100; ++t)
        for (int f = 0; f <= 1000; ++f) {
            const auto fits = [&](const char* key, const char* as, double value) {
                if (left[as].is_null()) return true;
                const auto [low, high] = range_of(left[as], object[key].get<double>());
                return value >= low && value <= high;
            };
            if (!fits("precision", "precision", share(t, t + f)) || !fits("recall", "recall", t / 100.0) ||
                !fits("f1-score", "f1_score", share(2 * t, 100 + t + f)))
                continue;
            missed.insert(100 - t);
            alarms.insert(f);
        }
    INFO(left.dump());
    CHECK(missed.contains(fn));
    CHECK(alarms.contains(fp));
    CHECK(missed.size() >= 3);
    CHECK(alarms.size() >= 3);
    CHECK(tp + fn == left["support"]);
}

TEST_CASE("figures of a confusion without small cells leave as they are, and others near what they are") {
    const Cells large{180, 20, 30, 220};
    Json object = {{"samples", large.all()}};
    object.update(figures(kFigures, large));
    CHECK(leaves(object) == Plain(object));
    const Cells good{221, 4, 5, 220};
    Json before = {{"samples", good.all()}};
    before.update(
        figures({"accuracy", "balanced_accuracy", "sensitivity", "specificity", "f1", "precision"}, good));
    const Plain left = leaves(before);
    for (const auto& [key, value] : before.items()) {
        INFO(left.dump());
        REQUIRE(left[key].is_number());
        CHECK(std::abs(left[key].get<double>() - value.get<double>()) < 0.05);
    }
    // Figures that are means over more classes fit no confusion of two.
    const Json means = {
        {"samples", 450}, {"sensitivity", 0.967341}, {"specificity", 0.996362}, {"f1", 0.966771}};
    CHECK(leaves(means) == Plain(means));
}

TEST_CASE("what is rounded to one step beside 0 or 1 is no 0 or 1, and what is 0 or 1 stays") {
    const std::pair<Json, const char*> files[] = {
        {{{"patients", 600}, {"sensitivity", 0.998333}}, "sensitivity"},
        {{{"patients", 600}, {"fnr", 0.001667}}, "fnr"},
        {{{"patients", 40}, {"accuracy", 0.975}}, "accuracy"},
        {{{"patients", 40}, {"mortality", 0.025}}, "mortality"},
        {{{"patients", 300}, {"accuracy", 0.996667}}, "accuracy"}};
    for (const auto& [file, key] : files) {
        const Plain left = leaves(file)[key];
        INFO(file.dump() << left.dump());
        REQUIRE(left.is_number());
        CHECK(left != file[key]);
        CHECK(left.get<double>() > 0);
        CHECK(left.get<double>() < 1);
    }
    const Plain percent = leaves({{"patients", 300}, {"accuracy_percent", 99.6667}})["accuracy_percent"];
    CHECK(percent < 100);
    CHECK(percent >= 90);
    for (const double whole : {0.0, 1.0})
        CHECK(leaves({{"patients", 600}, {"sensitivity", whole}})["sensitivity"] == whole);
}

TEST_CASE(
    "a share of a calibration curve is judged by every number of samples that its own was rounded from") {
    const auto share_of = [](const Json& samples, double value) {
        return leaves({{"calibration",
                        {{"curve",
                          {{{"threshold", 0.1},
                            {"samples", samples},
                            {"probability", 0.112},
                            {"share", value}}}}}}})["calibration"]["curve"][0]["share"];
    };
    const auto counts = [](const Plain& left, double before, int fewest, int most) {
        std::set<int> out;
        if (left.is_null()) return std::size_t{3};
        const auto [low, high] = range_of(left, before);
        for (int all = fewest; all <= most; ++all)
            for (int k = 0; k <= all; ++k)
                if (1.0 * k / all >= low && 1.0 * k / all <= high) out.insert(k);
        return out.size();
    };
    for (const auto& [samples, part, all] : std::vector<std::array<int, 3>>{{10, 1, 13},
                                                                            {10, 2, 11},
                                                                            {20, 3, 17},
                                                                            {20, 19, 23},
                                                                            {30, 4, 33},
                                                                            {100, 7, 103},
                                                                            {200, 5, 197}}) {
        const double before = six(1.0 * part / all);
        const Plain left = share_of(samples, before);
        INFO(part << "/" << all << " " << left.dump());
        CHECK(left != before);
        CHECK(counts(left, before, samples - 5, samples + 5) >= 3);
    }
    for (const auto& [part, all] : std::vector<std::array<int, 2>>{{1, 7}, {5, 6}, {4, 9}}) {
        const double before = six(1.0 * part / all);
        CHECK(counts(share_of(nullptr, before), before, 1, 9) >= 3);
    }
    for (const double many : {0.470588, 0.5, 0.310345}) CHECK(share_of(200, many) == many);
    CHECK(share_of(100, 0.0) == 0);
    CHECK(text(prepare("x.csv", "threshold,samples,probability,share\n0.1,10,0.112,0.076923\n",
                       desk::generous()))
              .find("0.076923") == std::string::npos);
}
