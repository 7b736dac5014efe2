// Tables as CSV: a header of plain names, then numbers and short words; no quotes, no small counts.
#include <cstdlib>

#include "jobs/release/checks.h"

namespace jobs {
namespace {

constexpr std::size_t kColumnLimit = 200, kCellLimit = 64;

std::vector<std::string> split(const std::string& line) {
    std::vector<std::string> cells;
    std::size_t begin = 0;
    for (;;) {
        const std::size_t comma = line.find(',', begin);
        cells.push_back(line.substr(begin, comma == std::string::npos ? comma : comma - begin));
        if (comma == std::string::npos) return cells;
        begin = comma + 1;
    }
}

bool is_plain_cell(const std::string& cell) {
    if (cell.size() > kCellLimit) return false;
    for (const char c : cell)
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              std::string_view("._-@:+/% ").find(c) != std::string_view::npos))
            return false;
    return true;
}

Finding refuse(const char* code, const std::string& text) {
    return {"", Finding::Weight::refuse, code, text};
}

}  // namespace

std::vector<Finding> check_csv(const std::string& text, const ReleaseRules& rules) {
    std::vector<Finding> findings;
    std::vector<std::string> header;
    std::int64_t row = 0;
    std::size_t begin = 0;
    while (begin < text.size() && findings.size() < 20) {
        std::size_t end = text.find('\n', begin);
        if (end == std::string::npos) end = text.size();
        std::string line = text.substr(begin, end - begin);
        if (line.ends_with('\r')) line.pop_back();
        begin = end + 1;
        const auto cells = split(line);
        const std::string where = "line " + std::to_string(++row);
        for (const std::string& cell : cells)
            if (!is_plain_cell(cell)) {
                findings.push_back(
                    refuse("free-text", where + ": a cell is more than a number or a short plain name"));
                break;
            }
        if (row == 1) {
            if (cells.size() > kColumnLimit) findings.push_back(refuse("size", "more than 200 columns"));
            header = cells;
            continue;
        }
        if (cells.size() != header.size()) {
            findings.push_back(refuse("type", where + ": has another number of cells than the header"));
            continue;
        }
        if (row > rules.csv_rows + 1) {
            findings.push_back(refuse(
                "size", "more than " + std::to_string(rules.csv_rows) + " rows are data, not results"));
            break;
        }
        for (std::size_t i = 0; i < cells.size(); ++i) {
            if (!counts_something(header[i])) continue;
            const double number = std::strtod(cells[i].c_str(), nullptr);
            if (number > 0 && number < static_cast<double>(rules.smallest_count))
                findings.push_back(
                    refuse("small-count", where + ", column " + header[i].substr(0, kCellLimit) +
                                              ": counts fewer than " + std::to_string(rules.smallest_count) +
                                              "; merge the stratum or leave it out"));
        }
    }
    if (row < 2 && findings.empty())
        findings.push_back(refuse("type", "a table has a header and at least one row"));
    return findings;
}

}  // namespace jobs
