#pragma once
#include <ostream>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace staging {

// Columns as wide as their widest cell; numbers stand to the right. The first row is the head.
void print_table(std::ostream& out, const std::vector<std::vector<std::string>>& rows);

// A result as "key: value" lines; an object of objects as a table.
void print_words(std::ostream& out, const nlohmann::ordered_json& result);

}  // namespace staging
