#pragma once
#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "core/mpi/comm.h"
#include "trainer/data/loader.h"
#include "trainer/engine/watch.h"

namespace trainer {

// A loader of all samples of a split, each once, in the order in which they lie, shared by the ranks. The rest is the
// caller's: the field, columns, how many at a time.
inline LoaderOptions each_once(const std::string& split, const std::string& field, std::int64_t batch,
                               const core::Comm& comm) {
    LoaderOptions options;
    options.split = split;
    options.field = field;
    options.label = "";
    options.batch_size = batch;
    options.rank = comm.rank();
    options.ranks = comm.size();
    options.order = Order::stored;
    options.tail = Tail::keep;
    return options;
}

// Collective: after each batch all ranks ask whether to go on, and get the same answer. `failed`: this rank cannot.
using GoOn = std::function<bool(bool failed)>;

// Collective. Once over the loader's first `steps` steps (the loader has begun its epoch), `work` on each batch. Every
// rank takes as many steps, so that all leave off after the same one. False if `go_on` said so and no rank had failed;
// without `go_on` the pass is always whole. Throws AgreedError if a rank could not read or work.
template <class Work>
bool pass(Loader& loader, std::int64_t steps, const core::Comm& comm, const GoOn& go_on, Work&& work) {
    std::optional<core::Error> trouble;
    bool is_whole = true;
    for (std::int64_t step = 0; step < std::min(steps, loader.steps_per_epoch()) && is_whole; ++step) {
        try {
            const auto batch = loader.next();
            if (!batch) throw core::Error(core::Fault::bug, "an epoch ended before its last step");
            Watch::tick();
            work(*batch);
        } catch (...) {
            trouble = core::caught();
        }
        is_whole = go_on ? go_on(trouble.has_value()) : !trouble;
    }
    core::agree(comm, trouble);
    return is_whole;
}

}  // namespace trainer
