#pragma once
#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "trainer/keys/rows.h"

// The parts of a recipe's table of keys. Each is made where its keys are read, since no other place knows them; all are
// put together by recipe_rows.
namespace trainer {

std::vector<KeyRow> task_rows();       // [task], and the columns of [data]: task/task.cpp
std::vector<KeyRow> balance_rows();    // loader/balance_options.cpp
std::vector<KeyRow> loss_rows();       // loss/loss.cpp
std::vector<KeyRow> model_rows();      // model/model.cpp
std::vector<KeyRow> optimizer_rows();  // engine/optimizers.cpp
std::vector<KeyRow> schedule_rows();   // engine/schedule.cpp
std::vector<KeyRow> patch_rows();      // engine/patch.cpp
std::vector<KeyRow> mixup_rows();      // engine/mixup.cpp
std::vector<KeyRow> augment_rows();    // augment/options.cpp
std::vector<KeyRow> evaluate_rows();   // eval/options.cpp
std::vector<KeyRow> hold_out_rows();   // engine/hold_out.cpp
std::vector<KeyRow> study_rows();      // engine/study.cpp

// What the identity of a run says of [loss]: what is not the default; null if all is.
struct LossOptions;
nlohmann::ordered_json told_of(const LossOptions& options);
// What it, or that of figures, says of [evaluate], added to `out`: keys that count as much as `least` or more.
struct EvaluateOptions;
void tell(nlohmann::ordered_json& out, const EvaluateOptions& options, Counts least);

}  // namespace trainer
