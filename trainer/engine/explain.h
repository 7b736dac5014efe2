#pragma once
#include <string>

namespace trainer {

// TOML of a recipe's [optimizer], [schedule] and [[augment]]: every kind that there is with its keys, their defaults and
// what they mean, from the tables that parsing reads. Defaults stand as they are, what else there is as comments; every
// transform is one [[augment]].
std::string explain_recipe();

}  // namespace trainer
