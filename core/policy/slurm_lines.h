#pragma once
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace core {

// The lines of a configuration of Slurm's as Slurm takes them: without comments, empty ones and space around them, those
// that end in a backslash joined with the next, other backslashes obeyed.
std::vector<std::string> slurm_lines(std::string_view text);

// The same of a file, with those of the files that it includes in their place. Throws Error(system) if one cannot be
// read, or they include each other.
std::vector<std::string> slurm_lines_of(const std::filesystem::path& file);

}  // namespace core
