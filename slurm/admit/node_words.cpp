#include "slurm/admit/node_words.h"

#include <strings.h>

#include <sstream>
#include <vector>

#include "core/base/split.h"
#include "core/policy/slurm_lines.h"

namespace slurm {
namespace {

bool is(const std::string& word, const char* other) {
    return ::strcasecmp(word.c_str(), other) == 0;
}

// "gpu:a100:4(S:0-1),gpu:2": a type stands between two colons.
void add_types(const std::string& resources, NodeWords& words) {
    for (const std::string& one : core::split(resources, ',')) {
        const std::vector<std::string> parts = core::split(one.substr(0, one.find('(')), ':');
        if (parts.size() >= 2 && parts[0] == "gpu" &&
            parts[1].find_first_not_of("0123456789") != std::string::npos)
            words.gpu_types.insert(parts[1]);
    }
}

}  // namespace

NodeWords load_node_words(const std::filesystem::path& slurm_conf) {
    NodeWords words;
    for (const std::string& line : core::slurm_lines_of(slurm_conf)) {
        std::istringstream pairs(line);
        bool is_node = false;
        for (std::string pair; pairs >> pair;) {
            const auto equals = pair.find('=');
            if (equals == std::string::npos) continue;
            const std::string key = pair.substr(0, equals), value = pair.substr(equals + 1);
            is_node = is_node || is(key, "NodeName");  // the first of its line
            if (!is_node) break;
            if (is(key, "Gres")) add_types(value, words);
            if (is(key, "Feature") || is(key, "Features"))
                for (const std::string& one : core::split(value, ',')) words.features.insert(one);
        }
    }
    return words;
}

}  // namespace slurm
