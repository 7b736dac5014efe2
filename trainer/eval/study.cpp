#include "trainer/eval/study.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/html.h"
#include "core/base/statistics.h"
#include "trainer/eval/html.h"
#include "trainer/eval/html_parts.h"
#include "trainer/eval/report_parts.h"

namespace trainer {
namespace {

using Json = nlohmann::ordered_json;

// That the file is this run's: of the same dataset, by the same score, on those whom the plan holds out.
void check(const Json& head, const Json& run, const Json& metrics) {
    const std::string kind = run.at("kind");
    bool is_right = metrics.is_object() && metrics.value("dataset", Json()) == head.at("dataset") &&
                    metrics.value("score", Json()) == head.at("score") &&
                    metrics.value("study_sha256", Json()) == study_run_sha256(head, run);
    if (kind == "sweep")
        is_right = is_right && metrics.value("split", "") == "validation" && !metrics.contains("held_out");
    else
        for (const char* key : {"column", "value", "fold"})
            is_right = is_right && metrics.contains("held_out") &&
                       metrics["held_out"].value(key, Json()) == run.value(key, Json());
    if (!is_right)
        throw core::Error(core::Fault::data, "runs/" + run.at("run").dump() +
                                                 "/metrics.json is not of the run that plan.jsonl says");
}

// A figure of so many samples, or several: shares to two digits, from 100 samples on to three. Two shares of numbers below
// 11 are as near as a hundredth, below 33 as a thousandth (Farey): of more, neither number follows from what is told.
Json coarse(const Json& value, std::int64_t samples, int significant) {
    if (value.is_structured()) {
        Json out = value;
        for (Json& each : out) each = coarse(each, samples, significant);
        return out;
    }
    if (!value.is_number()) return value;
    if (significant > 0) return number(value.get<double>(), significant);
    const double units = samples >= 100 ? 1000 : 100;
    return std::round(value.get<double>() * units) / units + 0.0;
}

// The score of an entry of metrics.json, with its interval.
Json score_entry(const Json& from, const std::string& score, int significant) {
    const auto told = [&](const Json& value) {
        return coarse(value, from.at("samples").get<std::int64_t>(), significant);
    };
    Json out = {{score, told(from.at(score))}};
    if (from.contains("interval95")) out["interval95"] = {{score, told(from["interval95"].at(score))}};
    return out;
}

// Better first; of equals the first; what has no score last.
template <class Score>
void sort_by(std::vector<Json>& entries, double sign, const Score& score) {
    std::stable_sort(entries.begin(), entries.end(), [&](const Json& a, const Json& b) {
        const Json one = score(a), other = score(b);
        return !one.is_null() && (other.is_null() || sign * one.get<double>() > sign * other.get<double>());
    });
}

// The values of a column, each held out in a run of its own.
struct Column {
    struct Shown {
        std::int64_t samples;  // of the value
        Json entry;
    };
    std::vector<Shown> shown;
    Json suppressed = Json::array();
    bool is_whole = true;  // all its runs are over

    // A held out value, and all others, in the run of which it was held out; suppressed where that says nothing of it.
    void add(const Json& metrics, const Json& run, const std::string& score, int significant) {
        const Json& stratum = metrics.at("strata").at("held_out").at("worst_first");
        const auto find = [&](const auto& is_it) {
            return std::find_if(stratum.begin(), stratum.end(),
                                [&](const Json& each) { return is_it(each.at("value") == run.at("value")); });
        };
        const auto held = find([](bool is_held) { return is_held; }),
                   rest = find([](bool is_held) { return !is_held; });
        if (held == stratum.end()) {
            suppressed.push_back(run.at("value"));
            return;
        }
        Json out = {{"value", run.at("value")}};
        out.update(score_entry(*held, score, significant));
        const std::int64_t samples = held->at("samples");
        out["others"] = nullptr;
        if (rest != stratum.end())
            out["others"] = coarse(rest->at(score), rest->at("samples").get<std::int64_t>(), significant);
        out["gap"] = held->at("gap");
        for (const char* key : {"score", "interval95"})
            if (out["gap"].is_object() && out["gap"].contains(key))
                out["gap"][key] = coarse(out["gap"][key], samples, significant);
        shown.push_back({samples, std::move(out)});
    }

    // A value that is suppressed follows from what is told of those beside it: `others` are of it, too. So where there is
    // one, or may be when all runs are over, nothing is told that is of several values, and the least one is hidden.
    void hide() {
        if (suppressed.empty() && is_whole) return;
        const auto least = std::min_element(
            shown.begin(), shown.end(), [](const auto& a, const auto& b) { return a.samples < b.samples; });
        if (least != shown.end()) {
            suppressed.push_back(least->entry.at("value"));
            shown.erase(least);
        }
        for (Shown& each : shown) each.entry["others"] = each.entry["gap"] = nullptr;
    }

    Json told(double sign, const std::string& score) const;
};

void correct(Json& strata) {  // Holm, over all hospitals
    std::vector<double> p;
    std::vector<Json*> gaps;
    for (auto& stratum : strata)
        for (Json& each : stratum["worst_first"])
            if (Json& gap = each["gap"]; gap.is_object() && gap.value("p", Json()).is_number()) {
                p.push_back(gap["p"]);
                gaps.push_back(&gap);
            }
    const auto adjusted = core::holm(p);
    for (std::size_t i = 0; i < gaps.size(); ++i) (*gaps[i])["p"] = number(adjusted[i], 2);
}

Json Column::told(double sign, const std::string& score) const {
    std::vector<Json> entries;
    for (const Shown& each : shown) entries.push_back(each.entry);
    sort_by(entries, -sign, [&](const Json& entry) { return entry.at(score); });
    auto names = suppressed.get<std::vector<std::string>>();
    std::sort(names.begin(), names.end());  // in another order than that in which they were hidden
    return {{"worst_first", entries}, {"suppressed", names}};
}

Json folds_of(const std::vector<Json>& scores, std::int64_t samples, int significant) {
    const auto told = [&](double value) { return coarse(value, samples, significant); };
    std::vector<double> known;
    for (const Json& each : scores)
        if (each.is_number()) known.push_back(each);
    double mean = 0, squares = 0;
    for (const double each : known) mean += each / static_cast<double>(known.size());
    for (const double each : known) squares += (each - mean) * (each - mean);
    const bool is_one = known.size() < 2;
    return {{"mean", known.empty() ? Json() : told(mean)},
            {"sd", is_one ? Json() : told(std::sqrt(squares / static_cast<double>(known.size() - 1)))},
            {"scores", scores}};
}

Json summary_of(const Json& head, const std::vector<Json>& runs, const std::vector<Json>& metrics) {
    const std::string score = head.at("score");
    const FigureRow* row = judge_of(head.at("task").get<std::string>()).find_score(score);
    if (!row) throw core::Error(core::Fault::data, "plan.jsonl has a score that its task does not have");
    const double sign = row->is_more_better ? 1 : -1;
    Json missing = Json::array(), refused = Json::array(), strata = Json::object();
    std::vector<std::pair<std::string, Column>> columns;  // in the plan's order
    std::vector<Json> folds(head.value("folds", std::size_t{0})), sweep;
    std::int64_t fold_samples = INT64_MAX;  // of the smallest
    bool has_sweep = false;
    for (std::size_t i = 0; i < runs.size(); ++i) {
        const std::string kind = runs[i].at("kind");
        has_sweep |= kind == "sweep";
        if (kind == "leave_out" && (columns.empty() || columns.back().first != runs[i].at("column")))
            columns.emplace_back(runs[i].at("column"), Column());
        if (metrics[i].is_null() || metrics[i].contains("refused")) {  // refused.json
            (metrics[i].is_null() ? missing : refused).push_back(i);
            if (kind != "leave_out") continue;
            Column& column = columns.back().second;
            if (metrics[i].is_null())
                column.is_whole = false;
            else
                column.suppressed.push_back(runs[i].at("value"));
            continue;
        }
        check(head, runs[i], metrics[i]);
        if (kind == "leave_out") {
            columns.back().second.add(metrics[i], runs[i], score, row->significant);
        } else if (kind == "fold") {
            const Json& overall = metrics[i].at("overall");
            folds.at(runs[i].at("fold")) = score_entry(overall, score, row->significant).at(score);
            fold_samples = std::min(fold_samples, overall.at("samples").get<std::int64_t>());
        } else {
            Json entry = {{"run", i}, {"settings", runs[i].at("chosen")}};
            entry.update(score_entry(metrics[i].at("overall"), score, row->significant));
            sweep.push_back(std::move(entry));
        }
    }
    for (auto& [name, column] : columns) {
        for (const Json& value : head.value("skipped", Json::object()).value(name, Json::array()))
            column.suppressed.push_back(value);
        column.hide();
        strata[name] = column.told(sign, score);
    }
    correct(strata);
    sort_by(sweep, sign, [&](const Json& entry) { return entry.at(score); });
    Json out = {{"format", 1},
                {"model", head.at("model")},
                {"task", head.at("task")},
                {"dataset", head.at("dataset")},
                {"score", score},
                {"runs", runs.size()},
                {"missing_runs", missing}};
    for (const char* key : {"init", "flips"})
        if (head.contains(key)) out[key] = head[key];
    if (!refused.empty()) out["refused_runs"] = refused;
    if (!strata.empty()) out["strata"] = strata;
    if (!folds.empty()) out["folds"] = folds_of(folds, fold_samples, row->significant);
    if (has_sweep) out["validation"] = {{"best_first", sweep}};
    return out;
}

// As pages of metrics.json take it.
Json as_metrics(const Json& summary) {
    Json out = {{"task", summary.at("task")}, {"score", summary.at("score")}, {"strata", Json::object()}};
    out["overall"] = {{summary.at("score").get<std::string>(), nullptr}};
    if (summary.contains("strata")) out["strata"] = summary["strata"];
    return out;
}

std::string sites(const Json& summary, const Json& metrics) {
    const std::string score = summary.at("score");
    const char* format = format_of(score_of(metrics));
    const std::vector<Row> rows = rows_of(metrics);
    std::vector<std::vector<std::string>> lines;
    for (const Row& row : rows) {
        const Json& gap = row.entry->at("gap");
        lines.push_back(
            {row.name, with_interval(*row.entry, score, format), figure(row.entry->at("others"), format),
             gap.is_null() ? "–" : with_interval(gap, "score", format), gap.is_null() ? "–" : p_text(gap)});
    }
    std::string out = tag("h2", "Held out, the worst first") +
                      tag("p",
                          "Each was judged by a model that had seen none of its samples, beside the test "
                          "samples of the others, of whom that model had seen other patients.");
    if (!rows.empty())
        out += forest(metrics, rows) +
               table({"held out", spoken(score), "the others", "gap", "p, adjusted"}, lines);
    for (const auto& [name, stratum] : metrics.at("strata").items())
        for (const Json& value : stratum.at("suppressed"))
            out += tag("p", core::html_escaped(name) + ": " + word(value) + ": nothing can be told of it.");
    return out;
}

std::string folds(const Json& summary, const Json& metrics) {
    const char* format = format_of(score_of(metrics));
    const Json& told = summary.at("folds");
    std::vector<std::vector<std::string>> lines;
    for (std::size_t i = 0; i < told.at("scores").size(); ++i)
        lines.push_back({std::to_string(i + 1), figure(told["scores"][i], format)});
    return tag("h2", "Folds, by patient") +
           tag("p", spoken(summary.at("score")) + ": mean " + figure(told.at("mean"), format) +
                        ", standard deviation between folds " + figure(told.at("sd"), format) + ".") +
           table({"fold", spoken(summary.at("score"))}, lines);
}

std::string sweep(const Json& summary, const Json& metrics) {
    const Json& entries = summary.at("validation").at("best_first");
    const std::string score = summary.at("score");
    std::vector<std::string> head{"run"};
    std::vector<std::vector<std::string>> lines;
    for (const Json& entry : entries) {
        lines.push_back({entry.at("run").dump()});
        for (const auto& [key, value] : entry.at("settings").items()) {
            if (&entry == &entries.front()) head.push_back(core::html_escaped(key));
            lines.back().push_back(word(value));
        }
        lines.back().push_back(with_interval(entry, score, format_of(score_of(metrics))));
    }
    head.push_back(spoken(score));
    return tag("h2", "Sweep, the best on validation first") +
           tag("p", "On the validation split alone; the best of many looks better than it is.") +
           table(head, lines);
}

}  // namespace

std::string study_run_sha256(const Json& head, const Json& run) {
    return core::to_hex(core::sha256(core::view(head.dump() + '\n' + run.dump())));
}

Json study_summary(const Json& head, const std::vector<Json>& runs, const std::vector<Json>& metrics) {
    try {
        return summary_of(head, runs, metrics);
    } catch (const Json::exception&) {
        throw core::Error(core::Fault::data, "plan.jsonl or a run's metrics.json is not one of a study");
    }
}

std::string where_study_fails(const Json& summary) {
    std::string out;
    if (summary.contains("strata"))
        out = where_it_fails(as_metrics(summary), "the test samples of the others");
    else
        out = "Where the model fails is not known: no hospital was held out.";
    const std::size_t missing = summary.at("missing_runs").size();
    if (missing > 0)
        out += " Of " + summary.at("runs").dump() + " runs " + std::to_string(missing) + " are not over.";
    if (summary.contains("refused_runs"))
        out += " " + std::to_string(summary["refused_runs"].size()) + " cannot be had of this dataset.";
    return out;
}

std::string study_html(const Json& summary) {
    const Json metrics = as_metrics(summary);
    const std::string title = "Study of " + word(summary.at("model")) + " on " + word(summary.at("dataset"));
    std::string out = page_head(title) + "<p class=\"fails\">" + where_study_fails(summary) + "</p>\n" +
                      tag("h1", title) + tag("p", "Intervals: 95 %, patients drawn with replacement.") +
                      flips_of(summary);
    if (!summary.at("missing_runs").empty()) {
        std::string all;
        for (const Json& run : summary["missing_runs"]) all += (all.empty() ? "" : ", ") + run.dump();
        out += tag("p", "Runs that are not over: " + all + ".");
    }
    if (summary.contains("strata")) out += sites(summary, metrics);
    if (summary.contains("folds")) out += folds(summary, metrics);
    if (summary.contains("validation")) out += sweep(summary, metrics);
    return out + "</body></html>\n";
}

}  // namespace trainer
