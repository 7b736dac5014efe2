#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "trainer/loader/balance_options.h"
#include "trainer/loader/dataset.h"
#include "trainer/loader/inputs.h"

namespace trainer {

enum class Order {
    shuffled,  // anew in every epoch: training
    stored,    // as written: validation
};

// What becomes of the samples that do not fill a last step.
enum class Tail {
    drop,  // training: every step has the same size (which samples are left out differs by epoch)
    keep,  // validation: every sample counts exactly once; the last step is spread evenly over the ranks
};

struct LoaderOptions {
    std::string split = "train";
    std::string field;                 // "" if the dataset has only one
    std::string label = "label";       // a column; "" for none
    std::vector<std::string> targets;  // more columns of the same samples, as numbers; none holds pseudonyms
    std::int64_t batch_size = 32;      // per rank
    // Over all ranks; a step's samples are spread evenly where they do not divide. 0: ranks x batch_size.
    std::int64_t global_batch = 0;
    int rank = 0, ranks = 1;
    std::uint64_t seed = 0;
    Order order = Order::shuffled;
    Tail tail = Tail::drop;
    std::optional<Normalise> normalise;  // none: the field's own dtype
    std::optional<Crop> crop;            // none: whole samples
    std::int64_t per_sample = 1;         // how often an epoch has each sample, each time cropped anew
    BalanceOptions balance;  // none: each sample equally often; else by Draws, of a shuffled training split
    // More fields of the same samples: a mask of the image. As stored; cropped where `field` is.
    std::vector<std::string> beside;
    int threads = 0;  // that read ahead and decrypt; 0: reader_threads()
    MemoryHook memory_hook;
};

// Samples in memory. That of fields belongs to the loader and is used again when the last owner lets go, also after
// the loader has died: copy what must live long.
struct RawBatch {
    RawArray inputs;
    std::vector<RawArray> beside;  // in the order of LoaderOptions::beside
    std::vector<std::int64_t>
        origin;  // [valid, dimensions of the crop]: where in its sample each begins (Cut)
    // [valid] each. Of a label that is a number `number`, of every other (and of none) `label`; empty without one.
    std::vector<std::int64_t> label, site,
        vendor;  // of a category its code in the manifest's names, -1 missing
    std::vector<double> number;
    std::vector<double> targets;       // [valid, LoaderOptions::targets]; of a category its code, NaN missing
    std::vector<core::Id16> patient;   // pseudonyms
    std::vector<std::int64_t> sample;  // number in its dataset
    std::vector<std::int64_t> dataset;  // which of the loader's, from 0
    std::vector<std::int64_t> which;    // the how many-th of it in the epoch (LoaderOptions::per_sample)
    std::int64_t valid = 0;  // samples; fewer in the last step of Tail::keep (0 if none is left for us)
    std::int64_t step = 0;   // in the epoch
    std::int64_t next = 0;   // sample of the epoch that the step after this one begins with: where to resume
};

class Draws;

// Batches of one split for one rank. The order of samples is a function of (seed, epoch) only: step s of any
// number of ranks takes the same samples of it, rank after rank. Every rank has the same number of steps. A
// batch is handed out only when every byte in it is authenticated.
// Not collective; one thread calls it.
//   RawLoader loader(dataset, options);
//   loader.begin_epoch(epoch, first_sample);
//   while (auto batch = loader.next()) ...
class RawLoader {
public:
    // Throws Error(usage) if the split, field, label or a target does not exist, if the split has no samples (or, with
    // Tail::drop, not enough for one step), if samples that differ in shape are asked for with more than one
    // per rank and no crop, or balance in stored order, or of a split that is judged, or as Draws says.
    // `dataset` must outlive the loader.
    RawLoader(const Dataset& dataset, LoaderOptions options);
    // Of several datasets, one after the other, as of one: join says which fit together.
    RawLoader(const std::vector<const Dataset*>& datasets, LoaderOptions options);
    RawLoader(const RawLoader&) = delete;
    RawLoader& operator=(const RawLoader&) = delete;
    ~RawLoader();

    std::int64_t steps_per_epoch() const noexcept;  // of an epoch that begins at its first sample
    // Of an epoch, over all ranks: per_sample times the split's, but for Draws by weights.
    std::int64_t samples() const noexcept;
    const Draws* draws() const noexcept;  // null without balance
    std::int64_t global_batch() const noexcept;
    const core::Field& field() const noexcept;
    const core::Schema& schema() const noexcept;   // whose names are what a batch's codes stand for
    std::vector<std::int64_t> shape() const;       // of a sample in a batch; empty if each has its own
    const core::Column* label() const noexcept;    // null without one
    std::size_t crop_dimensions() const noexcept;  // 0 without a crop
    std::size_t targets() const noexcept;          // how many columns

    // Starts reading ahead. Nothing but (seed, epoch, first_sample) decides what comes: a run resumes in the
    // middle of an epoch as if it had not stopped, on any number of ranks and with any batch. What an earlier
    // epoch has left is dropped. Throws Error(usage) unless 0 <= first_sample <= samples().
    void begin_epoch(std::int64_t epoch, std::int64_t first_sample = 0);

    // The next batch, or nothing at the end of the epoch. Throws Error(data) that names file, dataset and
    // sample if a byte of it was changed; Error(usage) before begin_epoch.
    std::optional<RawBatch> next();

private:
    class Work;
    std::unique_ptr<Work> work_;
};

}  // namespace trainer
