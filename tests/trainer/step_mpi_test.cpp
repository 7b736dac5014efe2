#include "trainer/engine/step.h"

#include <ATen/ATen.h>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>

#include <catch2/catch.hpp>
#include <cmath>

#include "trainer/engine/agreement.h"
#include "trainer/engine/group.h"

using namespace trainer;
using core::Comm;

namespace {

constexpr std::int64_t kSamples = 16, kMicroBatches = 4;

struct Run {
    std::unique_ptr<Task> task;
    std::unique_ptr<Model> model;
    std::unique_ptr<Optimizer> optimizer;
    std::unique_ptr<Gradients> gradients;
    std::unique_ptr<Step> step;
    at::Tensor inputs, labels;  // this rank's

    Run(const Comm& comm, std::int64_t micro_batches, bool ordered,
        Precision precision = Precision::float32) {
        core::Schema schema;
        schema.columns = {{"label", core::ColumnType::category, {"a", "b", "c"}}};
        TaskOptions of;
        of.loss.name = "cross_entropy";
        task = make_task(of, schema);
        model = make_model(core::Config::parse("name = \"mlp\"\nhidden = [8]\ndropout = 0.0", "test"),
                           {{5}, 3}, 1);
        OptimizerOptions options;
        options.name = "sgd";  // no clipping, no momentum: the update is the gradient
        options.momentum = options.weight_decay = options.clip = 0;
        optimizer = std::make_unique<Optimizer>(model->parameters(), options);
        std::vector<at::Tensor> parameters, buffers;
        for (const auto& each : model->parameters()) parameters.push_back(each.tensor);
        for (const auto& each : model->buffers()) buffers.push_back(each.tensor);
        const std::int64_t mine = micro_batches / comm.size();
        gradients = (ordered ? ordered_gradients : overlapped_gradients)(
            parameters, buffers, make_group(comm, at::kCPU), static_cast<int>(mine));
        step = std::make_unique<Step>(*model, *task, *optimizer, *gradients,
                                      StepOptions{1, mine, mine * comm.rank(), precision});
        at::manual_seed(3);
        const std::int64_t share = kSamples / comm.size();
        inputs = at::randn({kSamples, 5}).narrow(0, comm.rank() * share, share).clone();
        labels = at::randint(3, {kSamples}, at::kLong).narrow(0, comm.rank() * share, share).clone();
    }
    at::Tensor flat() const {
        std::vector<at::Tensor> all;
        for (const auto& each : model->parameters()) all.push_back(each.tensor.detach().flatten());
        return at::cat(all).clone();
    }
};

bool always(double, double) {
    return true;
}

}  // namespace

TEST_CASE("a step moves by the mean gradient of all samples, whatever ranks and micro-batches there are") {
    const Comm comm(MPI_COMM_WORLD), alone(MPI_COMM_SELF);
    const bool ordered = GENERATE(false, true);
    Run many(comm, kMicroBatches, ordered), whole(alone, 1, false);
    const at::Tensor before = whole.flat();
    REQUIRE(many.step->accumulate(many.inputs, many.labels, 0));
    const auto [loss, norm] = many.step->update(0.5, always);
    REQUIRE(whole.step->accumulate(whole.inputs, whole.labels, 0));
    const auto [expected_loss, expected_norm] = whole.step->update(0.5, always);
    CHECK(norm == Approx(expected_norm).epsilon(1e-5));
    CHECK(at::allclose(many.flat(), whole.flat(), 1e-5, 1e-7));
    CHECK((whole.flat() - before).norm().item<double>() == Approx(0.5 * expected_norm).epsilon(1e-4));
    double sum = 0;
    MPI_Allreduce(&loss, &sum, 1, MPI_DOUBLE, MPI_SUM, comm.get());
    CHECK(sum / comm.size() == Approx(expected_loss).epsilon(1e-5));
}

TEST_CASE("what one rank alone sees as not finite, no rank moves by") {
    const Comm comm(MPI_COMM_WORLD);
    Agreement agreement(comm);
    Run run(comm, kMicroBatches, false);
    const at::Tensor before = run.flat();
    run.step->accumulate(run.inputs, run.labels, 0);
    if (comm.rank() == comm.size() - 1) run.model->parameters()[0].tensor.mutable_grad().fill_(NAN);
    bool moved = true;
    run.step->update(0.5, [&](double, double norm) {
        return moved = !(agreement.reach(std::isfinite(norm) ? 0 : unsigned{Agreement::kNotFinite}) &
                         Agreement::kNotFinite);
    });
    CHECK_FALSE(moved);
    CHECK(at::equal(run.flat(), before));
    CHECK(run.optimizer->steps() == 0);
    run.step->accumulate(run.inputs, run.labels, 1);  // and the next step is as any
    CHECK(std::isfinite(run.step->update(0.5, always).norm));
    CHECK_FALSE(at::equal(run.flat(), before));
}

TEST_CASE("a step that is left between micro-batches has changed nothing") {
    const Comm comm(MPI_COMM_WORLD);
    Run run(comm, 2 * kMicroBatches, false);
    const at::Tensor before = run.flat();
    int asked = 0;
    CHECK_FALSE(run.step->accumulate(run.inputs, run.labels, 0, [&] { return ++asked < 2; }));
    CHECK(asked == 2);
    CHECK(at::equal(run.flat(), before));
}

TEST_CASE("bf16 computes in bfloat16, near float32") {
    const Comm comm(MPI_COMM_WORLD);
    Run exact(comm, kMicroBatches, false), half(comm, kMicroBatches, false, Precision::bf16);
    exact.step->accumulate(exact.inputs, exact.labels, 0);
    half.step->accumulate(half.inputs, half.labels, 0);
    const double one = exact.step->update(0.5, always).loss, other = half.step->update(0.5, always).loss;
    CHECK(one != other);
    CHECK(other == Approx(one).epsilon(0.02));
}
