// Losses against their formulas, and their gradients against differences.
#include "trainer/loss/loss.h"

#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <cmath>

#include "core/base/error.h"

using namespace trainer;
using Catch::Detail::Approx;

namespace {

LossOptions options(const std::string& toml, Target target) {
    const auto table = core::Config::parse(toml, "test");
    LossOptions out = LossOptions::from(table, target);
    table.finish();
    return out;
}

struct Case {
    std::string toml;
    Target of;
    at::Tensor scores, target;
};

std::vector<Case> cases() {
    at::manual_seed(7);
    const auto real = at::TensorOptions().dtype(at::kDouble);
    const at::Tensor scores = at::randn({6, 3}, real) * 2,
                     classes = at::tensor({0, 2, 1, 1, 0, 2}, at::kLong);
    const at::Tensor values = at::randn({6, 3}, real) * 2;
    at::Tensor flags = at::randint(2, {6, 3}, real);
    flags[1][2] = NAN;
    flags[4] = NAN;
    std::vector<Case> out;
    for (const char* toml : {"", "label_smoothing = 0.2", "class_weights = [1, 3, 0.5]",
                             "label_smoothing = 0.1\nclass_weights = [2, 1, 1]", "name = \"focal\"",
                             "name = \"focal\"\ngamma = 0.5\nclass_weights = [1, 3, 0.5]"})
        out.push_back({toml, Target::classes, scores, classes});
    for (const char* toml : {"", "delta = 0.3", "name = \"mse\""})
        out.push_back({toml, Target::numbers, scores, values});
    out.push_back({"", Target::flags, scores, flags});
    const at::Tensor pixels = at::randn({6, 3, 2, 4}, real) * 2;
    at::Tensor mask = at::randint(3, {6, 2, 4}, at::kByte);
    mask[2] = at::where(mask[2] == 1, 0, mask[2]);  // one without a class
    for (const char* toml : {"", "dice_weight = 0.0", "dice_weight = 2.5\nclass_weights = [0.2, 1, 3]"})
        out.push_back({toml, Target::masks, pixels, mask});
    return out;
}

double of(const Case& each, const at::Tensor& scores) {
    return loss_of(options(each.toml, each.of), scores, each.target).item<double>();
}

// Pixel by pixel: cross-entropy, and 1 less the mean of soft Dice over samples and classes but the first.
double masks_by_hand(const Case& each) {
    const LossOptions o = options(each.toml, each.of);
    double entropy = 0, dice = 0;
    for (std::int64_t i = 0; i < 6; ++i) {
        double both[3] = {}, said[3] = {}, are[3] = {};
        for (std::int64_t y = 0; y < 2; ++y)
            for (std::int64_t x = 0; x < 4; ++x) {
                double total = 0;
                for (std::int64_t c = 0; c < 3; ++c)
                    total += std::exp(each.scores[i][c][y][x].item<double>());
                for (std::int64_t c = 0; c < 3; ++c) {
                    const auto k = static_cast<std::size_t>(c);
                    const double p = std::exp(each.scores[i][c][y][x].item<double>()) / total;
                    const bool is = each.target[i][y][x].item<std::int64_t>() == c;
                    if (is) entropy -= (o.class_weights.empty() ? 1 : o.class_weights[k]) * std::log(p);
                    both[k] += is * p;
                    said[k] += p;
                    are[k] += is;
                }
            }
        for (const std::size_t k : {1, 2}) dice += (2 * both[k] + 1e-5) / (said[k] + are[k] + 1e-5);
    }
    return entropy / 48 + o.dice_weight * (1 - dice / 12);
}

// By their formulas, number by number.
double by_hand(const Case& each) {
    const LossOptions o = options(each.toml, each.of);
    if (each.of == Target::masks) return masks_by_hand(each);
    double sum = 0;
    for (std::int64_t i = 0; i < 6; ++i) {
        double total = 0;
        for (std::int64_t c = 0; c < 3; ++c) total += std::exp(each.scores[i][c].item<double>());
        for (std::int64_t c = 0; c < 3; ++c) {
            const double score = each.scores[i][c].item<double>();
            if (each.of == Target::classes) {
                const bool is_it = each.target[i].item<std::int64_t>() == c;
                const double weight =
                    o.class_weights.empty() ? 1 : o.class_weights[static_cast<std::size_t>(c)];
                const double log_p = score - std::log(total);
                if (o.name == "focal")
                    sum -= is_it ? weight * std::pow(1 - std::exp(log_p), o.gamma) * log_p : 0;
                else
                    sum -= weight * log_p * (is_it * (1 - o.label_smoothing) + o.label_smoothing / 3);
            } else {
                const double t = each.target[i][c].item<double>(), off = std::abs(score - t);
                if (each.of == Target::flags)
                    sum += std::isnan(t) ? 0 : std::log(1 + std::exp(score)) - t * score;
                else if (o.name == "mse")
                    sum += off * off;
                else
                    sum += off < o.delta ? off * off / 2 : o.delta * (off - o.delta / 2);
            }
        }
    }
    return sum / (each.of == Target::classes ? 6 : 18);
}

}  // namespace

TEST_CASE("losses equal their formulas") {
    for (const Case& each : cases()) {
        INFO(each.toml);
        CHECK(of(each, each.scores) == Approx(by_hand(each)).epsilon(1e-12));
    }
}

TEST_CASE("gradients equal differences") {
    constexpr double kStep = 1e-5;
    for (const Case& each : cases()) {
        INFO(each.toml);
        const at::Tensor scores = each.scores.clone().requires_grad_();
        loss_of(options(each.toml, each.of), scores, each.target).backward();
        for (std::int64_t i = 0; i < scores.numel(); ++i) {
            at::Tensor up = each.scores.clone(), down = each.scores.clone();
            up.view(-1)[i] += kStep;
            down.view(-1)[i] -= kStep;
            const double difference = (of(each, up) - of(each, down)) / (2 * kStep);
            CHECK(scores.grad().view(-1)[i].item<double>() == Approx(difference).margin(1e-8));
        }
    }
}

TEST_CASE("a batch may be cut anywhere: the mean of its parts' losses, by their samples, is its own") {
    for (const Case& each : cases()) {
        INFO(each.toml);
        double sum = 0;
        for (const auto& [first, count] : {std::pair{0, 1}, std::pair{1, 2}, std::pair{3, 3}})
            sum += count * loss_of(options(each.toml, each.of), each.scores.narrow(0, first, count),
                                   each.target.narrow(0, first, count))
                               .item<double>();
        CHECK(sum / 6 == Approx(of(each, each.scores)).epsilon(1e-12));
    }
}

TEST_CASE("batch Dice is that of all pixels of a micro-batch") {
    at::manual_seed(4);
    const at::Tensor scores = at::randn({4, 3, 5, 6}, at::kDouble),
                     target = at::randint(3, {4, 5, 6}, at::kByte);
    const auto loss = [&](const char* keys, const at::Tensor& of, const at::Tensor& mask) {
        return loss_of(options(keys, Target::masks), of, mask).item<double>();
    };
    // By hand: 1 less the mean over classes 1 and 2.
    const at::Tensor p = at::softmax(scores, 1);
    double dice = 0;
    for (std::int64_t c = 1; c < 3; ++c) {
        double both = 0, said = 0, are = 0;
        for (std::int64_t n = 0; n < 4; ++n)
            for (std::int64_t y = 0; y < 5; ++y)
                for (std::int64_t x = 0; x < 6; ++x) {
                    const double q = p[n][c][y][x].item<double>();
                    const bool is = target[n][y][x].item<int>() == c;
                    both += is ? q : 0;
                    said += q;
                    are += is;
                }
        dice += (2 * both + 1e-5) / (said + are + 1e-5) / 2;
    }
    const double plain = loss("dice_weight = 0.0", scores, target);
    CHECK(loss("batch_dice = true", scores, target) == Approx(plain + 1 - dice).epsilon(1e-9));
    CHECK(loss("batch_dice = true\ndice_weight = 0.5", scores, target) ==
          Approx(plain + (1 - dice) / 2).epsilon(1e-9));
    CHECK(loss("", scores, target) != Approx(loss("batch_dice = true", scores, target)).epsilon(1e-4));
    // As one long sample.
    const auto long_of = [](const at::Tensor& of) { return at::cat(of.unbind(0), -1).unsqueeze(0); };
    CHECK(loss("", long_of(scores), long_of(target)) ==
          Approx(loss("batch_dice = true", scores, target)).epsilon(1e-9));
    CHECK_THROWS_AS(options("batch_dice = true", Target::classes), core::Error);
}

TEST_CASE("without keys the loss of classes is PyTorch's cross-entropy, to the bit") {
    at::manual_seed(9);
    const at::Tensor scores = at::randn({64, 5}), target = at::randint(5, {64}, at::kLong);
    CHECK(at::equal(loss_of(options("", Target::classes), scores, target),
                    at::cross_entropy_loss(scores, target)));
}

TEST_CASE("the focal loss of what is certain has a gradient, in float32 too") {
    for (const char* gamma : {"gamma = 0.0", "gamma = 0.5", "gamma = 1.0", "gamma = 2.0"}) {
        at::Tensor scores = at::tensor({17.0F, 0.0F, 200.0F, 0.0F, 0.0F, 200.0F}).view({3, 2});
        scores.requires_grad_(true);
        loss_of(options("name = \"focal\"\n" + std::string(gamma), Target::classes), scores,
                at::zeros({3}, at::kLong))
            .backward();
        INFO(gamma);
        CHECK(at::isfinite(scores.grad()).all().item<bool>());
        CHECK(scores.grad()[2][1].item<float>() > 0);  // what is wrong is told so
    }
}

TEST_CASE("keys of another loss, and losses of another task, are refused") {
    for (const auto& [toml, target] :
         {std::pair{"gamma = 2", Target::classes},
          std::pair{"name = \"focal\"\nlabel_smoothing = 0.1", Target::classes},
          std::pair{"name = \"huber\"", Target::classes},
          std::pair{"name = \"cross_entropy\"", Target::numbers}, std::pair{"delta = 0", Target::numbers},
          std::pair{"label_smoothing = 1.0", Target::classes}, std::pair{"dice_weight = -1.0", Target::masks},
          std::pair{"gamma = 2", Target::masks}, std::pair{"dice_weight = 1.0", Target::classes},
          std::pair{"class_weights = [0, 0, 0]", Target::classes},
          std::pair{"class_weights = [1, -1]", Target::classes}})
        CHECK_THROWS_AS(options(toml, target), core::Error);
}
