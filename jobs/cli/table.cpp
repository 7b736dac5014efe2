#include "jobs/cli/table.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

#include "core/base/width.h"

namespace jobs {
namespace {

constexpr std::size_t kGap = 2, kIndent = 4, kLeast = 40, kUsual = 80;

// A cell in pieces of at most `most` columns, cut behind a space or a comma where there is one.
std::vector<std::string> pieces_of(std::string_view cell, std::size_t most) {
    const core::InUtf8 locale;
    std::vector<std::string> pieces;
    std::size_t begin = 0, at = 0, columns = 0, gap = 0;
    while (at < cell.size()) {
        const core::InUtf8::Character next = locale.first_of(cell.substr(at));
        if (columns + next.columns > most) {
            const std::size_t end = gap > begin ? gap : at;
            pieces.emplace_back(cell.substr(begin, end - begin));
            begin = at = end;
            columns = 0;
            continue;
        }
        columns += next.columns;
        at += next.bytes;
        if (cell[at - 1] == ' ' || cell[at - 1] == ',') gap = at;
    }
    pieces.emplace_back(cell.substr(begin));
    return pieces;
}

// Of columns side by side: the first and the one behind the last.
struct Group {
    std::size_t first = 0, end = 0;
};
std::vector<Group> groups_of(const std::vector<std::size_t>& widths, std::size_t most) {
    std::vector<Group> groups{{0, 0}};
    std::size_t used = 0;
    for (std::size_t i = 0; i < widths.size(); ++i) {
        const bool fits = i == groups.back().first || !most || used + kGap + widths[i] <= most;
        if (!fits) {
            groups.push_back({i, i});
            used = kIndent;
        }
        used += widths[i] + (i == groups.back().first ? 0 : kGap);
        groups.back().end = i + 1;
    }
    return groups;
}

}  // namespace

std::vector<std::string> table_lines(const std::vector<std::vector<std::string>>& rows, std::size_t most) {
    if (most) most = std::max(most, kLeast);
    std::vector<std::size_t> widths(rows.empty() ? 0 : rows.front().size());
    for (const auto& row : rows)
        for (std::size_t i = 0; i < row.size(); ++i) {
            widths[i] = std::max(widths[i], core::width_of(row[i]));
            if (most) widths[i] = std::min(widths[i], most - kIndent);
        }
    const auto groups = groups_of(widths, most);
    std::vector<std::string> lines;
    for (const auto& row : rows)
        for (const Group& group : groups) {
            std::vector<std::vector<std::string>> cells;
            std::size_t height = 1;
            for (std::size_t i = group.first; i < group.end; ++i) {
                cells.push_back(most ? pieces_of(row[i], widths[i]) : std::vector<std::string>{row[i]});
                height = std::max(height, cells.back().size());
            }
            for (std::size_t piece = 0; piece < height; ++piece) {
                std::string line(group.first ? kIndent : 0, ' ');
                for (std::size_t i = 0; i < cells.size(); ++i) {
                    const std::string text = piece < cells[i].size() ? cells[i][piece] : "";
                    line += text;
                    if (i + 1 < cells.size())
                        line += std::string(widths[group.first + i] - core::width_of(text) + kGap, ' ');
                }
                lines.push_back(std::move(line));
            }
        }
    return lines;
}

std::size_t table_width() {
    if (!::isatty(STDOUT_FILENO)) return 0;
    winsize size{};
    return ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : kUsual;
}

}  // namespace jobs
