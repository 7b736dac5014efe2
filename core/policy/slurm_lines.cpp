#include "core/policy/slurm_lines.h"

#include <strings.h>

#include <sstream>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/split.h"

namespace core {
namespace {

constexpr int kDeepestInclude = 4;

void add(const std::filesystem::path& file, int depth, std::vector<std::string>& lines) {
    if (depth > kDeepestInclude) throw Error(Fault::system, "a configuration of Slurm's includes too deeply");
    for (std::string& line : slurm_lines(read_text(file))) {
        std::istringstream words(line);
        std::string first, name;
        words >> first;
        if (::strcasecmp(first.c_str(), "Include") == 0 && words >> name)
            add(file.parent_path() / name, depth + 1, lines);  // an absolute name stays
        else
            lines.push_back(std::move(line));
    }
}

}  // namespace

// As src/common/parse_config.c reads: a "#" begins a comment unless a backslash stands before it; an odd number of
// backslashes at a line's end joins the next line to it, with nothing between; what a backslash stands before is meant.
std::vector<std::string> slurm_lines(std::string_view text) {
    std::vector<std::string> lines;
    std::istringstream stream{std::string(text)};
    std::string line;
    const auto keep = [&lines](const std::string& one) {
        std::string meant;
        for (std::size_t i = 0; i < one.size(); ++i) {
            if (one[i] == '\\' && ++i == one.size()) break;
            meant += one[i];
        }
        meant.erase(0, meant.find_first_not_of(" \t"));
        meant.erase(meant.find_last_not_of(" \t\r") + 1);
        if (!meant.empty()) lines.push_back(std::move(meant));
    };
    for (std::string part; std::getline(stream, part);) {
        std::size_t backslashes = 0;
        for (std::size_t i = 0; i < part.size(); ++i) {
            if (part[i] == '#' && backslashes % 2 == 0) part.erase(i);
            backslashes = i < part.size() && part[i] == '\\' ? backslashes + 1 : 0;
        }
        const std::size_t end = part.find_last_not_of(" \t\r") + 1;
        const std::size_t before = end ? part.find_last_not_of('\\', end - 1) + 1 : 0;
        if ((end - before) % 2 == 1) {
            line += part.substr(0, end - 1);
            continue;
        }
        keep(line + part);
        line.clear();
    }
    keep(line);  // goes on, and the text does not
    return lines;
}

std::vector<std::string> slurm_lines_of(const std::filesystem::path& file) {
    std::vector<std::string> lines;
    add(file, 0, lines);
    return lines;
}

std::string small_letters(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return out;
}

std::optional<SlurmSetting> slurm_setting(std::string_view line) {
    const auto equals = line.find('=');
    if (equals == line.npos) return std::nullopt;
    return SlurmSetting{small_letters(trimmed(line.substr(0, equals))), trimmed(line.substr(equals + 1))};
}

std::optional<std::int64_t> slurm_seconds(std::string_view limit) {
    const auto add = [](std::int64_t& sum, std::int64_t scale, const std::string& digits) {
        constexpr std::size_t kMostDigits = 6;
        if (digits.empty() || digits.size() > kMostDigits ||
            digits.find_first_not_of("0123456789") != std::string::npos)
            return false;
        sum = sum * scale + std::stoll(digits);
        return true;
    };
    const auto dash = limit.find('-');
    std::int64_t days = 0, rest = 0;
    if (dash != std::string_view::npos && !add(days, 1, std::string(limit.substr(0, dash))))
        return std::nullopt;
    const auto parts = split(dash == std::string_view::npos ? limit : limit.substr(dash + 1), ':');
    if (parts.size() < 2 || parts.size() > 3) return std::nullopt;
    for (const std::string& part : parts)
        if (!add(rest, 60, part)) return std::nullopt;
    return days * 86400 + rest;
}

}  // namespace core
