#pragma once
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace staging {

// What a risk record (summary.h, tool/risk.h) says, in sentences for whoever must decide whether the data may be shared: what
// an attacker would know, how many people stand out, what is learned of them, what was given up.
std::vector<std::string> risk_words(const nlohmann::ordered_json& risk);

}  // namespace staging
