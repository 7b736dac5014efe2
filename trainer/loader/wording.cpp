#include "trainer/loader/wording.h"

#include <algorithm>
#include <string_view>

namespace trainer {
namespace {

// "/x/" too.
std::string_view last_part(std::string_view path) {
    while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
    return path.substr(path.rfind('/') + 1);
}

bool is_in_a_shard(std::string_view path) {
    return path.starts_with("/fields/") || path.starts_with("/columns/") || path == "/index";
}

}  // namespace

std::string without_paths(std::string text, const std::vector<std::string>& paths) {
    const auto replace = [&text](const std::string& what, std::string_view by) {
        for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size())
            text.replace(at, what.size(), by);
    };
    for (std::string path : paths) {
        while (!path.empty() && path.back() == '/') path.pop_back();
        if (path.find('/') == std::string::npos) continue;
        replace(path + "/", "");
        replace(path, last_part(path));
    }
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find_first_of(" :;,'\"()", at), text.size());
        const std::string_view word = std::string_view(text).substr(at, end - at);
        const std::size_t slash = word.find('/');
        out += slash == std::string_view::npos || is_in_a_shard(word) ? word : last_part(word);
        at = end;
        if (at < text.size()) out += text[at++];
    }
    return out;
}

}  // namespace trainer
