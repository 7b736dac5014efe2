#include "slurm/step/devices.h"

#include <charconv>

namespace slurm {
namespace {

bool matches(const Device& row, std::string_view path) {
    const auto hash = row.path.find('#');
    if (hash == std::string_view::npos) return row.path == path;
    if (!path.starts_with(row.path.substr(0, hash))) return false;
    const std::string_view digits = path.substr(hash);
    unsigned number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    return error == std::errc{} && end == digits.data() + digits.size() && number >= row.from;
}

}  // namespace

const Device* device_row(std::string_view path) {
    for (const Device& row : kDevices)
        if (matches(row, path)) return &row;
    return nullptr;
}

}  // namespace slurm
