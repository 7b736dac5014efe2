#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// How a run of aloft-train goes, drawn in a terminal: the curves of its log.jsonl (trainer/eval/METRICS.md, "log.jsonl"). A job wrote that
// file: numbers are taken from it, and no text is shown.

namespace jobs {

struct Point {
    std::int64_t step = 0;
    double value = 0;
};
struct Curves {
    std::vector<Point> loss, validation_loss;  // in the order of steps
    std::string measure;  // what `scores` are of: one of ours by name; "" where there is none
    std::vector<Point> scores;
};

// A log, as it is written: in pieces, cut anywhere. Lines that are no event of a run are passed over. A step that is told again (a resumed
// run) counts anew. Of a curve of more than kMostPoints steps every second one is kept, as often as need be: memory is bounded.
class CurveReader {
public:
    static constexpr std::size_t kMostPoints = 1 << 17;

    void take(std::string_view piece);
    const Curves& curves() const { return curves_; }

private:
    Curves curves_;
    std::string line_;          // that has not come to its end yet
    bool is_too_long_ = false;  // it is
};

enum class Glyphs { unicode, ascii };
// At most `columns` wide, and 60 at least; nothing for a run that has logged no step.
std::vector<std::string> curve_lines(const Curves& curves, std::size_t columns, Glyphs glyphs);

// Where the job's script has aloft-train (or aloft train) write: the last --out, relative to the folder that it starts in; nothing if the
// script is not as aloft submit writes one, or runs another program.
std::optional<std::filesystem::path> run_folder_of(std::string_view script);

}  // namespace jobs
