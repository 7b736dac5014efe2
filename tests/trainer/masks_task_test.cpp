// The task segmentation: what it takes for a mask, its loss over several heads, and its rows against pixels counted by hand.
#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <cmath>

#include "core/base/error.h"
#include "trainer/eval/masks.h"
#include "trainer/task/task.h"

using namespace trainer;
using core::DType;

namespace {

core::Schema schema(std::vector<std::int64_t> shape = {1, 6, 5}, DType type = DType::u8) {
    core::Schema out;
    out.fields = {{"image", DType::u8, {1, 6, 5}, ""}, {"mask", type, std::move(shape), ""}};
    return out;
}

std::unique_ptr<Task> task(const core::Schema& of = schema(), std::vector<double> weights = {}) {
    TaskOptions options;
    options.name = "segmentation";
    options.columns.clear();
    options.mask = "mask";
    options.classes = {"nothing", "a", "b"};
    options.loss.name = "dice_cross_entropy";
    options.loss.class_weights = std::move(weights);
    return make_task(options, of);
}

Batch batch(const at::Tensor& mask) {
    Batch out;
    out.valid = mask.size(0);
    out.beside = {mask};
    out.sample = at::arange(40, 40 + out.valid);
    return out;
}

std::unique_ptr<Model> model() {
    return make_model(core::Config::parse("name = \"unet2d\"\nwidth = 8\nblocks = [1, 1]", "test"),
                      {{1, 8, 8}, 3, false, true}, 1);
}

}  // namespace

TEST_CASE("a mask is numbers of classes on the image's pixels") {
    for (const DType type : {DType::u8, DType::i16, DType::u16, DType::i64})
        CHECK(task(schema({6, 5}, type))->input({1, 6, 5}).is_dense);
    CHECK(task()->input({6, 5}).outputs == 3);
    CHECK_THROWS_WITH(task(schema({1, 6, 5}, DType::f32)), Catch::Contains("real numbers"));
    CHECK_THROWS_WITH(task()->input({1, 5, 6}), Catch::Contains("no mask of the images"));
    CHECK_THROWS_WITH(task(schema({}))->input({1, 6, 5}), Catch::Contains("sizes of their own"));
    CHECK_THROWS_WITH(task(schema(), {1, 1}), Catch::Contains("class_weights"));
    core::Schema none = schema();
    none.fields.pop_back();
    CHECK_THROWS_AS(task(none), core::Error);
}

TEST_CASE("a value that is the number of no class is told with its sample") {
    at::Tensor mask = at::randint(3, {4, 1, 6, 5}, at::kByte);
    CHECK(at::equal(task()->target(batch(mask)), mask.flatten(1)));
    mask[2][0][1][1] = 3;
    CHECK_THROWS_WITH(task()->target(batch(mask)), Catch::Contains("sample 42"));
    at::Tensor wide = at::randint(3, {4, 6, 5}, at::kShort);
    CHECK(at::equal(task()->target(batch(wide)), wide.flatten(1).to(at::kByte)));
    wide[3][0][0] = -1;
    CHECK_THROWS_WITH(task()->target(batch(wide)), Catch::Contains("sample 43"));
    wide[3][0][0] = 257;  // a 1, were it cut off
    CHECK_THROWS_WITH(task()->target(batch(wide)), Catch::Contains("sample 43"));
}

TEST_CASE("the values of classes are the recipe's") {
    const auto options = [](const std::string& more) {
        const auto table = [](const std::string& toml) { return core::Config::parse(toml, "test"); };
        return TaskOptions::from(table("name = 'segmentation'\nclasses = ['nothing', 'a', 'b']\n" + more),
                                 table(""), table(""));
    };
    CHECK(options("").values.empty());
    CHECK(options("values = [0, 1, 2]").values.empty());  // the same run
    CHECK(options("values = [0, 255, 7]").values == std::vector<std::int64_t>{0, 255, 7});
    for (const char* wrong : {"values = []", "values = [0, 1]", "values = [0, 1, 1]", "values = [0, 1, 256]",
                              "values = [-1, 0, 1]"})
        CHECK_THROWS_WITH(options(wrong), Catch::Contains("values"));

    const auto of = make_task(options("values = [0, 255, 7]"), schema());
    at::Tensor mask = at::zeros({2, 1, 6, 5}, at::kByte), numbers = at::zeros({2, 30}, at::kByte);
    mask[0][0][1][0] = 255;
    numbers[0][5] = 1;
    mask[1][0][5][4] = 7;
    numbers[1][29] = 2;
    CHECK(at::equal(of->target(batch(mask)), numbers));
    CHECK(at::equal(make_task(options("values = [0, 255, 7]"), schema({1, 6, 5}, DType::i16))
                        ->target(batch(mask.to(at::kShort))),
                    numbers));
    mask[1][0][2][2] = 1;  // a class's number, and no value
    CHECK_THROWS_WITH(of->target(batch(mask)), Catch::Contains("sample 41"));
}

TEST_CASE("several heads count by half of the finer one") {
    const auto of = model();
    const at::Tensor mask = at::randint(3, {2, 64}, at::kByte), scores = at::randn({2, 3, 3, 8, 8});
    const auto loss = [&](const at::Tensor& each) { return task()->loss(*of, each, mask).item<double>(); };
    const double expected =
        (4 * loss(scores.select(1, 0)) + 2 * loss(scores.select(1, 1)) + loss(scores.select(1, 2))) / 7;
    CHECK(loss(scores) == Approx(expected).epsilon(1e-5));
}

TEST_CASE("rows are the figures of each class, and samples behind the target are left off") {
    const auto of = model();
    at::manual_seed(4);
    const at::Tensor mask = at::randint(3, {2, 64}, at::kByte);
    at::Tensor scores = at::randn({4, 3, 8, 8});
    const at::Tensor rows = task()->rows(*of, scores, mask, batch(mask), {}),
                     said = scores.argmax(1).flatten(1);
    REQUIRE(rows.sizes().vec() == std::vector<std::int64_t>{2, 12});
    for (std::int64_t i = 0; i < 2; ++i)
        for (std::int64_t c = 1; c < 3; ++c) {
            std::int64_t are = 0, told = 0, both = 0;
            for (std::int64_t at = 0; at < 64; ++at) {
                const bool is = mask[i][at].item<std::int64_t>() == c,
                           is_said = said[i][at].item<std::int64_t>() == c;
                are += is;
                told += is_said;
                both += is && is_said;
            }
            const auto numbers = [](const at::Tensor& each) {
                const at::Tensor bytes = each.to(at::kByte).contiguous();
                return std::vector<std::uint8_t>(bytes.const_data_ptr<std::uint8_t>(),
                                                 bytes.const_data_ptr<std::uint8_t>() + 64);
            };
            const SurfaceFigures surface = surface_figures(numbers(mask[i]), numbers(said[i]), 3, {8, 8},
                                                           {1, 1}, 1, [] {})[static_cast<std::size_t>(c - 1)];
            const auto expected = mask_figures(are, told, both, surface).all();
            for (std::size_t k = 0; k < expected.size(); ++k)
                CHECK(rows[i][(c - 1) * 6 + static_cast<std::int64_t>(k)].item<double>() == expected[k]);
        }
    scores[1][0][3][3] = NAN;
    const at::Tensor unscored = task()->rows(*of, scores, mask, batch(mask), {});
    CHECK(at::isnan(unscored[1]).all().item<bool>());
    CHECK(at::equal(unscored[0], rows[0]));
}

TEST_CASE("distances are in mm where the dataset has a spacing, and a sample without one is named") {
    core::Schema with = schema();
    for (const char* name : {"spacing_k_mm", "spacing_j_mm", "spacing_i_mm"})
        with.columns.push_back({name, core::ColumnType::f64, {}});
    const auto in_mm = task(with);
    LoaderOptions asked;
    in_mm->ask(asked);
    CHECK(asked.targets.empty());  // training needs none
    in_mm->ask_measured(asked);
    CHECK(asked.targets == std::vector<std::string>{"spacing_k_mm", "spacing_j_mm", "spacing_i_mm"});
    at::Tensor mask = at::zeros({2, 64}, at::kByte), scores = at::zeros({2, 3, 8, 8});
    mask[0][8 * 3 + 3] = mask[1][8 * 3 + 3] = 1;
    scores[0][1][6][3] = scores[1][1][3][6] = 1;  // three pixels below, and to the right
    Batch of = batch(mask);
    of.targets = at::tensor({9.0, 0.5, 2.0, 9.0, 0.5, 2.0}, at::kDouble).view({2, 3});
    const at::Tensor rows = in_mm->rows(*model(), scores, in_mm->target(of), of, {});
    CHECK(rows[0][4].item<double>() == Approx(1.5));  // of an image's axes the last two
    CHECK(rows[1][4].item<double>() == Approx(6));
    Predictions told, in_pixels;
    in_mm->add(told, std::vector<double>(12, 0));
    CHECK(told.distance_unit == "mm");
    task()->add(in_pixels, std::vector<double>(12, 0));
    CHECK(in_pixels.distance_unit == "voxel");
    for (const double wrong : {0.0, -1.0, double{NAN}}) {
        of.targets[1][2] = wrong;
        CHECK_THROWS_WITH(in_mm->target(of), Catch::Contains("sample 41: column spacing_i_mm"));
    }
    // Of the pixels in the header, not of those that staging made of them.
    core::Schema of_headers = schema();
    for (const char* name : {"spacing_row_mm", "spacing_column_mm"})
        of_headers.columns.push_back({name, core::ColumnType::f64, {}});
    LoaderOptions nothing;
    task(of_headers)->ask_measured(nothing);
    CHECK(nothing.targets.empty());
}

TEST_CASE("surfaces are looked at where they are wanted, and each class is a sign of going on") {
    const auto of = model();
    at::manual_seed(4);
    const at::Tensor mask = at::randint(3, {2, 64}, at::kByte), scores = at::randn({2, 3, 8, 8});
    int signs = 0;
    const auto count = [&] { ++signs; };
    const at::Tensor with = task()->rows(*of, scores, mask, batch(mask), {true, false, count});
    CHECK(signs == 4);
    const at::Tensor without = task()->rows(*of, scores, mask, batch(mask), {false, false, count});
    CHECK(signs == 4);
    for (const std::int64_t row : {0, 1})
        for (std::int64_t k = 0; k < 12; ++k)
            CHECK((k % 6 < 4 ? without[row][k].item<double>() == with[row][k].item<double>()
                             : std::isnan(without[row][k].item<double>())));
}
