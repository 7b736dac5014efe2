#include "trainer/engine/predict.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cstring>

#include "trainer/data/loader.h"
#include "trainer/engine/flips.h"
#include "trainer/engine/process.h"
#include "trainer/engine/torch_error.h"
#include "trainer/engine/watch.h"
#include "trainer/engine/windows.h"

namespace trainer {
namespace {

// One sample on its way to rank 0, followed by the doubles of Task::rows.
struct Row {
    std::int64_t sample;
    std::uint64_t patient;
    std::int32_t site, vendor;
};

void append(core::Bytes& out, const void* data, std::size_t bytes) {
    const auto* first = static_cast<const std::uint8_t*>(data);
    out.insert(out.end(), first, first + bytes);
}

at::Tensor scores_of(Model& model, const at::Tensor& samples, const PredictOptions& options) {
    // Always the same shape, filled up with zeros: kernels may round differently by size, and what a model says of a
    // sample must not depend on how many ranks there are.
    std::vector<std::int64_t> shape = samples.sizes().vec();
    shape[0] = options.batch;
    at::Tensor inputs = at::zeros(shape, samples.options());
    inputs.narrow(0, 0, samples.size(0)).copy_(samples);
    const c10::Device device = model.parameters()[0].tensor.device();
    const Autocast autocast(options.precision, device.type());
    return model.forward(inputs.to(device), Mode::evaluate);
}

// This rank's rows; nothing if the pass was left off.
std::optional<core::Bytes> predict_mine(Model& model, const Task& task, const Dataset& dataset,
                                        const PredictOptions& options, const core::Comm& comm) {
    LoaderOptions loading =
        each_once(options.split, options.field, options.patch.is_on() ? 1 : options.batch, comm);
    task.ask_measured(loading);
    std::optional<Loader> loader;
    core::together(comm, [&] {
        loader.emplace(dataset, loading);
        loader->begin_epoch(0);
    });
    const std::size_t row_size = task.row_size();
    const auto flips = flip_dimensions(options.flips, model.input().shape);
    const RowOptions rows{options.has_surfaces, !flips.empty(), Watch::alive};
    core::Bytes out;
    const auto look = [&](const Batch& batch) {
        if (batch.valid == 0) return;
        const at::Tensor target = task.target(batch);
        const at::Tensor said =
            mean_over_flips(batch.inputs, flips, model.input().is_dense, [&](const at::Tensor& inputs) {
                const at::Tensor scores =
                    options.patch.is_on()
                        ? window_scores(model, inputs, options.patch, options.batch, options.precision)
                        : scores_of(model, inputs, options);
                return rows.is_said ? task.said(model, scores) : scores;
            });
        const at::Tensor told = task.rows(model, said, target, batch, rows).contiguous();
        const auto* numbers = told.const_data_ptr<double>();
        const auto unusable = task.first_unusable(target);
        const auto integers = [](const at::Tensor& tensor) { return tensor.const_data_ptr<std::int64_t>(); };
        const std::int64_t *samples = integers(batch.sample), *sites = integers(batch.site),
                           *vendors = integers(batch.vendor);
        const auto* patients = batch.patient.const_data_ptr<std::uint8_t>();
        for (std::int64_t i = 0; i < batch.valid; ++i) {
            Row row{samples[i], 0, static_cast<std::int32_t>(sites[i]),
                    static_cast<std::int32_t>(vendors[i])};
            // Half of the pseudonym tells patients apart well enough, and stays in memory only.
            std::memcpy(&row.patient, patients + i * batch.patient.size(1), sizeof row.patient);
            if (i == unusable)
                throw core::Error(core::Fault::data, "sample " + std::to_string(row.sample) + " of split " +
                                                         options.split + " has no label that the task knows");
            append(out, &row, sizeof row);
            append(out, numbers + static_cast<std::size_t>(i) * row_size, row_size * sizeof(double));
        }
    };
    const bool is_whole =
        pass(*loader, loader->steps_per_epoch(), comm, options.go_on,
             [&](const Batch& batch) { with_torch_errors("split " + options.split, [&] { look(batch); }); });
    if (!is_whole) return std::nullopt;
    return out;
}

}  // namespace

std::optional<Predictions> predict(Model& model, const Task& task, const Dataset& dataset,
                                   const PredictOptions& options, const core::Comm& comm) {
    const at::NoGradGuard off;
    const FixedAlgorithms fixed;
    const auto mine = predict_mine(model, task, dataset, options, comm);
    if (!mine) return std::nullopt;
    const std::vector<core::Bytes> all = comm.gather(*mine);

    Predictions out;
    if (!comm.is_root()) return out;
    std::vector<double> numbers(task.row_size());
    const std::size_t stride = sizeof(Row) + numbers.size() * sizeof(double);
    std::vector<std::pair<std::int64_t, const std::uint8_t*>> rows;
    for (const core::Bytes& bytes : all)
        for (std::size_t at = 0; at < bytes.size(); at += stride) {
            std::int64_t sample = 0;
            std::memcpy(&sample, bytes.data() + at, sizeof sample);
            rows.emplace_back(sample, bytes.data() + at);
        }
    std::sort(rows.begin(), rows.end());
    for (std::size_t i = 1; i < rows.size(); ++i)
        if (rows[i].first == rows[i - 1].first)
            throw core::Error(core::Fault::bug, "a sample was evaluated twice");
    if (static_cast<std::int64_t>(rows.size()) != dataset.samples(options.split))
        throw core::Error(core::Fault::bug, "a sample was not evaluated");
    out.task = task.options().name;
    out.classes = task.outputs();
    for (const char* name : {"site", "vendor"})  // which every dataset may have, and none must
        if (dataset.schema().has_column(name))
            out.strata.push_back({name, category_names(dataset.schema(), name), {}});
    for (const auto& [sample, bytes] : rows) {
        Row row;
        std::memcpy(&row, bytes, sizeof row);
        std::memcpy(numbers.data(), bytes + sizeof row, stride - sizeof row);
        task.add(out, numbers);
        out.patient.push_back(row.patient);
        for (Predictions::Stratum& stratum : out.strata)
            stratum.code.push_back(stratum.name == "site" ? row.site : row.vendor);
    }
    return out;
}

bool has_samples(const Dataset& dataset, const std::string& split) {
    return dataset.samples(split) > 0;
}

}  // namespace trainer
