#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "trainer/loader/raw_loader.h"

namespace trainer {

// The memory of `inputs` belongs to the loader and is used again when the last tensor that refers to it is
// gone: keep a clone, not the tensor, of what must live long.
struct Batch {
    at::Tensor inputs;   // [valid, ...] as the field's shape; its dtype, or float32 if normalised
    at::Tensor labels;   // [valid] int64 (category or i64 column) or float64; undefined without a label
    at::Tensor targets;  // [valid, LoaderOptions::targets] float64; of a category its code, NaN missing
    // Of LoaderOptions::beside, each as the field's shape and dtype; their memory is as that of `inputs`.
    std::vector<at::Tensor> beside;
    at::Tensor site;         // [valid] int64: code in the manifest's names, -1 missing
    at::Tensor vendor;       // [valid] int64
    at::Tensor patient;      // [valid, 16] uint8: pseudonyms
    at::Tensor sample;       // [valid] int64: number in the dataset, of several through all
    at::Tensor which;        // [valid] int64: the how many-th of it in the epoch
    std::int64_t valid = 0;  // batch_size, or less in the last step of Tail::keep (0 if none is left for us)
    std::int64_t step = 0;   // in the epoch
};

// RawLoader's batches as tensors, without a copy of the inputs. Epochs are entered at a step.
//   Loader loader(dataset, options);
//   loader.begin_epoch(epoch, first_step);
//   while (auto batch = loader.next()) ...
class Loader {
public:
    // As RawLoader.
    Loader(const Dataset& dataset, LoaderOptions options);

    std::int64_t steps_per_epoch() const noexcept { return raw_.steps_per_epoch(); }
    std::int64_t samples() const noexcept { return raw_.samples(); }            // of an epoch, over all ranks
    std::int64_t global_batch() const noexcept { return raw_.global_batch(); }  // ranks x batch_size
    const Draws* draws() const noexcept { return raw_.draws(); }                // null without balance
    std::vector<std::int64_t> input_shape() const {
        return raw_.shape();
    }  // of a sample in a batch; empty if each has its own
    std::int64_t classes() const noexcept {
        return raw_.label() ? static_cast<std::int64_t>(raw_.label()->names.size()) : 0;
    }  // of the label; 0 if it is no category

    // Starts reading ahead. With first_step a run resumes in the middle of an epoch, exactly as if it had not
    // stopped; what an earlier epoch has left is dropped.
    void begin_epoch(std::int64_t epoch, std::int64_t first_step = 0);

    // The next batch, or nothing at the end of the epoch. Throws Error(data) that names file, dataset and
    // sample if a byte of it was changed; Error(usage) before begin_epoch.
    std::optional<Batch> next();

private:
    RawLoader raw_;
    std::vector<std::int64_t> first_;  // of each dataset, its first sample's number
};

}  // namespace trainer
