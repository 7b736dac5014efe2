#include "slurm/admit/node_words.h"

#include <strings.h>

#include <sstream>
#include <vector>

#include "core/base/error.h"
#include "core/base/files.h"

namespace slurm {
namespace {

constexpr int kDeepestInclude = 4;

std::vector<std::string> split(const std::string& list, char at) {
    std::vector<std::string> parts;
    std::istringstream words(list);
    for (std::string one; std::getline(words, one, at);) parts.push_back(one);
    return parts;
}

bool is(const std::string& word, const char* other) {
    return ::strcasecmp(word.c_str(), other) == 0;
}

// "gpu:a100:4(S:0-1),gpu:2": a type stands between two colons.
void add_types(const std::string& resources, NodeWords& words) {
    for (const std::string& one : split(resources, ',')) {
        const std::vector<std::string> parts = split(one.substr(0, one.find('(')), ':');
        if (parts.size() >= 2 && parts[0] == "gpu" &&
            parts[1].find_first_not_of("0123456789") != std::string::npos)
            words.gpu_types.insert(parts[1]);
    }
}

void add(const std::filesystem::path& file, int depth, NodeWords& words) {
    if (depth > kDeepestInclude) throw core::Error(core::Fault::system, "slurm.conf includes too deeply");
    std::istringstream lines(core::read_text(file));
    std::string line;
    for (std::string part; std::getline(lines, part);) {
        line += part.substr(0, part.find('#'));
        if (line.ends_with('\\')) {  // goes on
            line.back() = ' ';
            continue;
        }
        std::istringstream pairs(line);
        line.clear();
        std::string first;
        pairs >> first;
        if (std::string name; is(first, "Include") && pairs >> name)
            add(file.parent_path() / name, depth + 1, words);  // an absolute name stays
        if (!is(first.substr(0, first.find('=')), "NodeName")) continue;
        for (std::string pair; pairs >> pair;) {
            const auto equals = pair.find('=');
            const std::string key = pair.substr(0, equals);
            if (equals == std::string::npos) continue;
            if (is(key, "Gres")) add_types(pair.substr(equals + 1), words);
            if (is(key, "Feature") || is(key, "Features"))
                for (const std::string& one : split(pair.substr(equals + 1), ',')) words.features.insert(one);
        }
    }
}

}  // namespace

NodeWords load_node_words(const std::filesystem::path& slurm_conf) {
    NodeWords words;
    add(slurm_conf, 0, words);
    return words;
}

}  // namespace slurm
