#include "trainer/engine/owners.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <numeric>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>

#include "trainer/engine/average.h"
#include "trainer/engine/group.h"
#include "trainer/engine/optimizer.h"

using namespace trainer;
using core::Comm;

namespace {

// Some that travel alone and some that travel together, kernels that are channels last, and one that nobody moves.
std::vector<NamedTensor> parameters() {
    at::manual_seed(4);
    std::vector<NamedTensor> out;
    const auto kernel = [&](const char* name, std::int64_t channels) {
        const auto tensor =
            at::empty({channels, channels, 3, 3}, at::TensorOptions(), at::MemoryFormat::ChannelsLast);
        out.push_back({name, tensor.copy_(at::randn(tensor.sizes()))});
    };
    const auto plain = [&](const char* name, at::IntArrayRef shape) {
        out.push_back({name, at::randn(shape)});
    };
    kernel("stem.weight", 8);
    plain("stem.bias", {8});
    kernel("body.weight", 96);
    plain("body.bias", {96});
    plain("frozen.weight", {64, 64});
    plain("wide.weight", {300, 500});
    plain("head.weight", {10, 96});
    plain("head.bias", {10});
    for (NamedTensor& each : out) each.tensor.set_requires_grad(true);
    return out;
}

OptimizerOptions options_of(const char* toml) {
    auto out = OptimizerOptions::from(core::Config::parse(toml, "f"));
    out.layers = {{"frozen", 0}, {"head", 0.5}};
    return out;
}

void set_gradients(const std::vector<NamedTensor>& of, int step) {
    at::manual_seed(static_cast<std::uint64_t>(step));
    for (const NamedTensor& each : of) each.tensor.mutable_grad() = at::randn(each.tensor.sizes());
}

bool are_equal(const std::vector<NamedTensor>& one, const std::vector<NamedTensor>& other) {
    bool out = one.size() == other.size();
    for (std::size_t i = 0; out && i < one.size(); ++i)
        out = one[i].name == other[i].name && at::equal(one[i].tensor.detach(), other[i].tensor.detach());
    return out;
}

// Of what lies on this rank.
std::int64_t bytes_of(const std::vector<NamedTensor>& tensors) {
    std::int64_t out = 0;
    for (const NamedTensor& each : tensors)
        if (!each.tensor.is_meta()) out += static_cast<std::int64_t>(each.tensor.nbytes());
    return out;
}

const char* const kOptimizers[] = {"", "name = 'sgd'\nnesterov = true", "name = 'lion'", "name = 'lamb'"};

}  // namespace

TEST_CASE("what is dealt out is somebody's, evenly, and the same each time") {
    const int ranks = GENERATE(1, 2, 3, 8);
    const std::vector<std::int64_t> sizes{5, 90, 0, 7, 7, 30, 31, 2, 64, 64, 1};
    const auto owners = deal_out(sizes, ranks);
    CHECK(owners == deal_out(sizes, ranks));
    std::vector<std::int64_t> has(static_cast<std::size_t>(ranks), 0);
    REQUIRE(owners.size() == sizes.size());
    for (std::size_t i = 0; i < sizes.size(); ++i) has.at(static_cast<std::size_t>(owners[i])) += sizes[i];
    const std::int64_t all = std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0});
    const auto [least, most] = std::minmax_element(has.begin(), has.end());
    CHECK(std::accumulate(has.begin(), has.end(), std::int64_t{0}) == all);
    if (ranks == 2) CHECK(*most - *least <= 7);
    if (ranks == 8) CHECK(*most == 90);  // one that is large is one rank's
}

TEST_CASE("ranks that divide an optimizer's state move by the bits of one that has it all") {
    const Comm comm(MPI_COMM_WORLD);
    const auto group = make_group(comm, at::kCPU);
    for (const char* toml : kOptimizers) {
        INFO(toml);
        const OptimizerOptions options = options_of(toml);
        const auto alone = parameters(), together = parameters();
        Optimizer whole(alone, options);
        const Owners owners(group, remembered_bytes(together, options));
        Optimizer divided(together, options, &owners);
        for (int step = 1; step <= 5; ++step) {
            set_gradients(alone, step);
            set_gradients(together, step);
            const double norm = whole.step(0.01);
            CHECK(divided.step(0.01) == norm);
            CHECK(are_equal(alone, together));
        }
        const auto before = parameters();
        for (std::size_t i = 0; i < before.size(); ++i)
            CHECK(at::equal(alone[i].tensor, before[i].tensor) == (before[i].name == "frozen.weight"));

        // No rank has more than the largest parameter's beyond its part, and together they have it once.
        const std::int64_t all = bytes_of(whole.state()), mine = bytes_of(divided.state());
        CHECK(mine == owners.bytes().at(static_cast<std::size_t>(comm.rank())));
        CHECK(comm.sum(mine) == all);
        if (comm.size() > 1) CHECK(comm.max(mine) < all * 2 / 3);

        const auto collected = collect(divided.spread(), comm);
        if (comm.is_root())
            CHECK(are_equal(collected, whole.state()));
        else
            CHECK(collected.empty());
    }
}

TEST_CASE("a norm that moves nothing moves nothing on any rank") {
    const Comm comm(MPI_COMM_WORLD);
    const auto group = make_group(comm, at::kCPU);
    const OptimizerOptions options = options_of("");
    const auto mine = parameters(), before = parameters();
    const Owners owners(group, remembered_bytes(mine, options));
    Optimizer optimizer(mine, options, &owners);
    set_gradients(mine, 1);
    optimizer.step(0.1, [](double) { return false; });
    CHECK(are_equal(mine, before));
    CHECK(optimizer.steps() == 0);
}

TEST_CASE("divided state that was collected goes on, divided among others or whole") {
    const Comm comm(MPI_COMM_WORLD);
    const auto group = make_group(comm, at::kCPU);
    for (const char* toml : kOptimizers) {
        INFO(toml);
        const OptimizerOptions options = options_of(toml);
        const auto first = parameters(), undisturbed = parameters();
        const Owners owners(group, remembered_bytes(first, options));
        Optimizer before(first, options, &owners), whole(undisturbed, options);
        for (int step = 1; step <= 3; ++step) {
            set_gradients(first, step);
            before.step(0.01);
            set_gradients(undisturbed, step);
            whole.step(0.01);
        }
        TensorFile file;  // as of a checkpoint: rank 0's
        for (NamedTensor& each : collect(before.spread(), comm))
            file.tensors.push_back({"optimizer." + each.name, each.tensor.contiguous()});
        std::vector<std::int64_t> turned = remembered_bytes(first, options);  // others come first
        std::iota(turned.rbegin(), turned.rend(), 1);
        const Owners others(group, turned);
        for (const Owners* next : {&others, static_cast<const Owners*>(nullptr)}) {
            const auto second = parameters();
            for (std::size_t i = 0; i < second.size(); ++i)
                second[i].tensor.detach().copy_(first[i].tensor.detach());
            Optimizer after(second, options, next);
            if (comm.is_root()) copy_tensors(file, "optimizer.", after.state());
            hand_out(comm.is_root() ? &file : nullptr, "optimizer.", after.spread(), comm, *group);
            after.set_steps(3);
            const auto expected = parameters();
            for (std::size_t i = 0; i < expected.size(); ++i)
                expected[i].tensor.detach().copy_(undisturbed[i].tensor.detach());
            Optimizer goes_on(expected, options);
            copy_tensors({whole.state(), {}}, "", goes_on.state());
            goes_on.set_steps(3);
            for (int step = 4; step <= 5; ++step) {
                set_gradients(second, step);
                after.step(0.01);
                set_gradients(expected, step);
                goes_on.step(0.01);
            }
            CHECK(are_equal(second, expected));
        }
    }
}

TEST_CASE("a file without a part of the state that is another rank's is refused by rank 0") {
    const Comm comm(MPI_COMM_WORLD);
    const auto group = make_group(comm, at::kCPU);
    const OptimizerOptions options = options_of("");
    const auto mine = parameters();
    const Owners owners(group, remembered_bytes(mine, options));
    Optimizer optimizer(mine, options, &owners);
    TensorFile file{Optimizer(parameters(), options).state(), {}};
    for (std::size_t gone = 0; gone < file.tensors.size(); ++gone) {
        TensorFile less = file;
        less.tensors[gone].tensor = at::zeros({3});
        CHECK_THROWS_AS(copy_tensors(less, "", optimizer.state()), core::Error);
    }
}

TEST_CASE("ranks that divide the average of the weights have the same in its place") {
    const Comm comm(MPI_COMM_WORLD);
    const auto group = make_group(comm, at::kCPU);
    const auto model = [] {
        return make_model(core::Config::parse("name = \"mlp\"\nhidden = [300, 300]", "test"), {{5}, 3}, 1);
    };
    const auto alone = model(), together = model();
    std::vector<std::int64_t> bytes;
    for (const NamedTensor& each : together->parameters())
        bytes.push_back(static_cast<std::int64_t>(each.tensor.nbytes()));
    const Owners owners(group, bytes);
    WeightAverage whole(*alone, 0.9), divided(*together, 0.9, &owners);
    for (int step = 1; step <= 4; ++step) {
        for (const auto* each : {alone.get(), together.get()}) {
            at::manual_seed(static_cast<std::uint64_t>(step));
            for (const NamedTensor& of : each->parameters())
                of.tensor.detach().add_(at::randn(of.tensor.sizes()));
        }
        whole.update(step);
        divided.update(step);
    }
    CHECK(bytes_of(divided.parameters()) == owners.bytes().at(static_cast<std::size_t>(comm.rank())));
    const auto collected = collect(divided.spread(), comm);
    if (comm.is_root()) CHECK(are_equal(collected, whole.parameters()));
    const auto before = model();
    copy_tensors({together->state(), {}}, "", before->state());
    whole.swap();
    divided.swap();
    CHECK(are_equal(together->parameters(), alone->parameters()));
    CHECK(!are_equal(together->parameters(), before->parameters()));
    divided.swap();
    CHECK(are_equal(together->parameters(), before->parameters()));
}
