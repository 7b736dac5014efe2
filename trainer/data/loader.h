#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "trainer/data/dataset.h"

namespace trainer {

enum class Order {
    shuffled,  // anew in every epoch: training
    stored,    // as written: validation
};

// What becomes of the samples that do not fill a last step of ranks x batch_size.
enum class Tail {
    drop,  // training: every step has the same size (which samples are left out differs by epoch)
    keep,  // validation: every sample counts exactly once; the last step is spread evenly over the ranks
};

// float32 = value * scale + offset; one entry for all channels, or one per channel (first dimension).
struct Normalise {
    std::vector<float> scale{1.0F}, offset{0.0F};
};

struct LoaderOptions {
    std::string split = "train";
    std::string field;             // "" if the dataset has only one
    std::string label = "label";   // a column; "" for none
    std::int64_t batch_size = 32;  // per rank
    int rank = 0, ranks = 1;
    std::uint64_t seed = 0;
    Order order = Order::shuffled;
    Tail tail = Tail::drop;
    std::optional<Normalise> normalise;  // none: the field's own dtype
    int threads = 1;                     // that read ahead and decrypt
};

// The memory of `inputs` belongs to the loader and is used again when the last tensor that refers to it is
// gone: keep a clone, not the tensor, of what must live long.
struct Batch {
    at::Tensor inputs;       // [valid, ...] as the field's shape; its dtype, or float32 if normalised
    at::Tensor labels;       // [valid] int64 (category or i64 column) or float64; undefined without a label
    at::Tensor site;         // [valid] int64: code in the manifest's names, -1 missing
    at::Tensor vendor;       // [valid] int64
    at::Tensor patient;      // [valid, 16] uint8: pseudonyms
    at::Tensor sample;       // [valid] int64: number in the dataset
    std::int64_t valid = 0;  // batch_size, or less in the last step of Tail::keep (0 if none is left for us)
    std::int64_t step = 0;   // in the epoch
};

// Batches of one split for one rank. The order of samples is a function of (seed, epoch) only: step s of any
// number of ranks takes the same ranks x batch_size samples of it, rank after rank. Every rank has the same
// number of steps. A batch is handed out only when every byte in it is authenticated.
// Not collective; one thread calls it.
//   Loader loader(dataset, options);
//   loader.begin_epoch(epoch, first_step);
//   while (auto batch = loader.next()) ...
class Loader {
public:
    // Throws Error(usage) if the split, field or label does not exist, if the split has no samples (or, with
    // Tail::drop, not enough for one step), or if a ragged field is asked for with batch_size other than 1.
    // `dataset` must outlive the loader.
    Loader(const Dataset& dataset, LoaderOptions options);
    Loader(const Loader&) = delete;
    Loader& operator=(const Loader&) = delete;
    ~Loader();

    std::int64_t steps_per_epoch() const noexcept;
    std::int64_t samples() const noexcept;          // of the split, over all ranks
    std::int64_t global_batch() const noexcept;     // ranks x batch_size
    std::vector<std::int64_t> input_shape() const;  // of one sample; empty if ragged
    std::int64_t classes() const noexcept;          // names of the label's categories; 0 if it is no category

    // Starts reading ahead. With first_step a run resumes in the middle of an epoch, exactly as if it had not
    // stopped; what an earlier epoch has left is dropped.
    void begin_epoch(std::int64_t epoch, std::int64_t first_step = 0);

    // The next batch, or nothing at the end of the epoch. Throws Error(data) that names file, dataset and
    // sample if a byte of it was changed; Error(usage) before begin_epoch.
    std::optional<Batch> next();

private:
    class Work;
    std::unique_ptr<Work> work_;
};

}  // namespace trainer
