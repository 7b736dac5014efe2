#include "core/policy/names.h"

#include <algorithm>

#include "core/base/error.h"

namespace core {
namespace {

bool is_alphanumeric(char c) noexcept {  // not std::isalnum: the locale has no say here
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

}  // namespace

bool is_plain_name(std::string_view name) noexcept {
    return !name.empty() && name.size() <= 64 && is_alphanumeric(name.front()) &&
           std::all_of(name.begin(), name.end(),
                       [](char c) { return is_alphanumeric(c) || c == '.' || c == '_' || c == '-'; });
}

void check_plain_name(std::string_view name, const std::string& what) {
    if (!is_plain_name(name))
        throw Error(Fault::usage, what +
                                      ": not a plain name; use 1 to 64 letters, digits, '.', '_' or '-', "
                                      "beginning with a letter or digit");
}

DatasetName parse_dataset_name(std::string_view text) {
    const std::size_t at = text.find('@');
    DatasetName name;
    if (at != std::string_view::npos) {
        name.dataset = text.substr(0, at);
        name.version = text.substr(at + 1);
    }
    if (!is_plain_name(name.dataset) || !is_plain_name(name.version))
        throw Error(Fault::usage, "not a dataset version; write it as NAME@VERSION, for example digits@1");
    return name;
}

}  // namespace core
