#include "core/policy/slurm_lines.h"

#include <strings.h>

#include <algorithm>
#include <sstream>

#include "core/base/error.h"
#include "core/base/files.h"

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

std::vector<std::string> slurm_lines(std::string_view text) {
    std::vector<std::string> lines;
    std::istringstream stream{std::string(text)};
    std::string line;
    const auto keep = [&lines](std::string& one) {
        one.erase(0, one.find_first_not_of(" \t"));
        one.erase(one.find_last_not_of(" \t") + 1);
        if (!one.empty()) lines.push_back(std::move(one));
        one.clear();
    };
    for (std::string part; std::getline(stream, part);) {
        part.erase(std::min(part.find('#'), part.size()));
        part.erase(part.find_last_not_of(" \t\r") + 1);
        line += part;
        if (line.ends_with('\\')) {
            line.back() = ' ';
            continue;
        }
        keep(line);
    }
    keep(line);  // goes on, and the text does not
    return lines;
}

std::vector<std::string> slurm_lines_of(const std::filesystem::path& file) {
    std::vector<std::string> lines;
    add(file, 0, lines);
    return lines;
}

}  // namespace core
