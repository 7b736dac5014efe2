#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "trainer/eval/curves.h"

namespace trainer {

// The section of report.html with the ROC and the precision-recall curve of each class or label that metrics.json tells
// of, the worst first, beside its AUROC and AUPRC; "" without curves.
std::string curves_html(const nlohmann::ordered_json& metrics, const std::vector<Curve>& curves);

}  // namespace trainer
