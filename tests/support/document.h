#pragma once
#include <cstdlib>
#include <filesystem>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>

#include "core/base/files.h"

namespace test {

// The worked examples of a document of ours: what stands between ```example NAME and ```, by NAME, exactly.
// `path` is relative to the source tree ($ALOFT_SOURCE, which CTest sets).
inline std::map<std::string, std::string> worked_examples(const std::string& path) {
    const char* const source = std::getenv("ALOFT_SOURCE");
    if (!source) throw std::runtime_error("ALOFT_SOURCE is not set: run this test with ctest");
    std::istringstream text(core::read_text(std::filesystem::path(source) / path));
    std::map<std::string, std::string> found;
    std::string* inside = nullptr;
    for (std::string line; std::getline(text, line);) {
        if (line.starts_with("```"))
            inside = !inside && line.starts_with("```example ") ? &found[line.substr(11)] : nullptr;
        else if (inside)
            *inside += line + "\n";
    }
    return found;
}

}  // namespace test
