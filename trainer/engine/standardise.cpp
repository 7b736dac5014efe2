#include "trainer/engine/standardise.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cfloat>
#include <cmath>

#include "core/base/event.h"
#include "trainer/data/exact_sum.h"
#include "trainer/data/loader.h"
#include "trainer/engine/watch.h"

namespace trainer {
namespace {

struct Sums {
    ExactSum sum, squares, count;
};

// 1 / standard deviation; 1 for what is constant: below that there is nothing but rounding in it.
double scale_for(double mean, double variance) {
    return variance <= 1e-12 * mean * mean ? 1 : 1 / std::sqrt(variance);
}

// Mean and variance as the manifest has them; why not, where it has none for this model.
struct Known {
    double mean = 0, variance = 0;
    const char* why_not = nullptr;
};

Known known(const Model& model, const Dataset& dataset, const std::string& field) {
    const auto& fields = dataset.schema().fields;
    if (model.channels() != 1) return {0, 0, "the manifest has one mean for all channels or features"};
    if (dataset.left_out("train") > 0) return {0, 0, "the manifest's moments are also of what is left out"};
    const auto moments = dataset.moments("train", field.empty() ? fields.front().name : field);
    if (!moments) return {0, 0, "the manifest has no moments of this split"};
    // What the batches of float32 cannot hold is missing there, and counted here.
    const bool fits = moments->count > 0 && std::isfinite(moments->mean) && std::isfinite(moments->squares) &&
                      std::max(std::abs(moments->least), std::abs(moments->greatest)) <= FLT_MAX;
    if (!fits) return {0, 0, "the manifest's moments exceed what a model computes with"};
    return {moments->mean, moments->squares / static_cast<double>(moments->count), nullptr};
}

// Collective. Whether the manifest was enough.
bool standardise_by_manifest(Model& model, const Dataset& dataset, const Recipe& recipe,
                             const core::Comm& comm) {
    std::array<double, 3> told{};  // mean, scale, whether they are known
    core::together(comm, [&] {
        if (!comm.is_root()) return;
        const Watch::Busy busy;
        const Known it = known(model, dataset, recipe.data.field);
        if (it.why_not)
            core::Event("info", "standardise_by_pass").with("text", it.why_not);
        else
            told = {it.mean, scale_for(it.mean, it.variance), 1};
    });
    core::check_mpi(MPI_Bcast(told.data(), static_cast<int>(told.size()), MPI_DOUBLE, 0, comm.get()),
                    "tell mean and deviation");
    if (told[2] == 0) return false;
    model.set_standardisation({told[0]}, {told[1]});
    return true;
}

void add(std::vector<Sums>& moments, const at::Tensor& inputs) {
    if (inputs.size(0) == 0) return;  // the last step's end, on a rank for which nothing is left
    const auto channels = static_cast<std::int64_t>(moments.size());
    const at::Tensor x = inputs.to(at::kFloat).contiguous().view({inputs.size(0), channels, -1});
    const auto* value = x.const_data_ptr<float>();
    for (std::int64_t i = 0; i < x.size(0); ++i)
        for (Sums& channel : moments)
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
    if (standardise_by_manifest(model, dataset, recipe, comm)) return true;
    std::vector<Sums> moments(static_cast<std::size_t>(model.channels()));
    std::optional<Loader> loader;
    core::together(comm, [&] {
        loader.emplace(dataset, each_once("train", recipe.data.field, recipe.whole_samples(), comm));
        loader->begin_epoch(0);
    });
    const bool all = loader->samples() <= 2 * largest;
    const std::int64_t global = loader->global_batch();
    const std::int64_t steps = all ? loader->steps_per_epoch() : (largest + global - 1) / global;
    const bool is_whole = pass(*loader, steps, comm, go_on, [&](const Batch& batch) {
        if (all) return add(moments, batch.inputs);
        // Far from the end every step is whole: rank after rank takes batch_size samples.
        const std::int64_t first = batch.step * global + comm.rank() * recipe.whole_samples();
        if (first < largest) add(moments, batch.inputs.narrow(0, 0, std::min(batch.valid, largest - first)));
    });
    if (!is_whole) return false;
    std::vector<double> mean, scale;
    for (Sums& channel : moments) {
        for (ExactSum* sum : {&channel.sum, &channel.squares, &channel.count})
            core::check_mpi(MPI_Allreduce(MPI_IN_PLACE, sum->bins().data(), static_cast<int>(ExactSum::kBins),
                                          MPI_INT64_T, MPI_SUM, comm.get()),
                            "add up the features' sums");
        const double count = std::max(channel.count.value(), 1.0);
        const long double m = static_cast<long double>(channel.sum.value()) / count;
        const auto variance =
            static_cast<double>(channel.squares.value() / static_cast<long double>(count) - m * m);
        mean.push_back(static_cast<double>(m));
        scale.push_back(scale_for(static_cast<double>(m), variance));
    }
    model.set_standardisation(mean, scale);
    return true;
}

}  // namespace trainer
