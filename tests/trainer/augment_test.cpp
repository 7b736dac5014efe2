#include "trainer/augment/augment.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "core/base/error.h"

using namespace trainer;

namespace {

std::vector<AugmentOptions> rows(const std::string& toml) {
    const auto config = core::Config::parse(toml, "f");
    auto out = AugmentOptions::from(config.tables("augment"));
    config.finish();
    return out;
}

std::string row(const std::string& name, const std::string& more) {
    return "[[augment]]\nname = '" + name + "'\nchance = 1\n" + more + "\n";
}

Standard standard(std::int64_t channels, double mean = 100, double scale = 0.02) {
    return {at::full({channels, 1, 1}, mean), at::full({channels, 1, 1}, scale)};
}

std::vector<std::int64_t> numbers(std::int64_t count, std::int64_t first = 0) {
    std::vector<std::int64_t> out(static_cast<std::size_t>(count));
    std::iota(out.begin(), out.end(), first);
    return out;
}

at::Tensor pictures(std::vector<std::int64_t> shape) {
    at::manual_seed(5);
    return at::randint(256, shape, at::kByte);
}

// A smooth blob off the middle, `deviation` a part of each side, which interpolation hardly changes.
at::Tensor blob(std::int64_t depth, std::int64_t height, std::int64_t width, double deviation = 0.15) {
    const auto line = [&](std::int64_t n, double at, std::vector<std::int64_t> shape) {
        const auto side = static_cast<double>(n);
        return ((at::arange(n, at::kFloat) - at * side) / (deviation * side)).square().view(shape);
    };
    const at::Tensor flat = line(height, 0.45, {1, height, 1}) + line(width, 0.55, {1, 1, width});
    if (depth == 1) return at::exp(-flat / 2).unsqueeze(0);  // [1, 1, H, W]
    return at::exp(-(flat + line(depth, 0.5, {depth, 1, 1})) / 2)
        .unsqueeze(0)
        .unsqueeze(0);  // [1, 1, D, H, W]
}

const char* const kAll =
    "[[augment]]\nname = 'flip'\n[[augment]]\nname = 'elastic'\nchance = 0.7\n[[augment]]\nname = "
    "'crop'\nchance = 0.7\n[[augment]]\nname = 'rotate'\nchance = 0.7\n[[augment]]\nname = "
    "'scale'\nchance = 0.7\n"
    "[[augment]]\nname = 'translate'\nchance = 0.7\n[[augment]]\nname = 'brightness'\nchance = "
    "0.7\n[[augment]]\n"
    "name = 'contrast'\nchance = 0.7\n[[augment]]\nname = 'gamma'\nchance = 0.7\n[[augment]]\nname = "
    "'noise'\n"
    "chance = 0.7\n[[augment]]\nname = 'blur'\nchance = 0.7\n[[augment]]\nname = 'low_resolution'\nchance = "
    "0.7\n";

}  // namespace

TEST_CASE("with no strength, or by no chance, every sample stays as it is to the bit") {
    const std::string weak = row("rotate", "most = 0") + row("scale", "least = 1\nmost = 1") +
                             row("translate", "most = 0") + row("brightness", "most = 0") +
                             row("contrast", "least = 1\nmost = 1") + row("gamma", "least = 1\nmost = 1") +
                             row("noise", "most = 0") + row("blur", "least = 0\nmost = 0") +
                             row("low_resolution", "least = 1\nmost = 1") +
                             row("elastic", "least = 0\nmost = 0") + row("crop", "least = 1\nmost = 1");
    std::string never;
    for (const AugmentKind& each : augment_kinds())
        never += "[[augment]]\nname = '" + std::string(each.name) + "'\nchance = 0\n";
    for (const std::string& toml : {weak, never}) {
        const at::Tensor images = pictures({6, 2, 9, 12}), volumes = pictures({3, 1, 5, 6, 7});
        CHECK(
            at::equal(Augment(rows(toml), 1, {2, 9, 12}).images(images, numbers(6), 0, standard(2)), images));
        CHECK(at::equal(Augment(rows(toml), 1, {1, 5, 6, 7}).images(volumes, numbers(3), 0, standard(1)),
                        volumes));
        CHECK(at::equal(Augment(rows(toml), 1, {9, 12}).masks(images.select(1, 0), numbers(6), 0),
                        images.select(1, 0)));
    }
}

TEST_CASE("each transform changes something, and a sample that it does not draw stays to the bit") {
    for (const AugmentKind& each : augment_kinds()) {
        const std::string half = "[[augment]]\nname = '" + std::string(each.name) + "'\nchance = 0.3\n";
        for (const std::vector<std::int64_t>& shape :
             {std::vector<std::int64_t>{2, 9, 12}, {1, 6, 7, 8}, {10, 11}}) {
            std::vector<std::int64_t> whole{40};
            whole.insert(whole.end(), shape.begin(), shape.end());
            const at::Tensor images = pictures(whole);
            const at::Tensor out =
                Augment(rows(half), 3, shape)
                    .images(images, numbers(40), 2, standard(shape.size() == 2 ? 1 : shape[0]));
            INFO(each.name);
            REQUIRE(out.sizes() == images.sizes());
            CHECK(at::isfinite(out).all().item<bool>());
            const auto same = (out == images).flatten(1).all(1).sum().item<std::int64_t>();
            CHECK(same > 0);
            CHECK(same < 40);
        }
    }
}

TEST_CASE("what becomes of a sample is a function of seed, epoch and sample") {
    for (const std::vector<std::int64_t>& shape : {std::vector<std::int64_t>{2, 16, 12}, {1, 8, 9, 10}}) {
        std::vector<std::int64_t> whole{12};
        whole.insert(whole.end(), shape.begin(), shape.end());
        const at::Tensor images = pictures(whole);
        const auto of = [&](std::uint64_t seed, std::int64_t epoch, std::int64_t first, std::int64_t count) {
            return Augment(rows(kAll), seed, shape)
                .images(images.narrow(0, first, count), numbers(count, first), epoch, standard(shape[0]))
                .to(at::kFloat);
        };
        const at::Tensor all = of(1, 4, 0, 12);
        CHECK(at::equal(of(1, 4, 0, 12), all));
        for (const int parts : {2, 4, 12})  // as ranks and micro-batches cut it
            for (std::int64_t part = 0; part < parts; ++part) {
                const std::int64_t count = 12 / parts;
                CHECK(at::allclose(of(1, 4, part * count, count), all.narrow(0, part * count, count), 1e-5,
                                   1e-3));
            }
        CHECK_FALSE(at::allclose(of(2, 4, 0, 12), all, 1e-5, 1e-3));
        CHECK_FALSE(at::allclose(of(1, 5, 0, 12), all, 1e-5, 1e-3));
    }
}

TEST_CASE("contrast is to the bit the same whatever samples are drawn beside") {
    const int threads = at::get_num_threads();
    at::set_num_threads(2);
    const at::Tensor images = pictures({2, 1, 224, 224});
    const Augment augment(rows(row("contrast", "")), 1, {1, 224, 224});
    const at::Tensor both = augment.images(images, numbers(2), 0, standard(1));
    for (std::int64_t i = 0; i < 2; ++i)
        CHECK(at::equal(augment.images(images.narrow(0, i, 1), numbers(1, i), 0, standard(1)),
                        both.narrow(0, i, 1)));
    at::set_num_threads(threads);
}

TEST_CASE("a row that is added at the end changes nothing of what those before it draw") {
    const at::Tensor images = pictures({8, 1, 16, 16});
    const Augment one(rows(row("brightness", "")), 1, {1, 16, 16}),
        two(rows(row("brightness", "") + row("noise", "least = 1e-6\nmost = 1e-6")), 1, {1, 16, 16});
    CHECK(at::allclose(one.images(images, numbers(8), 0, standard(1)),
                       two.images(images, numbers(8), 0, standard(1)), 0, 1e-2));
}

TEST_CASE("flips are exact, along the axes that are named, half of the time") {
    const at::Tensor volumes = pictures({400, 1, 3, 4, 5}).to(at::kFloat);
    const Augment augment(rows("[[augment]]\nname = 'flip'\naxes = ['x', 'z']"), 1, {1, 3, 4, 5});
    // Where x / scale + mean is exact, values are too.
    const at::Tensor out = augment.images(volumes, numbers(400), 0, standard(1, 128, 1));
    std::int64_t seen[4] = {};
    for (std::int64_t i = 0; i < 400; ++i) {
        const at::Tensor is = out[i], was = volumes[i];
        const bool same = at::equal(is, was), x = at::equal(is, was.flip(-1)),
                   z = at::equal(is, was.flip(-3)), both = at::equal(is, was.flip({-1, -3}));
        CHECK(same + x + z + both == 1);
        ++seen[same ? 0 : x ? 1 : z ? 2 : 3];
    }
    for (const std::int64_t count : seen)
        CHECK(std::abs(static_cast<double>(count) - 100) < 40);  // 4.6 deviations
}

TEST_CASE("a quarter turn, a shift and a scale are where they should be") {
    // most = least draws exactly that of a factor; an angle is drawn from both sides of zero, so it is looked for.
    const at::Tensor image = blob(1, 33, 33, 0.08);
    const auto middle = [](const at::Tensor& x) {  // of mass, x and y, from the middle
        const at::Tensor y = at::arange(33, at::kFloat).view({33, 1}) - 16, mass = x.sum();
        return std::pair{((x * y.t()).sum() / mass).item<double>(), ((x * y).sum() / mass).item<double>()};
    };
    const auto [x0, y0] = middle(image[0][0]);
    const Standard plain = standard(1, 0, 1);
    const Augment larger(rows(row("scale", "least = 1.5\nmost = 1.5")), 1, {1, 33, 33});
    const auto [x1, y1] = middle(larger.images(image, numbers(1), 0, plain)[0][0]);
    CHECK(x1 == Approx(1.5 * x0).epsilon(0.05));
    CHECK(y1 == Approx(1.5 * y0).epsilon(0.05));
    const Augment turned(rows(row("rotate", "most = 90")), 1, {1, 33, 33});
    const at::Tensor many = image.expand({50, 1, 33, 33}).contiguous();
    const at::Tensor out = turned.images(many, numbers(50), 0, plain);
    for (std::int64_t i = 0; i < 50; ++i) {  // as far from the middle as before
        const auto [x, y] = middle(out[i][0]);
        CHECK(std::hypot(x, y) == Approx(std::hypot(x0, y0)).epsilon(0.05));
    }
    const Augment shifted(rows(row("translate", "most = 0.1\naxes = ['x']")), 1, {1, 33, 33});
    const at::Tensor moved = shifted.images(many, numbers(50), 0, plain);
    double least = 0, most = 0;
    for (std::int64_t i = 0; i < 50; ++i) {
        const auto [x, y] = middle(moved[i][0]);
        CHECK(y == Approx(y0).margin(0.05));
        least = std::min(least, x - x0);
        most = std::max(most, x - x0);
    }
    CHECK(most > 2);
    CHECK(most < 3.4);
    CHECK(least < -2);
    CHECK(least > -3.4);
}

TEST_CASE("a transform and its inverse give the image back") {
    // In a volume of 2 x 1 x 1 mm a turn by an angle and by its negative: the same numbers are drawn, with their sign turned.
    auto there = rows(row("rotate", "most = 40\nspacing = [2.0, 1.0, 1.0]\naxes = ['x']")), back = there;
    std::swap(back[0].least, back[0].most);
    const at::Tensor volume = blob(24, 40, 44);
    const Standard plain = standard(1, 0, 1);
    const Augment first(there, 9, {1, 24, 40, 44}), second(back, 9, {1, 24, 40, 44});
    const at::Tensor turned = first.images(volume, numbers(1, 3), 0, plain),
                     again = second.images(turned, numbers(1, 3), 0, plain);
    CHECK((turned - volume).abs().max().item<double>() > 0.05);
    CHECK((again - volume).abs().max().item<double>() < 0.03);
    // Brightness and its negative, the same.
    auto add = rows(row("brightness", "most = 2")), less = add;
    std::swap(less[0].least, less[0].most);
    const at::Tensor image = pictures({4, 1, 8, 8});
    const at::Tensor bright = Augment(add, 9, {1, 8, 8}).images(image, numbers(4), 0, standard(1));
    CHECK((bright - image).abs().max().item<double>() > 10);
    CHECK(at::allclose(Augment(less, 9, {1, 8, 8}).images(bright, numbers(4), 0, standard(1)),
                       image.to(at::kFloat), 0, 1e-3));
}

TEST_CASE("noise has the mean, deviation and tails of a normal distribution, and no two samples the same") {
    const at::Tensor zero = at::full({2, 1, 512, 512}, 100.0);
    const Augment augment(rows(row("noise", "least = 0.5\nmost = 0.5")), 1, {1, 512, 512});
    const at::Tensor out = (augment.images(zero, numbers(2), 0, standard(1)) - 100) * 0.02 / 0.5;
    for (std::int64_t i = 0; i < 2; ++i) {
        const at::Tensor one = out[i].flatten();
        CHECK(std::abs(one.mean().item<double>()) < 0.01);  // five of its own deviations
        CHECK(one.std().item<double>() == Approx(1).epsilon(0.01));
        CHECK((one.abs() > 1.959964).to(at::kDouble).mean().item<double>() == Approx(0.05).epsilon(0.05));
        CHECK((one.abs() > 3.290527).to(at::kDouble).mean().item<double>() == Approx(0.001).epsilon(0.35));
        for (const std::int64_t lag : {1, 2, 512}) {  // neighbours know nothing of each other
            const at::Tensor a = one.narrow(0, 0, one.numel() - lag),
                             b = one.narrow(0, lag, one.numel() - lag);
            CHECK(std::abs((a * b).mean().item<double>()) < 0.01);
        }
    }
    CHECK(std::abs((out[0] * out[1]).mean().item<double>()) < 0.01);
}

TEST_CASE("blur is a Gaussian of its deviation, and keeps what is level") {
    at::Tensor point = at::zeros({1, 1, 41, 41});
    point[0][0][20][20] = 1;
    const Augment augment(rows(row("blur", "least = 1.5\nmost = 1.5")), 1, {1, 41, 41});
    const at::Tensor out = augment.images(point, numbers(1), 0, standard(1, 0, 1))[0][0];
    CHECK(out.sum().item<double>() == Approx(1).epsilon(1e-4));
    const at::Tensor line = out.sum(0), at = at::arange(41, at::kFloat) - 20;
    CHECK(std::sqrt((line * at * at).sum().item<double>()) == Approx(1.5).epsilon(0.03));
    CHECK(at::allclose(out, out.t(), 0, 1e-7));
    const at::Tensor level = at::full({1, 1, 41, 41}, 7.0);
    CHECK(at::allclose(augment.images(level, numbers(1), 0, standard(1)), level, 0, 1e-3));
}

TEST_CASE("contrast and gamma keep a channel's range, brightness and gamma are what they say") {
    const at::Tensor images = pictures({20, 2, 9, 9}).to(at::kFloat);
    for (const char* name : {"contrast", "gamma"}) {
        const at::Tensor out =
            Augment(rows(row(name, "")), 1, {2, 9, 9}).images(images, numbers(20), 0, standard(2));
        CHECK((out.amax({2, 3}) <= images.amax({2, 3}) + 1e-3).all().item<bool>());
        CHECK((out.amin({2, 3}) >= images.amin({2, 3}) - 1e-3).all().item<bool>());
    }
    const at::Tensor gamma = Augment(rows(row("gamma", "least = 2\nmost = 2")), 1, {2, 9, 9})
                                 .images(images, numbers(20), 0, standard(2));
    const at::Tensor least = images.amin({2, 3}, true), range = images.amax({2, 3}, true) - least;
    CHECK(at::allclose(gamma, ((images - least) / range).square() * range + least, 1e-4, 1e-2));
    const at::Tensor bright = Augment(rows(row("brightness", "most = 0.5")), 1, {2, 9, 9})
                                  .images(images, numbers(20), 0, standard(2));
    const at::Tensor added = (bright - images).flatten(1);  // 0.5 deviations of 50 units
    CHECK(at::allclose(added.amax(1), added.amin(1), 0, 1e-2));
    CHECK(added.abs().max().item<double>() <= 25.01);
    CHECK(added.abs().max().item<double>() > 15);
    const at::Tensor level = at::full({1, 2, 9, 9}, 5.0);  // no range, no division by it
    CHECK(at::allclose(Augment(rows(row("gamma", "") + row("contrast", "")), 1, {2, 9, 9})
                           .images(level, numbers(1), 0, standard(2)),
                       level, 0, 1e-3));
}

TEST_CASE("low resolution takes detail away and leaves a plane") {
    const at::Tensor slope =
        at::arange(32, at::kFloat).view({1, 1, 1, 32}).expand({1, 1, 32, 32}).contiguous();
    const Augment augment(rows(row("low_resolution", "least = 0.5\nmost = 0.5")), 1, {1, 32, 32});
    const at::Tensor out = augment.images(slope, numbers(1), 0, standard(1, 0, 1));
    CHECK(at::allclose(out.narrow(3, 2, 28), slope.narrow(3, 2, 28), 0, 0.51));
    at::manual_seed(1);
    const at::Tensor rough = at::randn({1, 1, 32, 32});
    CHECK(augment.images(rough, numbers(1), 0, standard(1, 0, 1)).std().item<double>() < 0.8);
}

TEST_CASE("a mask goes where its image goes, and keeps its values") {
    for (const bool flat : {true, false}) {
        const std::int64_t depth = flat ? 1 : 20;
        const at::Tensor inside = (blob(depth, 30, 34) > 0.4).to(at::kByte);
        std::vector<std::int64_t> whole(inside.sizes().begin(), inside.sizes().end());
        whole[0] = 16;
        const at::Tensor mask = inside.expand(whole).contiguous() * 7;
        const std::vector<std::int64_t> shape(whole.begin() + 1, whole.end());
        const Augment augment(rows(kAll), 1, shape),
            geometry(rows("[[augment]]\nname = 'flip'\n" + row("rotate", "most = 30") + row("scale", "")), 1,
                     shape);
        const at::Tensor placed = geometry.masks(mask, numbers(16), 3);
        CHECK(placed.scalar_type() == at::kByte);
        CHECK(placed.sizes() == mask.sizes());
        CHECK(((placed == 0) | (placed == 7)).all().item<bool>());
        CHECK_FALSE(at::equal(placed, mask));
        const at::Tensor image = geometry.images(mask, numbers(16), 3, standard(1, 0, 1)) / 7;
        // The nearest pixel weighs an eighth or more in the interpolation.
        CHECK((placed.to(at::kFloat) / 7 - image).abs().max().item<double>() < 0.9);
        // Transforms of intensity do not touch it, and a type of class numbers that float32 does not hold stays exact.
        const at::Tensor wide = mask.to(at::kLong) * 100000007;
        const at::Tensor out = augment.masks(wide, numbers(16), 3);
        CHECK(((out == 0) | (out == 700000049)).all().item<bool>());
        // Without a channel of its own.
        CHECK(at::equal(geometry.masks(mask.select(1, 0), numbers(16), 3), placed.select(1, 0)));
    }
}

TEST_CASE("a crop is a part of the sample, made as large as the whole") {
    // Where each pixel comes from, along each axis; beyond the edge it would be that of the edge.
    const at::Tensor x = at::arange(40, at::kFloat).view({1, 40}).expand({32, 40}),
                     y = at::arange(32, at::kFloat).view({32, 1}).expand({32, 40}),
                     places = at::stack({x, y}).expand({60, 2, 32, 40}).contiguous();
    const Augment augment(rows(row("crop", "least = 0.5\nmost = 0.5")), 1, {2, 32, 40});
    const at::Tensor out = augment.images(places, numbers(60), 0, standard(2, 0, 1));
    double least = 40, most = 0;
    for (std::int64_t i = 0; i < 60; ++i) {
        const at::Tensor from = out[i][0][0];
        const double first = from[0].item<double>(), last = from[39].item<double>();
        CHECK(last - first == Approx(39 * 0.5).margin(0.3));  // at the edge a quarter pixel less
        CHECK(from[20].item<double>() - from[10].item<double>() == Approx(5).margin(1e-3));
        CHECK(out[i][1][20][0].item<double>() - out[i][1][10][0].item<double>() == Approx(5).margin(1e-3));
        least = std::min(least, first);
        most = std::max(most, last);
    }
    CHECK(least < 2);  // anywhere
    CHECK(most > 37);
}

TEST_CASE("crops around the foreground hold a pixel of a class, of each alike, on flipped samples too") {
    const bool is_volume = GENERATE(false, true);
    const std::vector<std::int64_t> sides =
        is_volume ? std::vector<std::int64_t>{8, 24, 30} : std::vector<std::int64_t>{24, 30};
    std::vector<std::int64_t> whole{200};
    whole.insert(whole.end(), sides.begin(), sides.end());
    // Of class 1 a corner pixel, of class 2 a hundred others, of the last samples nothing.
    at::Tensor mask = at::zeros(whole, at::kByte);
    mask.flatten(1).narrow(0, 0, 150).select(1, mask[0].numel() - 1).fill_(1);
    mask.flatten(1).narrow(0, 0, 150).narrow(1, 30, 100).fill_(2);
    const at::Tensor flat = mask.flatten(1).contiguous();
    std::vector<std::int64_t> shape{1};
    shape.insert(shape.end(), sides.begin(), sides.end());
    const Augment augment(
        rows("[[augment]]\nname = 'flip'\n" + row("crop", "least = 0.3\nmost = 0.3\nforeground = 1")), 1,
        shape),
        half(rows(row("crop", "foreground = 0.5")), 1, shape), none(rows(row("crop", "")), 1, shape);
    const auto centres = augment.centres(flat, numbers(200), 4);
    std::int64_t of_first = 0;
    for (std::int64_t i = 0; i < 200; ++i) {
        const auto& centre = centres[static_cast<std::size_t>(i)];
        CHECK(centre.size() == (i < 150 ? sides.size() : 0));
        if (centre.empty()) continue;
        at::Tensor value = mask[i];
        for (const std::int64_t place : centre) value = value[place];
        CHECK(value.item<int>() > 0);
        of_first += value.item<int>() == 1;
    }
    CHECK((of_first > 50 && of_first < 100));  // of 150, 4 deviations
    const at::Tensor out = augment.masks(mask, numbers(200), 4, centres).flatten(1);
    for (std::int64_t i = 0; i < 150; ++i) CHECK((out[i] > 0).any().item<bool>());
    const at::Tensor anywhere = augment.masks(mask, numbers(200), 4).flatten(1).narrow(0, 0, 150);
    CHECK((anywhere > 0).any(1).sum().item<std::int64_t>() < 140);
    // A function of seed, epoch and sample; asked for by the share that is said.
    CHECK(augment.centres(flat.narrow(0, 40, 10), numbers(10, 40), 4) ==
          Augment::Centres(centres.begin() + 40, centres.begin() + 50));
    CHECK(augment.centres(flat, numbers(200), 5) != centres);
    std::int64_t asked = 0;
    for (const auto& each : half.centres(flat, numbers(200), 4)) asked += !each.empty();
    CHECK((asked > 45 && asked < 105));
    for (const auto& each : none.centres(flat, numbers(200), 4)) CHECK(each.empty());
}

TEST_CASE("missing values are the mean where a sample changes, and a constant field stays one") {
    at::Tensor image = at::full({1, 1, 8, 8}, 100.0);
    image[0][0][3][3] = NAN;
    image[0][0][5][5] = INFINITY;
    const at::Tensor out =
        Augment(rows(row("blur", "")), 1, {1, 8, 8}).images(image, numbers(1), 0, standard(1));
    CHECK(at::allclose(out, at::full({1, 1, 8, 8}, 100.0), 0, 1e-3));
    const Standard constant = standard(1, 100, 0);
    CHECK(at::equal(Augment(rows(row("noise", "")), 1, {1, 8, 8}).images(image, numbers(1), 0, constant),
                    at::full({1, 1, 8, 8}, 100.0)));
}

TEST_CASE("what a transform does not know is refused") {
    for (const char* bad :
         {"name = 'turn'", "name = 'flip'\nmost = 1", "name = 'rotate'\nleast = 1",
          "name = 'scale'\naxes = ['x']", "name = 'flip'\naxes = ['w']",
          "name = 'scale'\nleast = 2\nmost = 1", "name = 'noise'\nmost = -1",
          "name = 'rotate'\nspacing = [0.0, 1.0]", "chance = 1", "name = 'elastic'\nsmoothness = 0.1",
          "name = 'noise'\nsmoothness = 3", "name = 'crop'\nforeground = 1.5", "name = 'crop'\nleast = 0.01",
          "name = 'scale'\nforeground = 0.5", "name = 'crop'\naxes = ['x']", "name = 'flip'\nchance = 1.5",
          "name = 'gamma'\nleast = 0"})
        CHECK_THROWS_AS(rows("[[augment]]\n" + std::string(bad)), core::Error);
    CHECK_THROWS_WITH(rows("[[augment]]\nname = 'rotat'"), Catch::Contains("rotate"));
    CHECK_THROWS_AS(Augment(rows(row("noise", "")), 1, {30}), core::Error);
    CHECK_THROWS_AS(Augment(rows(row("flip", "axes = ['z']")), 1, {1, 8, 8}), core::Error);
    CHECK_THROWS_AS(Augment(rows(row("rotate", "axes = ['x']")), 1, {1, 8, 8}), core::Error);
    CHECK_THROWS_AS(Augment(rows(row("rotate", "spacing = [1.0, 1.0, 1.0]")), 1, {1, 8, 8}), core::Error);
    CHECK_NOTHROW(Augment({}, 1, {30}));
}
