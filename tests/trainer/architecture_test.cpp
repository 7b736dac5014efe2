// The gate's rules of which tensors a model has (jobs/release/architecture.h) against the models themselves.
#include "jobs/release/architecture.h"

#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <map>

#include "core/base/error.h"
#include "trainer/model/model.h"

namespace {

std::map<std::string, std::vector<std::int64_t>> built(const trainer::Model& model) {
    std::map<std::string, std::vector<std::int64_t>> out;
    for (const auto& each : model.state()) {
        CHECK(each.tensor.scalar_type() == at::kFloat);
        out[each.name] = each.tensor.sizes().vec();
    }
    return out;
}

}  // namespace

TEST_CASE("the gate expects exactly the tensors that the trainer builds") {
    struct Case {
        std::string options;
        std::vector<std::int64_t> shape;
        std::int64_t classes;
        std::string task = "";
    };
    const Case cases[] = {
        {"name = \"mlp\"", {30}, 2},
        {"name = \"mlp\"\nhidden = [7]\ndropout = 0.25", {4}, 3},
        {"name = \"mlp\"\nhidden = [64, 32, 16, 8, 4]", {1}, 10},
        {"name = \"mlp\"", {30}, 1, "regression"},
        {"name = \"resnet2d\"", {8, 8}, 4, "multilabel"},
        {"name = \"resnet2d\"", {8, 8}, 10},
        {"name = \"resnet2d\"\nwidth = 24\nblocks = [2]\ndropout = 0.5", {3, 32, 32}, 2},
        {"name = \"resnet2d\"\nwidth = 8\nblocks = [1, 2, 3, 1]\nstem = \"large\"", {2, 64, 64}, 5},
        {"name = \"resnet2d\"\nwidth = 16\nblocks = [2, 2, 2, 2]\nstem = \"large\"", {1, 224, 224}, 3},
        {"name = \"resnet2d\"\nwidth = 16\nblocks = [1, 2]\nnorm = \"fixed\"", {3, 64, 64}, 5},
        {"name = \"resnet2d\"\nwidth = 8\nblocks = [1, 2]\nblock = \"bottleneck\"", {1, 32, 32}, 2},
        {"name = \"resnet2d\"\nblock = \"bottleneck\"\nnorm = \"fixed\"\nstem = \"large\"", {3, 64, 64}, 4},
        {"name = \"densenet2d\"", {3, 224, 224}, 5},
        {"name = \"densenet2d\"\nwidth = 24\ngrowth = 8\nblocks = [3]\nstem = \"small\"", {8, 8}, 2},
        {"name = \"densenet2d\"\ngrowth = 16\nblocks = [1, 2]\nnorm = \"fixed\"\ndropout = 0.25",
         {1, 32, 32},
         1,
         "regression"},
        {"name = \"densenet3d\"\nwidth = 8\ngrowth = 8\nblocks = [2, 1, 3]", {2, 9, 32, 33}, 3, "multilabel"},
        {"name = \"unet2d\"", {32, 33}, 2, "segmentation"},
        {"name = \"unet2d\"\nwidth = 16\nblocks = [1, 1, 3]\ndeep_supervision = false",
         {3, 16, 31},
         4,
         "segmentation"},
        {"name = \"unet2d\"\nwidth = 256\nblocks = [1, 1, 1]\nnorm = \"group\"",
         {1, 16, 16},
         2,
         "segmentation"},
        {"name = \"unet3d\"\nwidth = 8\nblocks = [1, 1, 1, 1]", {2, 9, 32, 33}, 3, "segmentation"}};
    for (const Case& each : cases) {
        INFO(each.options);
        const auto options = core::Config::parse(each.options, "test");
        const auto model = trainer::make_model(
            options, {each.shape, each.classes, each.task == "regression", each.task == "segmentation"}, 1);
        const auto expected = jobs::architecture_of(model->toml(), each.shape, each.classes, each.task);
        std::map<std::string, std::vector<std::int64_t>> tensors;
        for (const auto& rule : expected.tensors) tensors[rule.name] = rule.shape;
        CHECK(tensors == built(*model));
        CHECK(expected.model == model->toml());  // so the trainer reads what the gate writes
        CHECK(expected.model ==
              jobs::architecture_of(each.options, each.shape, each.classes, each.task).model);
    }
}

TEST_CASE("what the trainer refuses to build, the gate refuses") {
    struct Case {
        std::string options;
        std::vector<std::int64_t> shape;
        std::string task = "";
    };
    const Case cases[] = {{"name = \"mlp\"", {3, 8, 8}},
                          {"name = \"resnet2d\"", {30}},
                          {"name = \"mlp\"\nhidden = [0]", {30}},
                          {"name = \"resnet2d\"\nwidth = 12", {8, 8}},
                          {"name = \"resnet2d\"\nstem = \"x\"", {8, 8}},
                          {"name = \"resnet2d\"\nblocks = [0]", {8, 8}},
                          {"name = \"resnet2d\"\nnorm = \"batch\"", {8, 8}},
                          {"name = \"resnet2d\"\nblock = \"wide\"", {8, 8}},
                          {"name = \"densenet2d\"", {1, 16, 16, 16}},
                          {"name = \"densenet2d\"\nwidth = 12", {8, 8}},
                          {"name = \"densenet2d\"\ngrowth = 12", {8, 8}},
                          {"name = \"densenet2d\"\nblocks = [0]", {8, 8}},
                          {"name = \"densenet2d\"\nstem = \"x\"", {8, 8}},
                          {"name = \"densenet2d\"\nnorm = \"batch\"", {8, 8}},
                          {"name = \"densenet2d\"\ndropout = 1", {8, 8}},
                          {"name = \"densenet2d\"", {64, 64}, "segmentation"},
                          {"name = \"densenet3d\"", {1, 64, 64}},
                          {"name = \"vit\"", {8, 8}},
                          {"name = \"mlp\"\ndropout = 1", {30}},
                          {"name = \"unet2d\"", {64, 64}},  // of whole samples
                          {"name = \"unet2d\"", {16, 16}, "segmentation"},
                          {"name = \"unet2d\"", {1, 64, 64, 64}, "segmentation"},
                          {"name = \"unet2d\"\nwidth = 12", {64, 64}, "segmentation"},
                          {"name = \"unet2d\"\nblocks = [2]", {64, 64}, "segmentation"},
                          {"name = \"unet2d\"\nnorm = \"batch\"", {64, 64}, "segmentation"},
                          {"name = \"unet3d\"", {64, 64, 64}, "segmentation"},
                          {"name = \"unet3d\"\nwidth = 512", {1, 64, 64, 64}, "segmentation"},
                          {"name = \"resnet2d\"", {64, 64}, "segmentation"}};
    for (const Case& each : cases) {
        INFO(each.options);
        const bool is_dense = each.task == "segmentation";
        CHECK_THROWS_AS(trainer::make_model(core::Config::parse(each.options, "test"),
                                            {each.shape, 2, false, is_dense}, 1),
                        core::Error);
        CHECK_THROWS_AS(jobs::architecture_of(each.options, each.shape, 2, each.task), core::Error);
    }
}
