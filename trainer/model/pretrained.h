#pragma once
#include <string>
#include <vector>

#include "trainer/model/safetensors.h"

namespace trainer {

// What became of a model that began with another's weights: names of the model's own parameters, and how many tensors of
// the file there were that it has no place for.
struct Taken {
    std::vector<std::string> taken, kept;  // kept: as they were drawn
    std::int64_t unused = 0;
    bool is_stem_summed = false;  // the file's has three channels, the samples have one
};

// Copies weights of the file into the model, by `names`: "own", what aloft-train writes; "torchvision" and "monai", of
// their ResNets in 2D (which have the same names) and DenseNets. The head stays as drawn where the file has none or one of another shape; all
// else that the names say must be there and fit, else Error(data) names it. Buffers stay: means and deviations are those of
// the samples. Of torchvision's batch norm:
// - a model with norm = "fixed" takes what it does when it is used, a factor and an offset by its running mean and
//   variance (Ioffe and Szegedy 2015, algorithm 2; epsilon 1e-5, torchvision's): it computes the same.
// - one with group norm has another norm, which stays as drawn; convolutions are taken. Where the file has no running
//   means its norms are not batch norms, and are taken.
// Throws Error(usage) if the names are not of this model.
Taken take_weights(const TensorFile& file, const std::string& names, Model& model);

}  // namespace trainer
