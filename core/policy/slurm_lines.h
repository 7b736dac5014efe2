#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
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

// ASCII's letters in small: Slurm takes its keys, and sshd its own, in any.
std::string small_letters(std::string_view text);

// "KEY = VALUE" of such a line, KEY in small letters. Nothing of another line.
struct SlurmSetting {
    std::string key, value;
};
std::optional<SlurmSetting> slurm_setting(std::string_view line);

// A time limit as Slurm prints it: "2-01:30:00", "1:30:00", "30:00". Nothing for a word ("UNLIMITED") or another form.
std::optional<std::int64_t> slurm_seconds(std::string_view limit);

}  // namespace core
