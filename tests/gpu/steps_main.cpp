// gpu_steps CONFIG: the trainer's steps on one batch that stays in memory, on a GPU where there is one. CONFIG is TOML:
//   [model]          as in a recipe
//   [run]            shape = [1, 224, 224], classes = 3, batch = 256, steps = 40, precision = "bf16", rate = 0.001,
//                    tensors = FILE (weights and batch as the run begins, safetensors), trace = FILE (kineto's, of the
//                    last five steps; "" for none)
// Prints one JSON object: device, losses and seconds of each step. The same steps by plain PyTorch: peer.py.
#include <ATen/ATen.h>
#include <torch/csrc/autograd/profiler_kineto.h>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>

#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>

#include "core/base/files.h"
#include "core/mpi/comm.h"
#include "trainer/engine/group.h"
#include "trainer/engine/process.h"
#include "trainer/engine/recipe.h"
#include "trainer/engine/step.h"
#include "trainer/model/safetensors.h"

namespace {

using namespace trainer;
namespace profiler = torch::autograd::profiler;

void begin_trace() {
    const torch::profiler::impl::ProfilerConfig config(torch::profiler::impl::ProfilerState::KINETO);
    const std::set<torch::profiler::impl::ActivityType> what{torch::profiler::impl::ActivityType::CPU,
                                                             torch::profiler::impl::ActivityType::CUDA};
    profiler::prepareProfiler(config, what);
    profiler::enableProfiler(config, what);
}

void run(const core::Config& file, const core::Comm& comm) {
    const core::Config run = file.table("run");
    const auto classes = run.integer_or("classes", 3), batch = run.integer_or("batch", 256),
               steps = run.integer_or("steps", 40);
    const std::string tensors = run.text_or("tensors", ""), trace = run.text_or("trace", "");
    const Precision precision = precision_of(run);
    std::vector<std::int64_t> shape = run.integers("shape");
    prepare_process(false, precision, 0, comm);
    const c10::Device device = choose_device(comm, "auto");
    const auto model = make_model(file.table("model"), {shape, classes}, 1);
    core::Schema schema;
    schema.columns = {{"label", core::ColumnType::category, {}}};
    for (std::int64_t i = 0; i < classes; ++i) schema.columns[0].names.push_back(std::to_string(i));
    TaskOptions of;
    of.loss.name = "cross_entropy";
    const auto task = make_task(of, schema);
    shape.insert(shape.begin(), batch);
    at::manual_seed(2);
    const at::Tensor images = at::randint(255, shape, at::kByte);
    const at::Tensor labels = at::randint(classes, {batch}, at::kLong);
    model->set_standardisation(std::vector<double>(static_cast<std::size_t>(model->channels()), 127),
                               std::vector<double>(static_cast<std::size_t>(model->channels()), 1 / 74.));
    if (!tensors.empty()) {
        TensorFile out{model->state(), {}};
        out.tensors.push_back({"images", images});
        out.tensors.push_back({"labels", labels});
        write_safetensors(tensors, out);
    }
    model->to(device);
    Optimizer optimizer(model->parameters(), OptimizerOptions{});
    std::vector<at::Tensor> parameters, buffers;
    for (const auto& each : model->parameters()) parameters.push_back(each.tensor);
    for (const auto& each : model->buffers()) buffers.push_back(each.tensor);
    const auto gradients = overlapped_gradients(parameters, buffers, make_group(comm, device), 1);
    Step step(*model, *task, optimizer, *gradients, {1, 1, 0, precision});
    const at::Tensor there = images.to(device);
    std::vector<double> losses, seconds;
    for (std::int64_t i = 0; i < steps; ++i) {
        if (!trace.empty() && i == steps - 5) begin_trace();
        const auto start = std::chrono::steady_clock::now();
        step.accumulate(there, labels, i);
        losses.push_back(step.update(run.number_or("rate", 0.001), [](double, double) { return true; }).loss);
        seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    if (!trace.empty()) profiler::disableProfiler()->save(trace);
    std::cout
        << nlohmann::ordered_json{{"device", device.str()}, {"losses", losses}, {"seconds", seconds}}.dump()
        << '\n';
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    int provided = 0;
    MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided);
    try {
        run(core::Config::load(argv[1]), core::Comm(MPI_COMM_WORLD));
    } catch (const std::exception& e) {
        std::cerr << "gpu_steps: " << e.what() << '\n';
        MPI_Abort(MPI_COMM_WORLD, 1);
    }
    MPI_Finalize();
}
