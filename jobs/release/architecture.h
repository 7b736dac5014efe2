#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace jobs {

// How coarsely the gate writes a tensor's values (requantise.h).
enum class Grid {
    bf16,      // each value to the eight bits of bf16
    of_scale,  // NAME.mean: to 1/128 of the standard deviation that NAME.scale tells, as float32: bf16 would move
               // a year of birth by eight
};

struct TensorRule {
    std::string name;
    std::vector<std::int64_t> shape;
    Grid grid = Grid::bf16;
};

// A model that trainer/model can build, derived from its own configuration: nothing else may leave as weights.
struct Architecture {
    std::string name;
    std::string model;                // the [model] table written anew: every key, in one spelling
    std::vector<TensorRule> tensors;  // in order of name; all float32 as aloft-train writes them
};

// `model`: the TOML of aloft.model; `shape` of one sample; the number of classes, or of other outputs; `task` as in
// aloft.task, "" for classification. The rules are those of
// trainer/model, which this library cannot link; tests/trainer/architecture_test.cpp compares the two. To
// register another architecture, add its row in architecture.cpp.
// Throws Error(refused) for an unknown architecture or task, and for options that it would not be built with.
Architecture architecture_of(const std::string& model, const std::vector<std::int64_t>& shape,
                             std::int64_t classes, const std::string& task = "");

}  // namespace jobs
