// Both ways to make the gradients of all ranks one, on a small network of plain tensors.
#include "trainer/engine/gradients.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>

#include <catch2/catch.hpp>

#include "trainer/engine/group.h"

using namespace trainer;
using core::Comm;

namespace {

constexpr std::int64_t kSamples = 16, kMicroBatches = 4;

struct Net {
    std::vector<at::Tensor> parameters;

    explicit Net(at::ScalarType type, std::int64_t seed = 1) {
        at::manual_seed(static_cast<std::uint64_t>(seed));
        for (const auto& shape :
             std::vector<std::vector<std::int64_t>>{{6, 1, 3, 3}, {6}, {10, 6 * 36}, {10}})
            parameters.push_back((at::randn(shape, type) * 0.3).requires_grad_());
    }
    // Mean cross-entropy of samples [first, first + count).
    at::Tensor loss(std::int64_t first, std::int64_t count) const {
        at::manual_seed(7);
        const auto x =
            at::randn({kSamples, 1, 8, 8}, parameters[0].scalar_type()).narrow(0, first, count).clone();
        const auto y = at::randint(10, {kSamples}, at::kLong).narrow(0, first, count).clone();
        const auto hidden = at::relu(at::conv2d(x, parameters[0], parameters[1])).flatten(1);
        return at::cross_entropy_loss(at::linear(hidden, parameters[2], parameters[3]), y);
    }
    at::Tensor flat_grad() const {
        std::vector<at::Tensor> all;
        for (const auto& parameter : parameters) all.push_back(parameter.grad().flatten());
        return at::cat(all);
    }
    void descend() {
        const at::NoGradGuard off;
        for (auto& parameter : parameters) parameter.sub_(parameter.grad(), 0.05);
    }
};

using Make = std::unique_ptr<Gradients> (*)(std::vector<at::Tensor>, std::vector<at::Tensor>,
                                            c10::intrusive_ptr<c10d::ProcessGroup>, int);

// Trains three steps on this rank's part of the samples; the gradients of each.
std::vector<at::Tensor> train(const Comm& comm, Make make, Net& net) {
    const std::int64_t mine = kMicroBatches / comm.size(), size = kSamples / kMicroBatches;
    const auto gradients = make(net.parameters, {}, make_group(comm, at::kCPU), static_cast<int>(mine));
    std::vector<at::Tensor> all;
    for (int step = 0; step < 3; ++step) {
        for (std::int64_t i = 0; i < mine; ++i) {
            const Last last = i + 1 == mine ? Last::yes : Last::no;
            gradients->before_forward(last);
            const auto loss = net.loss((comm.rank() * mine + i) * size, size) * gradients->loss_scale();
            gradients->before_backward(last);
            loss.backward();
            gradients->after_backward();
        }
        gradients->finish();
        all.push_back(net.flat_grad().clone());
        net.descend();
    }
    return all;
}

bool equal_on_all_ranks(const Comm& comm, const at::Tensor& tensor) {
    const auto bytes = tensor.contiguous();
    core::Bytes first(static_cast<const std::uint8_t*>(bytes.data_ptr()),
                      static_cast<const std::uint8_t*>(bytes.data_ptr()) + bytes.nbytes());
    const core::Bytes mine = first;
    comm.broadcast(first);
    return comm.sum(first == mine ? 0 : 1) == 0;
}

}  // namespace

TEST_CASE("gradients are bit-equal on all ranks, whatever each rank started with") {
    const Comm comm(MPI_COMM_WORLD);
    const Make make = GENERATE(&overlapped_gradients, &ordered_gradients);
    Net net(at::kFloat, comm.rank() + 1);  // the first broadcast makes them rank 0's
    for (const auto& gradient : train(comm, make, net)) CHECK(equal_on_all_ranks(comm, gradient));
    for (const auto& parameter : net.parameters) CHECK(equal_on_all_ranks(comm, parameter.detach()));
}

TEST_CASE("in float64 many ranks equal one process with the whole batch") {
    const Comm comm(MPI_COMM_WORLD);
    const Make make = GENERATE(&overlapped_gradients, &ordered_gradients);
    Net net(at::kDouble), whole(at::kDouble);
    for (const auto& gradient : train(comm, make, net)) {
        for (auto& parameter : whole.parameters) parameter.mutable_grad().reset();
        whole.loss(0, kSamples).backward();
        const auto expected = whole.flat_grad();
        CHECK(((gradient - expected).norm() / expected.norm()).item<double>() < 1e-12);
        whole.descend();
    }
}

TEST_CASE("ordered gradients have the same bits on any number of ranks") {
    const Comm comm(MPI_COMM_WORLD);
    const Comm alone(MPI_COMM_SELF);
    at::set_num_threads(1);
    Net net(at::kFloat), single(at::kFloat);
    const auto many = train(comm, &ordered_gradients, net);
    const auto one = train(alone, &ordered_gradients, single);
    for (std::size_t step = 0; step < many.size(); ++step) CHECK(at::equal(many[step], one[step]));
    CHECK(many[0].abs().sum().item<float>() > 0);
}
