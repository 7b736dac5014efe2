// What a model says of a whole sample, window by window.
#include "trainer/engine/windows.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <functional>

#include "core/base/files.h"
#include "support/scratch.h"
#include "trainer/engine/recipe.h"

using namespace trainer;
using Catch::Detail::Approx;

namespace {

// Says of each window what `say` does: [B, C, patch] to [B, 2, patch].
class Made final : public Model {
public:
    using Say = std::function<at::Tensor(const at::Tensor&)>;
    Made(std::vector<std::int64_t> shape, Say say)
        : Model({std::move(shape), 2, false, true}), say_(std::move(say)) {
        add_parameter("none", at::zeros({1}));
    }
    std::string toml() const override { return ""; }
    std::vector<std::int64_t> batches;

private:
    at::Tensor compute(const at::Tensor& x, Mode) override {
        batches.push_back(x.size(0));
        return say_(x);
    }
    Say say_;
};

PatchOptions patch(std::vector<std::int64_t> size, double overlap = 0.5) {
    PatchOptions out;
    out.size = std::move(size);
    out.overlap = overlap;
    out.padding = -7;
    return out;
}

}  // namespace

TEST_CASE("windows cover an axis evenly, and share what is asked for") {
    using Starts = std::vector<std::int64_t>;
    CHECK(window_starts(5, 8, 0.5) == Starts{0});
    CHECK(window_starts(8, 8, 0.5) == Starts{0});
    CHECK(window_starts(9, 8, 0.5) == Starts{0, 1});
    CHECK(window_starts(16, 8, 0) == Starts{0, 8});
    CHECK(window_starts(16, 8, 0.5) == Starts{0, 4, 8});
    for (std::int64_t size = 1; size < 60; ++size)
        for (const std::int64_t extent : {1, 2, 5, 8, 13})
            for (const double overlap : {0.0, 0.25, 0.5, 0.9}) {
                const Starts starts = window_starts(size, extent, overlap);
                CHECK(starts.front() == 0);
                if (size >= extent) CHECK(starts.back() == size - extent);
                const auto step = std::max(1.0, static_cast<double>(extent) * (1 - overlap));
                for (std::size_t i = 1; i < starts.size(); ++i) {
                    CHECK(starts[i] > starts[i - 1]);
                    CHECK(static_cast<double>(starts[i] - starts[i - 1]) <= std::ceil(step));
                }
            }
}

TEST_CASE("what is said of each pixel alone is said of the whole sample, of any size and dtype") {
    at::manual_seed(1);
    const auto say = [](const at::Tensor& x) {
        const at::Tensor sum = x.sum(1, true);
        return at::cat({sum, -2 * sum}, 1);
    };
    struct Case {
        std::vector<std::int64_t> sample, patch;
    };
    for (const Case& each : std::vector<Case>{{{1, 2, 9, 17, 30}, {4, 8, 8}},
                                              {{1, 1, 3, 5, 20}, {4, 8, 8}},
                                              {{1, 1, 2, 2, 2}, {4, 8, 8}},
                                              {{1, 3, 20, 11}, {8, 8}},
                                              {{1, 3, 5, 11}, {8, 8}}})
        for (const auto type : {at::kByte, at::kShort, at::kFloat}) {
            const at::Tensor sample = at::randint(100, each.sample, type);
            std::vector<std::int64_t> shape{each.sample[1]};
            shape.insert(shape.end(), each.patch.begin(), each.patch.end());
            Made model(shape, say);
            PatchOptions options = patch(each.patch);
            options.padding = type == at::kByte ? 7 : -7;
            const at::Tensor scores = window_scores(model, sample, options, 3, Precision::float32);
            const at::Tensor expected = say(sample.to(at::kFloat));
            REQUIRE(scores.sizes() == expected.sizes());
            CHECK(at::allclose(scores, expected, 1e-5, 1e-4));
            for (const std::int64_t batch : model.batches) CHECK(batch == 3);  // the last one too
        }
}

TEST_CASE("the middle of a window counts more than its edge") {
    // Each window says of a pixel where in the window it lies.
    Made model({1, 4, 8}, [](const at::Tensor& x) {
        const at::Tensor place = at::arange(8, at::kFloat).expand({x.size(0), 1, 4, 8});
        return at::cat({place, place}, 1);
    });
    const at::Tensor scores =
        window_scores(model, at::zeros({1, 1, 4, 12}), patch({4, 8}), 2, Precision::float32);
    const auto weight = [](double at) { return std::exp(-0.5 * (at - 3.5) * (at - 3.5)); };
    for (std::int64_t x = 0; x < 12; ++x) {
        double sum = 0, weights = 0;
        for (const std::int64_t start : {0, 4})
            if (x >= start && x < start + 8) {
                const auto place = static_cast<double>(x - start);
                sum += weight(place) * place;
                weights += weight(place);
            }
        for (std::int64_t y = 0; y < 4; ++y)
            CHECK(scores[0][1][y][x].item<double>() == Approx(sum / weights).epsilon(1e-5));
    }
}

TEST_CASE("around a sample that is smaller than the patch lies the padding, and the sample in the middle") {
    at::Tensor seen;
    Made model({1, 6, 9}, [&](const at::Tensor& x) {
        seen = x[0][0].clone();
        return at::cat({x, x}, 1);
    });
    const at::Tensor sample = at::arange(1, 9, at::kFloat).view({1, 1, 2, 4});
    const at::Tensor scores = window_scores(model, sample, patch({6, 9}), 1, Precision::float32);
    at::Tensor expected = at::full({6, 9}, -7.0);
    expected.narrow(0, 2, 2).narrow(1, 2, 4).copy_(sample[0][0]);  // as Crop: what is odd lies behind
    CHECK(at::equal(seen, expected));
    CHECK(at::allclose(scores[0][0], sample[0][0]));
}

TEST_CASE("a score that is not finite stays in the pixels whose windows said it") {
    Made model({1, 4, 4}, [](const at::Tensor& x) { return at::cat({x / x, x}, 1); });
    at::Tensor sample = at::ones({1, 1, 4, 12});
    sample[0][0][2][0] = 0;
    const at::Tensor scores = window_scores(model, sample, patch({4, 4}), 4, Precision::float32);
    CHECK(at::isnan(scores).sum().item<std::int64_t>() == 1);
    CHECK(std::isnan(scores[0][0][2][0].item<double>()));
}

TEST_CASE("the keys of patches are checked, and belong to the run but for the windows' overlap") {
    const test::Scratch folder;
    const auto recipe = [&](const std::string& keys, const std::string& task = "segmentation") {
        const bool has_mask = task == "segmentation";
        const std::string text = "name = 'a'\n[task]\nname = '" + task + "'\n" +
                                 (has_mask ? "classes = ['nothing', 'a']\n" : "") + "[patch]\n" + keys;
        core::write_atomically(folder.path() / "recipe.toml", text, 0600);
        return Recipe::load(folder.path() / "recipe.toml", {});
    };
    const Recipe plain = recipe("size = [8, 9]");
    CHECK(plain.patch.size == std::vector<std::int64_t>{8, 9});
    CHECK(plain.patch.overlap == 0.5);
    CHECK(plain.whole_samples() == 1);
    for (const char* change : {"size = [8, 10]", "size = [8, 9]\nforeground = 0.5",
                               "size = [8, 9]\nper_sample = 2", "size = [8, 9]\npadding = 1"})
        CHECK(recipe(change).identity("") != plain.identity(""));
    const Recipe overlapping = recipe("size = [8, 9]\noverlap = 0.25");
    CHECK(overlapping.identity("") == plain.identity(""));
    CHECK(overlapping.canonical("") != plain.canonical(""));  // its figures are others
    for (const char* wrong : {"size = [8]", "size = [8, 9, 8, 9]", "size = [8, 0]", "overlap = 0.5",
                              "size = [8, 9]\noverlap = 0.95", "size = [8, 9]\nforeground = 1.1",
                              "size = [8, 9]\nper_sample = 0", "size = [8, 9]\npadding = nan"})
        CHECK_THROWS_AS(recipe(wrong), core::Error);
    CHECK_THROWS_WITH(recipe("size = [8, 9]", "classification"), Catch::Contains("patches are for masks"));
    CHECK_THROWS_WITH(recipe("size = [8, 9]\nstep = 2").finish(), Catch::Contains("step"));
}
