// Mixtures of two samples, against the same made by hand.
#include "trainer/engine/mixup.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>

#include "core/base/files.h"
#include "support/scratch.h"
#include "trainer/engine/explain.h"
#include "trainer/engine/recipe.h"

using namespace trainer;

namespace {

std::unique_ptr<Task> classes(LossOptions loss = {}) {
    core::Schema schema;
    schema.columns = {{"label", core::ColumnType::category, {"a", "b", "c"}}};
    TaskOptions of;
    if (loss.name.empty()) loss.name = "cross_entropy";
    of.loss = std::move(loss);
    return make_task(of, schema);
}

std::unique_ptr<Task> labels() {
    core::Schema schema;
    schema.columns = {{"p", core::ColumnType::i64, {}}, {"q", core::ColumnType::i64, {}}};
    TaskOptions of;
    of.name = "multilabel";
    of.columns = {"p", "q"};
    of.loss.name = "bce";
    return make_task(of, schema);
}

MixupOptions of_alpha(double alpha) {
    MixupOptions out;
    out.alpha = alpha;
    return out;
}

const std::vector<std::int64_t> kSamples{40, 7, 12, 3, 99, 1000, 5, 6};

}  // namespace

TEST_CASE("a share is drawn from Beta(alpha, alpha), and is a function of seed, epoch and sample") {
    for (const double alpha : {0.05, 0.2, 1.0, 3.0}) {
        std::vector<double> shares;
        for (std::int64_t sample = 0; sample < 20000; ++sample)
            shares.push_back(mixup_share(alpha, 1, 2, sample));
        double sum = 0, squares = 0;
        for (const double each : shares) {
            REQUIRE((each >= 0 && each <= 1));
            sum += each;
            squares += (each - 0.5) * (each - 0.5);
        }
        CHECK(sum / 20000 == Approx(0.5).margin(0.02));
        CHECK(squares / 20000 == Approx(1 / (4 * (2 * alpha + 1))).epsilon(0.05));
        std::sort(shares.begin(), shares.end());
        if (alpha == 1)  // uniform: Kolmogorov and Smirnov's distance at a level of 1e-6 is 0.019
            for (std::size_t i = 0; i < shares.size(); ++i)
                REQUIRE(std::abs(shares[i] - static_cast<double>(i) / 20000) < 0.019);
    }
    CHECK(std::isfinite(mixup_share(1e-3, 1, 2, 3)));  // where powers of 1 / alpha are 0
    const double one = mixup_share(0.4, 1, 2, 3);
    CHECK(one == mixup_share(0.4, 1, 2, 3));
    CHECK(one != mixup_share(0.4, 1, 2, 4));
    CHECK(one != mixup_share(0.4, 1, 3, 3));
    CHECK(one != mixup_share(0.4, 2, 2, 3));
}

TEST_CASE("a sample becomes a mixture with the other of its pair, and its class one of both") {
    at::manual_seed(1);
    const at::Tensor mean = at::full({1, 1, 1}, 0.5);
    at::Tensor inputs = at::randn({8, 1, 4, 5}), targets = at::randint(3, {8}, at::kLong);
    inputs[2][0][1][1] = NAN;
    inputs[3][0][0][0] = INFINITY;
    const at::Tensor x = inputs.clone(), y = targets.clone();
    mix(of_alpha(0.7), 5, *classes(), kSamples, 9, mean, inputs, targets);
    REQUIRE(targets.sizes() == at::IntArrayRef({8, 3}));
    for (std::int64_t i = 0; i < 8; ++i) {
        const double mine = mixup_share(0.7, 5, 9, kSamples[static_cast<std::size_t>(i)]);
        const std::int64_t other = i % 2 == 0 ? i + 1 : i - 1;
        for (std::int64_t h = 0; h < 4; ++h)
            for (std::int64_t w = 0; w < 5; ++w) {
                const auto value = [&](std::int64_t of) {
                    const double is = x[of][0][h][w].item<double>();
                    return std::isfinite(is) ? is : 0.5;
                };
                CHECK(inputs[i][0][h][w].item<double>() ==
                      Approx(mine * value(i) + (1 - mine) * value(other)).margin(1e-6));
            }
        for (std::int64_t c = 0; c < 3; ++c)
            CHECK(targets[i][c].item<double>() == Approx((y[i].item<std::int64_t>() == c ? mine : 0) +
                                                         (y[other].item<std::int64_t>() == c ? 1 - mine : 0))
                                                      .margin(1e-6));
    }
}

TEST_CASE("of labels the loss of a mixture is that share of the loss of each, whichever is missing") {
    at::manual_seed(4);
    const auto task = labels();
    const auto model = make_model(core::Config::parse("name = \"mlp\"\nhidden = [4]", "test"), {{5}, 2}, 1);
    const at::Tensor known =
        at::tensor({1.0, NAN, 0.0, 1.0, NAN, NAN, 0.0, 1.0, 1.0, NAN, 0.0, NAN}, at::kDouble).view({6, 2});
    at::Tensor inputs = at::randn({6, 1, 4, 4}), targets = known;
    const std::vector<std::int64_t> samples(kSamples.begin(), kSamples.begin() + 6);
    mix(of_alpha(1), 5, *task, samples, 0, at::zeros({1, 1, 1}), inputs, targets);
    const at::Tensor scores = at::randn({6, 2}, at::kDouble).requires_grad_();
    const at::Tensor found = task->loss(*model, scores, targets);
    at::Tensor expected = at::zeros({}, at::kDouble);
    for (std::int64_t i = 0; i < 6; ++i) {
        const double mine = mixup_share(1, 5, 0, samples[static_cast<std::size_t>(i)]);
        const auto of = [&](std::int64_t row) {
            return task->loss(*model, scores.narrow(0, i, 1), known.narrow(0, row, 1));
        };
        expected = expected + (mine * of(i) + (1 - mine) * of(i ^ 1)) / 6;
    }
    CHECK(found.item<double>() == Approx(expected.item<double>()).epsilon(1e-6));
    const auto slope = [&](const at::Tensor& loss) {
        scores.mutable_grad() = at::Tensor();
        loss.backward();
        return scores.grad();
    };
    const at::Tensor of_mixture = slope(found);
    CHECK(at::allclose(of_mixture, slope(expected), 1e-6, 1e-9));
}

TEST_CASE("the loss of a mixture is that share of the loss of each") {
    at::manual_seed(2);
    LossOptions weighted;
    weighted.name = "cross_entropy";
    weighted.label_smoothing = 0.1;
    weighted.class_weights = {1, 2, 0.5};
    LossOptions plain;
    plain.name = "cross_entropy";
    for (const LossOptions& loss : {plain, weighted}) {
        const auto task = classes(loss);
        const auto model =
            make_model(core::Config::parse("name = \"mlp\"\nhidden = [4]", "test"), {{5}, 3}, 1);
        const at::Tensor scores = at::randn({6, 3}), one = at::randint(3, {6}, at::kLong),
                         other = at::randint(3, {6}, at::kLong), share = at::rand({6});
        const double found = task->loss(*model, scores, task->mixed(one, other, share)).item<double>();
        double expected = 0;
        for (std::int64_t i = 0; i < 6; ++i) {
            const auto of = [&](const at::Tensor& y) {
                return task->loss(*model, scores.narrow(0, i, 1), y.narrow(0, i, 1)).item<double>();
            };
            const double mine = share[i].item<double>();
            expected += (mine * of(one) + (1 - mine) * of(other)) / 6;
        }
        CHECK(found == Approx(expected).epsilon(1e-5));
    }
}

TEST_CASE("mixtures are the same however a step is cut into ranks and micro-batches") {
    at::manual_seed(3);
    const at::Tensor images = at::randint(255, {8, 4, 5}, at::kByte), y = at::randint(3, {8}, at::kLong);
    const auto task = classes();
    at::Tensor whole = images, of_whole = y;
    mix(of_alpha(0.4), 5, *task, kSamples, 2, at::zeros({1, 1, 1}), whole, of_whole);
    for (const std::int64_t rows : {2, 4}) {
        for (std::int64_t first = 0; first < 8; first += rows) {
            at::Tensor part = images.narrow(0, first, rows), of_part = y.narrow(0, first, rows);
            mix(of_alpha(0.4), 5, *task,
                std::span(kSamples).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(rows)),
                2, at::zeros({1, 1, 1}), part, of_part);
            CHECK(at::equal(part, whole.narrow(0, first, rows)));
            CHECK(at::equal(of_part, of_whole.narrow(0, first, rows)));
        }
    }
}

TEST_CASE("mixup belongs to the run, needs pairs, and is refused where a loss knows no mixtures") {
    const test::Scratch folder;
    const auto recipe = [&](const std::string& keys) {
        core::write_atomically(folder.path() / "recipe.toml", "name = 'a'\n" + keys, 0600);
        return Recipe::load(folder.path() / "recipe.toml", {});
    };
    const Recipe plain = recipe(""), mixed = recipe("[mixup]\nalpha = 0.2");
    CHECK(mixed.mixup.alpha == 0.2);
    CHECK(mixed.identity("") != plain.identity(""));
    CHECK(mixed.identity("") != recipe("[mixup]\nalpha = 0.3").identity(""));
    CHECK(recipe("[mixup]\nalpha = 0").canonical("") == plain.canonical(""));
    CHECK(recipe("[data]\nbatch = 12\n[mixup]\nalpha = 0.2").micro_batches_per_rank(2) == 1);
    CHECK_THROWS_WITH(recipe("[data]\nbatch = 12\n[mixup]\nalpha = 0.2").micro_batches_per_rank(4),
                      Catch::Contains("odd: take 16"));
    CHECK_THROWS_WITH(recipe("[data]\nbatch = 12\n[train]\nmicro_batches = 12\n[mixup]\nalpha = 1")
                          .micro_batches_per_rank(2),
                      Catch::Contains("train.micro_batches (12) is odd"));
    CHECK_NOTHROW(recipe("[data]\nlabels = ['p', 'q']\n[task]\nname = 'multilabel'\n[mixup]\nalpha = 1"));
    for (const auto& [task, loss] :
         {std::pair("[task]\nname = 'regression'\n", "huber"),
          {"[task]\nname = 'segmentation'\nclasses = ['0', '1']\n", "dice_cross_entropy"},
          {"[loss]\nname = 'focal'\n", "focal"}})
        CHECK_THROWS_WITH(recipe(std::string(task) + "[mixup]\nalpha = 0.2"), Catch::Contains(loss));
    CHECK_THROWS_WITH(recipe("[mixup]\nalpha = 5"), Catch::Contains("out of range"));
    CHECK_THROWS_WITH(recipe("[mixup]\nalpha = 1e-310"), Catch::Contains("0.001"));
    CHECK_THROWS_WITH(recipe("[mixup]\nalpha = 0.0009"), Catch::Contains("0.001"));
    CHECK_NOTHROW(recipe("[mixup]\nalpha = 0.001"));
    CHECK_THROWS_WITH(recipe("[mixup]\nbeta = 1").finish(), Catch::Contains("beta"));
    CHECK_THAT(explain_recipe(), Catch::Contains("# [mixup]\n# alpha = 0"));
}
