#include "jobs/cli/curves.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "core/base/message.h"
#include "core/base/width.h"

namespace jobs {

using core::tr;
using nlohmann::json;

namespace {

// One per task (trainer/eval), the first that a run has.
constexpr std::string_view kMeasures[] = {"accuracy", "auroc", "dice", "r2", "mae"};
constexpr std::size_t kLineBytes = 64 << 10;

std::optional<double> number_of(const json& object, std::string_view key) {
    const auto found = object.find(key);
    if (found == object.end() || !found->is_number()) return std::nullopt;
    const double value = found->get<double>();
    return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

void add(std::vector<Point>& points, std::int64_t step, double value) {
    while (!points.empty() && points.back().step >= step) points.pop_back();
    points.push_back({step, value});
    if (points.size() <= CurveReader::kMostPoints) return;
    for (std::size_t i = 0; 2 * i < points.size(); ++i) points[i] = points[2 * i];  // the last one stays
    points.resize((points.size() + 1) / 2);
}

void take_event(Curves& curves, const json& event) {
    const auto step = event.find("step"), kind = event.find("event");
    if (step == event.end() || !step->is_number_unsigned() || kind == event.end()) return;
    if (step->get<std::uint64_t>() > INT64_MAX) return;
    const auto at = step->get<std::int64_t>();
    if (*kind == "step")
        if (const auto loss = number_of(event, "loss")) add(curves.loss, at, *loss);
    const auto validation = event.find("validation");
    if (*kind != "epoch" || validation == event.end() || !validation->is_object()) return;
    if (const auto loss = number_of(*validation, "loss")) add(curves.validation_loss, at, *loss);
    if (curves.measure.empty())
        for (const std::string_view measure : kMeasures)
            if (number_of(*validation, measure)) {
                curves.measure = measure;
                break;
            }
    if (const auto score = number_of(*validation, curves.measure)) add(curves.scores, at, *score);
}

// Dots in cells: braille has two by four in each character (Unicode, block U+2800), ASCII one.
class Canvas {
public:
    Canvas(std::size_t columns, std::size_t rows, Glyphs glyphs)
        : glyphs_(glyphs),
          across_(glyphs == Glyphs::unicode ? 2 : 1),
          down_(glyphs == Glyphs::unicode ? 4 : 1),
          columns_(columns),
          cells_(columns * rows, 0),
          marks_(columns * rows, false) {}

    std::size_t width() const { return columns_ * across_; }
    std::size_t height() const { return cells_.size() / columns_ * down_; }

    void dot(std::size_t x, std::size_t y) {
        constexpr unsigned char kBits[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
        cells_[y / down_ * columns_ + x / across_] |= kBits[y % down_][x % across_];
    }
    void mark(std::size_t x, std::size_t y) { marks_[y / down_ * columns_ + x / across_] = true; }

    std::string row(std::size_t at) const {
        std::string out;
        for (std::size_t i = at * columns_; i < (at + 1) * columns_; ++i)
            if (marks_[i])
                out += 'o';
            else if (!cells_[i])
                out += ' ';
            else if (glyphs_ == Glyphs::ascii)
                out += '.';
            else  // U+2800 + cells_[i], in UTF-8
                out += {'\xe2', static_cast<char>(0xa0 | cells_[i] >> 6),
                        static_cast<char>(0x80 | (cells_[i] & 0x3f))};
        return out;
    }

private:
    Glyphs glyphs_;
    std::size_t across_, down_, columns_;
    std::vector<unsigned char> cells_;
    std::vector<bool> marks_;
};

// From steps and values to dots.
struct Range {
    double first_step, last_step, least, most;

    explicit Range(const std::vector<const std::vector<Point>*>& curves)
        : first_step(HUGE_VAL), last_step(0), least(HUGE_VAL), most(-HUGE_VAL) {
        for (const auto* curve : curves)
            for (const Point& point : *curve) {
                first_step = std::min(first_step, static_cast<double>(point.step));
                last_step = std::max(last_step, static_cast<double>(point.step));
                least = std::min(least, point.value);
                most = std::max(most, point.value);
            }
    }
    std::size_t x(const Point& point, const Canvas& canvas) const {
        return place((static_cast<double>(point.step) - first_step) / (last_step - first_step),
                     canvas.width());
    }
    std::size_t y(const Point& point, const Canvas& canvas) const {
        // Halves: the distance of two values may be more than a double holds.
        return canvas.height() - 1 -
               place((point.value / 2 - least / 2) / (most / 2 - least / 2), canvas.height());
    }

private:
    static std::size_t place(double share, std::size_t count) {
        if (!(share > 0)) return 0;  // one step, or one value: no distance
        return std::min(count - 1, static_cast<std::size_t>(share * static_cast<double>(count - 1) + 0.5));
    }
};

// A line from each point to the next one.
void draw(Canvas& canvas, const Range& range, const std::vector<Point>& curve) {
    std::optional<std::pair<long, long>> before;
    for (const Point& point : curve) {
        const long x = static_cast<long>(range.x(point, canvas)),
                   y = static_cast<long>(range.y(point, canvas));
        const auto [x0, y0] = before.value_or(std::pair(x, y));
        const long most = std::max({std::labs(x - x0), std::labs(y - y0), 1L});
        for (long i = 0; i <= most; ++i)
            canvas.dot(static_cast<std::size_t>(x0 + (x - x0) * i / most),
                       static_cast<std::size_t>(y0 + (y - y0) * i / most));
        before = {x, y};
    }
}

std::string figure(double value) {
    return fmt::format("{:.4g}", value);
}

void plot(std::vector<std::string>& lines, std::string title, const std::vector<Point>& drawn,
          const std::vector<Point>& marked, std::size_t columns, Glyphs glyphs) {
    constexpr std::size_t kRows = 10, kLabel = 11;
    const bool is_unicode = glyphs == Glyphs::unicode;
    Canvas canvas(columns - kLabel - 2, kRows, glyphs);
    const Range range({&drawn, &marked});
    draw(canvas, range, drawn);
    for (const Point& point : marked) canvas.mark(range.x(point, canvas), range.y(point, canvas));
    lines.push_back(std::move(title));
    for (std::size_t i = 0; i < kRows; ++i) {
        const std::string label = i == 0 ? figure(range.most) : i + 1 == kRows ? figure(range.least) : "";
        lines.push_back(fmt::format("{:>{}} {}", label, kLabel, is_unicode ? "│" : "|") + canvas.row(i));
    }
    const std::string first = fmt::format("{:.0f}", range.first_step),
                      last = fmt::format("{:.0f}", range.last_step);
    const std::size_t room = columns - kLabel - 2;
    lines.push_back(
        std::string(kLabel + 2, ' ') + first +
        (first == last ? "" : fmt::format("{:>{}}", last, room > first.size() ? room - first.size() : 0)));
}

}  // namespace

void CurveReader::take(std::string_view piece) {
    for (;;) {
        const std::size_t end = piece.find('\n');
        is_too_long_ = is_too_long_ || line_.size() + std::min(end, piece.size()) > kLineBytes;
        if (!is_too_long_) line_ += piece.substr(0, end);
        if (end == std::string_view::npos) return;
        if (!is_too_long_)
            if (const json event = json::parse(line_, nullptr, false); event.is_object())
                take_event(curves_, event);
        line_.clear();
        is_too_long_ = false;
        piece.remove_prefix(end + 1);
    }
}

std::vector<std::string> curve_lines(const Curves& curves, std::size_t columns, Glyphs glyphs) {
    columns = std::clamp<std::size_t>(columns, 60, 80);
    std::vector<std::string> lines;
    if (!curves.loss.empty()) {
        const Point& now = curves.loss.back();
        plot(lines,
             curves.validation_loss.empty() ? tr("loss: {} at step {}", figure(now.value), now.step)
                                            : tr("loss: {} at step {}; o: validation, {}", figure(now.value),
                                                 now.step, figure(curves.validation_loss.back().value)),
             curves.loss, curves.validation_loss, columns, glyphs);
    }
    if (!curves.scores.empty()) {
        const Point& now = curves.scores.back();
        plot(lines, tr("validation, {}: {} at step {}", curves.measure, figure(now.value), now.step),
             curves.scores, curves.scores, columns, glyphs);
    }
    return lines;
}

std::optional<std::filesystem::path> run_folder_of(std::string_view script) {
    constexpr std::string_view kBegins = "#!/bin/sh\nexec ";
    if (!script.starts_with(kBegins)) return std::nullopt;
    script.remove_prefix(kBegins.size());
    // The words as shell_quoted writes them: in single quotes, and '\'' for one.
    std::vector<std::string> words(1);
    bool is_quoted = false;
    for (std::size_t i = 0; i < script.size() && (is_quoted || script[i] != '\n'); ++i) {
        const char c = script[i];
        if (c == '\'')
            is_quoted = !is_quoted;
        else if (is_quoted)
            words.back() += c;
        else if (c == '\\' && i + 1 < script.size())
            words.back() += script[++i];
        else if (c == ' ')
            words.emplace_back();
        else
            return std::nullopt;
    }
    // aloft-train, or aloft train, which becomes it.
    const auto is_called = [](const std::string& word, const char* name) {
        return std::filesystem::path(word).filename() == name;
    };
    auto word = words.begin();
    while (word != words.end() && !is_called(*word, "aloft-train") &&
           !(is_called(*word, "aloft") && word + 1 != words.end() && *(word + 1) == "train"))
        ++word;
    std::optional<std::filesystem::path> folder;
    for (; word != words.end() && *word != "--"; ++word) {
        if (word->starts_with("--out=")) folder = word->substr(6);
        if (*word == "--out") {
            if (++word == words.end()) return std::nullopt;
            folder = *word;
        }
    }
    if (folder && folder->empty()) return std::nullopt;
    return folder;
}

}  // namespace jobs
