#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "trainer/eval/curves.h"

namespace trainer {

// report.html: what metrics.json says, for people, made of that alone but for `curves` (Judge::curves). One page of
// well-formed XHTML that fetches nothing and runs nothing; names are escaped.
std::string html_report(const nlohmann::ordered_json& metrics, const std::vector<Curve>& curves = {});

// Its first line: where the model fails, in words. `rest`: what a gap is to.
std::string where_it_fails(const nlohmann::ordered_json& metrics,
                           const std::string& rest = "all other samples");

}  // namespace trainer
