#pragma once
#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "trainer/eval/judge.h"

namespace trainer {

// What pages are made of. All that is returned is escaped, and well-formed XHTML.
std::string word(const nlohmann::ordered_json& value);
std::string spoken(std::string name);  // "balanced_accuracy": for people
std::string digits(double value, const char* format = "%.3f");
constexpr const char* kInUnits = "%.4g";                                               // of any size
std::string figure(const nlohmann::ordered_json& value, const char* format = "%.3f");  // a dash for null
// "0.90 (0.85 to 0.94)"
std::string with_interval(const nlohmann::ordered_json& entry, const std::string& name,
                          const char* format = "%.3f");
std::string tag(const std::string& name, const std::string& inner);
// One that is wider than the page is moved in its own place.
std::string table(const std::vector<std::string>& head, const std::vector<std::vector<std::string>>& rows);
// A point of the unit square, from its lower left corner.
struct PlotPoint {
    double x, y;
};
// The unit square with its axes: `reference`, a line of two points, a line through `points`, and `marks`. `title` is read out, and shown where the pointer rests.
std::string unit_plot(const std::string& title, const std::string& x_axis, const std::string& y_axis,
                      const std::vector<PlotPoint>& reference, const std::vector<PlotPoint>& points,
                      const std::vector<PlotPoint>& marks);
// What a metrics.json, or a study's summary, says of flips; "" where there are none.
std::string flips_of(const nlohmann::ordered_json& told);
// All before the body's first element; `title` is escaped.
std::string page_head(const std::string& title);

// Of a metrics.json, or what has its `task`, `score`, `overall` and `strata`:
struct Row {
    std::string name;  // escaped: "site: north"
    const nlohmann::ordered_json* entry;
};
std::vector<Row> rows_of(const nlohmann::ordered_json& metrics);  // all strata that are shown
std::size_t suppressed_of(const nlohmann::ordered_json& metrics);
const Judge& judge(const nlohmann::ordered_json& metrics);
const FigureRow& score_of(const nlohmann::ordered_json& metrics);
double sign_of(const nlohmann::ordered_json& metrics);  // 1 where more is better
const char* format_of(const FigureRow& row);
std::string p_text(const nlohmann::ordered_json& gap);
// A row for each stratum, with the interval of its score; the whole as a line through all.
std::string forest(const nlohmann::ordered_json& metrics, const std::vector<Row>& rows);

}  // namespace trainer
