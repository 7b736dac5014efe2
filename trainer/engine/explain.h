#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "trainer/keys/rows.h"

namespace trainer {

// A recipe of defaults as TOML: every key that there is (recipe_rows), what else there is in place of a default as
// comments; every transform is one [[augment]] at the end. configs/recipes/every-key.toml is this text.
std::string explain_recipe();

// The rows of a key or a table, "train.epochs", "optimizer". Throws Error(usage) if there is none.
std::vector<KeyRow> rows_at(const std::string& path);
std::string explain(const std::vector<KeyRow>& rows);             // for people
nlohmann::ordered_json to_json(const std::vector<KeyRow>& rows);  // for programs

}  // namespace trainer
