#pragma once
#include <string>
#include <vector>

namespace trainer {

// An error text without the folders in it: of every path the last part stays, of those of a shard (/fields/...,
// /columns/..., /index) all. `paths` are known ones, which may have spaces in them.
std::string without_paths(std::string text, const std::vector<std::string>& paths);

}  // namespace trainer
