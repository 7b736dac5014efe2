#include "trainer/engine/standardise.h"

#include <ATen/ATen.h>

#include "trainer/data/loader.h"
#include "trainer/engine/exact_sum.h"

namespace trainer {
namespace {

struct Moments {
    ExactSum sum, squares, count;
};

void add(std::vector<Moments>& moments, const at::Tensor& inputs) {
    if (inputs.size(0) == 0) return;  // the last step's end, on a rank for which nothing is left
    const auto channels = static_cast<std::int64_t>(moments.size());
    const at::Tensor x = inputs.to(at::kFloat).contiguous().view({inputs.size(0), channels, -1});
    const auto* value = x.const_data_ptr<float>();
    for (std::int64_t i = 0; i < x.size(0); ++i)
        for (Moments& channel : moments)
            for (std::int64_t j = 0; j < x.size(2); ++j, ++value) {
                if (!std::isfinite(*value)) continue;
                const double v = *value;
                channel.sum.add(v);
                channel.squares.add(v * v);  // exact: 24 bits squared
                channel.count.add(1);
            }
}

}  // namespace

bool standardise(Model& model, const Dataset& dataset, const Recipe& recipe, const core::Comm& comm,
                 const GoOn& go_on, std::int64_t largest) {
    std::vector<Moments> moments(static_cast<std::size_t>(model.channels()));
    std::optional<Loader> loader;
    core::together(comm, [&] {
        LoaderOptions options;
        options.split = "train";
        options.field = recipe.data.field;
        options.label = "";
        options.batch_size = recipe.evaluate.batch;
        options.rank = comm.rank();
        options.ranks = comm.size();
        options.order = Order::stored;
        options.tail = Tail::keep;
        loader.emplace(dataset, options);
        loader->begin_epoch(0);
    });
    const bool all = loader->samples() <= 2 * largest;
    const std::int64_t global = loader->global_batch();
    const std::int64_t steps = all ? loader->steps_per_epoch() : (largest + global - 1) / global;
    const bool is_whole = pass(*loader, steps, comm, go_on, [&](const Batch& batch) {
        if (all) return add(moments, batch.inputs);
        // Far from the end every step is whole: rank after rank takes batch_size samples.
        const std::int64_t first = batch.step * global + comm.rank() * recipe.evaluate.batch;
        if (first < largest) add(moments, batch.inputs.narrow(0, 0, std::min(batch.valid, largest - first)));
    });
    if (!is_whole) return false;
    std::vector<double> mean, scale;
    for (Moments& channel : moments) {
        for (ExactSum* sum : {&channel.sum, &channel.squares, &channel.count})
            core::check_mpi(MPI_Allreduce(MPI_IN_PLACE, sum->bins().data(), static_cast<int>(ExactSum::kBins),
                                          MPI_INT64_T, MPI_SUM, comm.get()),
                            "add up the features' sums");
        const double count = std::max(channel.count.value(), 1.0);
        const long double m = static_cast<long double>(channel.sum.value()) / count;
        const auto variance =
            static_cast<double>(channel.squares.value() / static_cast<long double>(count) - m * m);
        mean.push_back(static_cast<double>(m));
        // Below that there is nothing but rounding in it.
        const bool constant = variance <= 1e-12 * static_cast<double>(m * m);
        scale.push_back(constant ? 1 : 1 / std::sqrt(variance));
    }
    model.set_standardisation(mean, scale);
    return true;
}

}  // namespace trainer
