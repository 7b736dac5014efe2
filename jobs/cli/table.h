#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace jobs {

// Columns of a terminal that a UTF-8 text takes: two for each wide character of East Asian scripts, none for combining ones
// (wcwidth, POSIX.1-2017). What is no UTF-8 takes one a byte.
std::size_t width_of(std::string_view text);

// Lines of a table; its first row is the head. All rows have as many cells. With `most` above 0 no line is wider than so many
// columns (40 at least): columns that find no room stand below, indented, and a cell that is wider still goes on in the next line.
std::vector<std::string> table_lines(const std::vector<std::vector<std::string>>& rows, std::size_t most);

// How wide a table on stdout may be: a terminal's columns, and 0 for a file or a pipe, where a row is one line.
std::size_t table_width();

}  // namespace jobs
