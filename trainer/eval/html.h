#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace trainer {

// report.html: what metrics.json says, for people, made of that alone. One page of well-formed XHTML that fetches
// nothing and runs nothing; names are escaped.
std::string html_report(const nlohmann::ordered_json& metrics);

// Its first line: where the model fails, in words. `rest`: what a gap is to.
std::string where_it_fails(const nlohmann::ordered_json& metrics,
                           const std::string& rest = "all other samples");

}  // namespace trainer
