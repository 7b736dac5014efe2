// What differs on a GPU: run there by tests/gpu/check, in one process. Without a GPU the same sentences are tried on
// the CPU, those about kernels and copies are left out, and the run says so.
#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "trainer/engine/gradients.h"
#include "trainer/engine/group.h"
#include "trainer/engine/process.h"
#include "trainer/engine/torch_error.h"
#include "trainer/engine/upload.h"
#include "trainer/model/group_norm.h"
#include "trainer/model/group_norm_cuda.h"
#include "trainer/model/max_pool.h"
#include "trainer/model/model.h"

using namespace trainer;
using core::Comm;

namespace {

bool has_gpu() {
    return at::hasCUDA() && at::getNumGPUs() > 0;
}

// Where a sentence needs a GPU and there is none: said, so that nobody takes it for tried.
bool lacks_gpu() {
    if (!has_gpu()) WARN("left out: no GPU");
    return !has_gpu();
}

c10::Device device() {
    return has_gpu() ? c10::Device(at::kCUDA, 0) : c10::Device(at::kCPU);
}

double distance(const at::Tensor& out, const at::Tensor& reference) {
    const auto to = [](const at::Tensor& x) { return x.to(at::kCPU, at::kDouble); };
    return ((to(out) - to(reference)).norm() / to(reference).norm()).item<double>();
}

bool is_same(const at::Tensor& a, const at::Tensor& b) {
    return at::equal(a.to(at::kCPU), b.to(at::kCPU));
}

// A norm's results and gradients, of a loss that weighs every value of it differently.
struct Outcome {
    at::Tensor y, x, weight, bias, other;
};
Outcome norm_of(decltype(&group_norm) norm, const at::Tensor& x, const at::Tensor& weight,
                const at::Tensor& bias, const at::Tensor& other, Relu relu, const at::Tensor& weights) {
    const auto leaf = [](const at::Tensor& tensor) { return tensor.detach().clone().requires_grad_(); };
    const at::Tensor a = leaf(x), w = leaf(weight), b = leaf(bias), o = other.defined() ? leaf(other) : other;
    const at::Tensor y = norm(a, 8, w, b, o, relu);
    (y.to(at::kFloat) * weights).sum().backward();
    return {y.detach(), a.grad(), w.grad(), b.grad(), o.defined() ? o.grad() : o};
}

}  // namespace

TEST_CASE("a rank takes the one GPU that it sees, whatever its number on the node is") {
    if (lacks_gpu()) return;
    setenv("OMPI_COMM_WORLD_LOCAL_RANK", "3", 1);
    setenv("SLURM_LOCALID", "3", 1);
    const Comm comm(MPI_COMM_WORLD);
    for (const char* wanted : {"auto", "cuda"})
        CHECK(choose_device(comm, wanted) == c10::Device(at::kCUDA, 0));
}

TEST_CASE("collectives carry every type and layout whole") {
    const Comm comm(MPI_COMM_WORLD);
    const auto group = make_group(comm, device());
    for (const auto type : {at::kFloat, at::kDouble, at::kBFloat16})
        for (const auto format : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
            if (type == at::kBFloat16 && !has_gpu()) continue;
            const at::Tensor mine = at::randn({4, 8, 6, 6}, at::kFloat).to(device(), type).contiguous(format);
            std::vector<at::Tensor> one{mine.clone()};
            group->broadcast(one)->wait();
            CHECK(is_same(one[0], mine));
            group->allreduce(one)->wait();
            CHECK(is_same(one[0], mine));
            at::Tensor all = at::empty_like(mine), sent = mine.clone(), back = at::empty_like(mine);
            group->all_gather_single(all, sent)->wait();
            CHECK(is_same(all, mine));
            std::vector<std::int64_t> equal;
            group->all_to_all_single(back, sent, equal, equal)->wait();
            CHECK(is_same(back, mine));
        }
}

TEST_CASE("in float64 both ways to gather gradients give those of plain autograd") {
    const Comm comm(MPI_COMM_WORLD);
    at::manual_seed(5);
    const auto options = at::TensorOptions().dtype(at::kDouble).device(device());
    const at::Tensor x = at::randn({16, 1, 8, 8}, options);
    const at::Tensor y = at::randint(10, {16}, options.dtype(at::kLong));
    std::vector<at::Tensor> parameters;
    for (const auto& shape : std::vector<std::vector<std::int64_t>>{{6, 1, 3, 3}, {6}, {10, 6 * 36}, {10}})
        parameters.push_back((at::randn(shape, options) * 0.3).requires_grad_());
    const auto loss = [&](std::int64_t first, std::int64_t count) {
        const auto hidden =
            at::relu(at::conv2d(x.narrow(0, first, count), parameters[0], parameters[1])).flatten(1);
        return at::cross_entropy_loss(at::linear(hidden, parameters[2], parameters[3]),
                                      y.narrow(0, first, count));
    };
    loss(0, 16).backward();
    std::vector<at::Tensor> expected;
    for (auto& parameter : parameters) {
        expected.push_back(parameter.grad().clone());
        parameter.mutable_grad().reset();
    }
    const auto make = GENERATE(&overlapped_gradients, &ordered_gradients);
    const auto gradients = make(parameters, {}, make_group(comm, device()), 4);
    for (int i = 0; i < 4; ++i) {
        const Last last = i == 3 ? Last::yes : Last::no;
        gradients->before_forward(last);
        const auto part = loss(i * 4, 4) * gradients->loss_scale();
        gradients->before_backward(last);
        part.backward();
        gradients->after_backward();
    }
    gradients->finish();
    for (std::size_t i = 0; i < parameters.size(); ++i)
        CHECK(distance(parameters[i].grad(), expected[i]) < 1e-12);
}

TEST_CASE("a model says on the GPU what it says on the CPU") {
    if (lacks_gpu()) return;
    const Comm comm(MPI_COMM_WORLD);
    prepare_process(false, Precision::float32, 0, comm);
    const std::string stem = GENERATE("small", "large");
    const auto options = core::Config::parse(
        "name = \"resnet2d\"\nwidth = 32\nblocks = [2, 2]\nstem = \"" + stem + "\"\n", "test");
    const auto here = make_model(options, {{3, 64, 64}, 7}, 4),
               there = make_model(options, {{3, 64, 64}, 7}, 4);
    there->to(device());
    at::manual_seed(11);
    const at::Tensor images = at::randint(255, {6, 3, 64, 64}, at::kByte);
    const at::NoGradGuard off;
    const at::Tensor expected = here->forward(images, Mode::evaluate);
    CHECK(distance(there->forward(images.to(device()), Mode::evaluate), expected) < 1e-4);
    const Autocast autocast(Precision::bf16, device().type());
    CHECK(distance(there->forward(images.to(device()), Mode::evaluate), expected) < 3e-2);
}

TEST_CASE("group norm's kernels give the norm and its gradients") {
    if (lacks_gpu()) return;
    struct Case {
        std::int64_t n, channels, height, width;
    };
    const auto shape =
        GENERATE(Case{3, 8, 5, 7}, Case{2, 16, 33, 17}, Case{5, 64, 56, 56}, Case{2, 512, 7, 7},
                 Case{1, 24, 1, 1}, Case{2, 2048, 3, 3}, Case{2, 64, 112, 112});
    const auto type = GENERATE(at::kFloat, at::kBFloat16);
    const bool with_other = GENERATE(false, true);
    const Relu relu = GENERATE(Relu::no, Relu::yes);
    at::manual_seed(static_cast<std::uint64_t>(shape.channels + shape.height));
    const auto random = [&](double scale, double offset) {
        return (at::randn({shape.n, shape.channels, shape.height, shape.width}) * scale + offset)
            .to(device(), type)
            .contiguous(at::MemoryFormat::ChannelsLast);
    };
    const at::Tensor x = random(2, 30), other = with_other ? random(1, 0) : at::Tensor(),
                     weights = at::randn(x.sizes()).to(device());
    const at::Tensor weight = at::randn({shape.channels}).to(device()),
                     bias = at::randn({shape.channels}).to(device());
    REQUIRE(has_group_norm_cuda(x, 8, weight, bias));
    const Outcome ours = norm_of(&group_norm, x, weight, bias, other, relu, weights);
    const auto exact = [](const at::Tensor& t) { return t.defined() ? t.to(at::kDouble) : t; };
    const Outcome reference = norm_of(&composed_group_norm, exact(x), exact(weight), exact(bias),
                                      exact(other), relu, weights.to(at::kDouble));
    const double close = type == at::kFloat ? 2e-5 : 1.2e-2;
    CHECK(ours.y.scalar_type() == type);
    CHECK(distance(ours.y, reference.y) < close);
    if (shape.height > 1) CHECK(distance(ours.x, reference.x) < 2 * close);
    CHECK(distance(ours.weight, reference.weight) < close);
    CHECK(distance(ours.bias, reference.bias) < close);
    if (with_other) CHECK(distance(ours.other, reference.other) < close);
    const Outcome again = norm_of(&group_norm, x, weight, bias, other, relu, weights);
    CHECK((is_same(ours.y, again.y) && is_same(ours.x, again.x) && is_same(ours.weight, again.weight)));
    // What becomes of a sample does not depend on those beside it.
    const at::Tensor alone =
        group_norm(x.narrow(0, shape.n - 1, 1).clone(at::MemoryFormat::ChannelsLast), 8, weight, bias,
                   with_other ? other.narrow(0, shape.n - 1, 1) : other, relu);
    CHECK(is_same(alone[0], ours.y[shape.n - 1]));
}

TEST_CASE("what is no number stays none in group norm's kernels") {
    if (lacks_gpu()) return;
    at::Tensor x = at::randn({2, 8, 4, 4}).to(device()).contiguous(at::MemoryFormat::ChannelsLast);
    x[1][3][2][2] = GENERATE(std::nan(""), HUGE_VAL);
    const at::Tensor one = at::ones({8}).to(device()), zero = at::zeros({8}).to(device());
    const at::Tensor y = group_norm(x, 8, one, zero, {}, Relu::yes);
    CHECK(at::isnan(y[1][3]).any().item<bool>());
    CHECK_FALSE(at::isnan(y[0]).any().item<bool>());
}

TEST_CASE("the pooling kernels give PyTorch's maxima and their gradients") {
    if (lacks_gpu()) return;
    struct Case {
        std::int64_t n, channels, height, width;
    };
    const auto shape =
        GENERATE(Case{2, 8, 5, 7}, Case{3, 64, 112, 112}, Case{1, 24, 1, 1}, Case{2, 16, 8, 2});
    const auto type = GENERATE(at::kFloat, at::kBFloat16);
    at::manual_seed(9);
    // Few values, so that many are equal; and one that is no number.
    at::Tensor x = at::randint(-4, 4, {shape.n, shape.channels, shape.height, shape.width}, at::kFloat)
                       .to(device(), type)
                       .contiguous(at::MemoryFormat::ChannelsLast);
    const bool with_nan = GENERATE(false, true);
    if (with_nan) x[0][1][0][0] = std::nan("");
    const auto one = [&](bool ours) {
        const at::Tensor leaf = x.detach().clone().requires_grad_();
        const at::Tensor y = ours ? max_pool(leaf) : at::max_pool2d(leaf, {3, 3}, {2, 2}, {1, 1});
        at::manual_seed(3);
        // Small whole numbers: their sums are exact in any order.
        (y.to(at::kFloat) * at::randint(-3, 4, y.sizes(), at::kFloat).to(device()))
            .nan_to_num(0.0)
            .sum()
            .backward();
        return std::pair(y.detach(), leaf.grad());
    };
    const auto [y, dx] = one(true);
    const auto [expected_y, expected_dx] = one(false);
    CHECK(is_same(y.nan_to_num(77.0), expected_y.nan_to_num(77.0)));
    CHECK(is_same(dx, expected_dx));
}

TEST_CASE("batches arrive whole, computing meanwhile or not, and their memory is not used before") {
    if (lacks_gpu()) return;
    constexpr std::int64_t kBytes = 64 << 20;  // a copy of milliseconds
    Upload upload(device());
    {
        const auto page = std::make_unique<std::uint8_t[]>(1 << 21);
        CHECK(upload.memory_hook()(page.get(), 1 << 21) != nullptr);  // pages are locked
    }
    Buffers buffers(kBytes, upload.memory_hook());
    at::Tensor busy = at::randn({2048, 2048}).to(device());
    std::vector<at::Tensor> arrived;
    for (int i = 0; i < 24; ++i) {
        Batch batch;
        batch.valid = kBytes;
        {
            const auto memory = buffers.take();  // the last one given back, if its copy has ended
            std::memset(memory.get(), i, kBytes);
            batch.inputs = at::from_blob(
                memory.get(), {kBytes}, [memory](void*) {}, at::kByte);
        }
        upload.begin(batch);
        if (i % 2 == 0)
            for (int k = 0; k < 3; ++k) busy = at::matmul(busy, busy).mul_(1e-3);
        upload.arrived(batch);
        CHECK(batch.inputs.device() == device());
        arrived.push_back(batch.inputs.eq(i).all());
    }
    for (const auto& each : arrived) CHECK(each.item<bool>());
}

TEST_CASE("too little memory on the device is one line that names the keys to change") {
    try {
        with_torch_errors("step 3",
                          [] { at::empty({std::int64_t{1} << 46}, at::TensorOptions().device(device())); });
        CHECK(false);
    } catch (const core::Error& e) {
        CHECK(e.fault() == core::Fault::system);
        CHECK_THAT(e.what(), Catch::Contains("step 3") && Catch::Contains("train.micro_batches") &&
                                 !Catch::Contains("\n"));
    }
}
