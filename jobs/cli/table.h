#pragma once
#include <cstddef>
#include <string>
#include <vector>

namespace jobs {

// Lines of a table; its first row is the head. All rows have as many cells. With `most` above 0 no line is wider than so many
// columns (40 at least): columns that find no room stand below, indented, and a cell that is wider still goes on in the next line.
std::vector<std::string> table_lines(const std::vector<std::vector<std::string>>& rows, std::size_t most);

// How wide a table on stdout may be: a terminal's columns, and 0 for a file or a pipe, where a row is one line.
std::size_t table_width();

}  // namespace jobs
