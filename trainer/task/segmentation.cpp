// Each pixel is of one class: a field beside the image, the mask, has its value. Class 0 is the background.
#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "core/base/error.h"
#include "trainer/eval/masks.h"
#include "trainer/task/task.h"

namespace trainer {
namespace {

using core::Error;
using core::Fault;

constexpr std::size_t kMost = 255;  // classes: their numbers are bytes
constexpr std::uint8_t kNone = 255;

class Segmentation final : public Task {
public:
    // `spacing`: columns of a pixel's sides in mm, slowest axis first; none: distances are in pixels.
    Segmentation(const TaskOptions& options, core::Field mask, std::vector<std::string> spacing)
        : Task(options, options.classes), mask_(std::move(mask)), spacing_(std::move(spacing)) {
        number_.fill(kNone);
        for (std::size_t c = 0; c < outputs().size(); ++c)
            number_[options.values.empty() ? c : static_cast<std::size_t>(options.values[c])] =
                static_cast<std::uint8_t>(c);
        const auto& weights = options.loss.class_weights;
        if (!weights.empty() && weights.size() != outputs().size())
            throw Error(Fault::usage, "loss.class_weights: expected one for each of the " +
                                          std::to_string(outputs().size()) + " classes");
    }

    std::string needed() const override { return ""; }  // every sample of the dataset has its mask
    void ask(LoaderOptions& asked) const override {
        check_sizes(mask_.shape);
        asked.label = "";
        asked.beside = {mask_.name};
    }
    void ask_measured(LoaderOptions& asked) const override {
        ask(asked);
        asked.targets = spacing_;
    }
    ModelInput input(std::vector<std::int64_t> shape) const override {
        const bool is_in_patches = options().patch_axes > 0;
        check_sizes(shape);
        check_sizes(mask_.shape);
        const std::vector<std::int64_t> size = size_of(shape);
        std::vector<std::int64_t> with_channel{1};
        with_channel.insert(with_channel.end(), size.begin(), size.end());
        if (is_in_patches && size.size() != options().patch_axes)
            throw Error(Fault::usage, "patch.size has " + std::to_string(options().patch_axes) +
                                          " extents, and samples of the dataset have " +
                                          std::to_string(size.size()) + " axes");
        if (!is_in_patches && mask_.shape != size && mask_.shape != with_channel)
            throw Error(Fault::usage, "field " + mask_.name +
                                          " of the dataset is no mask of the images: its shape is another");
        return {std::move(shape), static_cast<std::int64_t>(outputs().size()), false, true};
    }

    // [n, size] uint8, the numbers of classes.
    at::Tensor target(const Batch& batch) const override {
        const at::Tensor& mask = batch.beside.at(0);
        if (batch.valid == 0) return at::zeros({0}, at::kByte);
        at::Tensor out = at::zeros({mask.size(0), mask[0].numel()}, at::kByte);
        auto* to = out.mutable_data_ptr<std::uint8_t>();
        for (std::int64_t i = 0; i < batch.valid; ++i) {
            check_spacing(batch, i);
            check_axes(batch, i);
            const at::Tensor mine =
                mask[i].to(mask.scalar_type() == at::kByte ? at::kByte : at::kLong).contiguous();
            const bool is_whole = mine.scalar_type() == at::kByte
                                      ? number(mine.const_data_ptr<std::uint8_t>(), mine.numel(), to)
                                      : number(mine.const_data_ptr<std::int64_t>(), mine.numel(), to);
            if (!is_whole)
                throw Error(Fault::data, name_of(batch, i) + ": its mask (field " + mask_.name +
                                             ") holds a value of no class (task.classes, task.values)");
            to += mine.numel();
        }
        return out;
    }

    at::Tensor loss(const Model& model, const at::Tensor& scores, const at::Tensor& target) const override {
        std::vector<std::int64_t> size{target.size(0)};
        for (const std::int64_t axis : size_of(model.input().shape)) size.push_back(axis);
        const at::Tensor mask = target.view(size);
        if (scores.dim() == mask.dim() + 1) return loss_of(options().loss, scores, mask);
        // Of several heads each counts half as much as the finer one before it (Isensee et al. 2021, supplement).
        at::Tensor sum;
        double weight = 1, weights = 0;
        for (std::int64_t head = 0; head < scores.size(1); ++head, weight /= 2) {
            const at::Tensor one = loss_of(options().loss, scores.select(1, head), mask) * weight;
            sum = sum.defined() ? sum + one : one;
            weights += weight;
        }
        return sum / weights;
    }

    at::Tensor said(const Model&, const at::Tensor& scores) const override {
        return at::softmax(scores.to(at::kFloat), 1);
    }
    std::size_t row_size() const override { return (outputs().size() - 1) * MaskFigures::kCount; }
    // Of each class but the background its figures: masks and scores stay on the rank that made them. The class that is
    // said is the one of the greatest score, or probability.
    at::Tensor rows(const Model&, const at::Tensor& scores, const at::Tensor& target, const Batch& batch,
                    const RowOptions& wanted) const override {
        const std::int64_t samples = target.size(0);
        const at::Tensor mine = scores.narrow(0, 0, samples);
        const std::vector<std::int64_t> size = mine.sizes().slice(2).vec();
        const auto extents = batch.beside.at(0).sizes();
        if (options().patch_axes > 0 && extents.slice(extents.size() - size.size()) != at::IntArrayRef(size))
            throw Error(Fault::data, name_of(batch, 0) + ": its mask (field " + mask_.name +
                                         ") is of another size than the image");
        const at::Tensor is_scored = at::isfinite(mine).flatten(1).all(1).to(at::kCPU);
        const at::Tensor said = mine.argmax(1).to(at::kByte).flatten(1), are = target.to(said.device());
        const at::Tensor said_here = said.to(at::kCPU).contiguous(), are_here = target.contiguous();
        const auto numbers = [](const at::Tensor& of, std::int64_t i) {
            return std::span(of.const_data_ptr<std::uint8_t>() + i * of.size(1),
                             static_cast<std::size_t>(of.size(1)));
        };
        const auto classes = static_cast<std::int64_t>(outputs().size());
        std::vector<at::Tensor> counts;  // [n, 3] of each class
        for (std::int64_t c = 1; c < classes; ++c) {
            const at::Tensor is = are == c, is_said = said == c;
            counts.push_back(at::stack({is.sum(1), is_said.sum(1), is.logical_and(is_said).sum(1)}, 1));
        }
        const at::Tensor all = at::stack(counts, 1).to(at::kCPU).contiguous();  // [n, classes, 3] int64
        const auto* count = all.const_data_ptr<std::int64_t>();
        at::Tensor out = at::empty({samples, static_cast<std::int64_t>(row_size())}, at::kDouble);
        auto* to = out.mutable_data_ptr<double>();
        for (std::int64_t i = 0; i < samples; ++i) {
            const bool has_score = is_scored[i].item<bool>();
            constexpr double kNot = std::numeric_limits<double>::quiet_NaN();
            std::vector<SurfaceFigures> surfaces(outputs().size() - 1, {kNot, kNot});
            if (has_score && wanted.has_surfaces)
                surfaces = surface_figures(numbers(are_here, i), numbers(said_here, i), outputs().size(),
                                           size, spacing_of(batch, i, size.size()),
                                           options().surface_tolerance, wanted.went_on);
            for (std::int64_t c = 1; c < classes; ++c, count += 3) {
                const SurfaceFigures& surface = surfaces[static_cast<std::size_t>(c - 1)];
                for (const double value : mask_figures(count[0], count[1], count[2], surface).all())
                    *to++ = has_score ? value : kNot;
            }
        }
        return out;
    }
    void add(Predictions& out, std::span<const double> row) const override {
        out.measured.insert(out.measured.end(), row.begin(), row.end());
        if (!spacing_.empty()) out.distance_unit = "mm";
    }

private:
    // Of a sample [C, H, W], [C, D, H, W] or [H, W].
    static std::vector<std::int64_t> size_of(const std::vector<std::int64_t>& shape) {
        return {shape.begin() + (shape.size() > 2 ? 1 : 0), shape.end()};
    }

    // `shape`: empty where each sample has its own.
    void check_sizes(const std::vector<std::int64_t>& shape) const {
        if (shape.empty() && options().patch_axes == 0)
            throw Error(
                Fault::usage,
                "samples of the dataset have sizes of their own: models are trained on parts of them "
                "(patch.size), or on samples of one size, to which staging fits them (fit of a field)");
    }
    static std::string name_of(const Batch& batch, std::int64_t i) {
        return "sample " + std::to_string(batch.sample[i].item<std::int64_t>());
    }
    // Of what is cut into patches nothing but this is known before it is read: a mask has one channel at most.
    void check_axes(const Batch& batch, std::int64_t i) const {
        const auto axes = static_cast<std::int64_t>(options().patch_axes);
        if (axes == 0) return;
        const auto shape = batch.beside.at(0).sizes().slice(1);
        std::int64_t channels = 1;
        for (std::int64_t a = 0; a + axes < std::ssize(shape); ++a)
            channels *= shape[static_cast<std::size_t>(a)];
        if (channels != 1 || std::ssize(shape) < axes)
            throw Error(Fault::data, name_of(batch, i) + ": its mask (field " + mask_.name +
                                         ") is none of an image of " + std::to_string(axes) + " axes");
    }
    void check_spacing(const Batch& batch, std::int64_t i) const {
        if (!batch.targets.defined() || batch.targets.numel() == 0) return;  // training asks for none
        for (std::size_t a = 0; a < spacing_.size(); ++a) {
            const auto side = batch.targets[i][static_cast<std::int64_t>(a)].item<double>();
            if (!(side > 0 && std::isfinite(side)))
                throw Error(Fault::data, name_of(batch, i) + ": column " + spacing_[a] +
                                             " says no distance between its pixels; evaluate.spacing = false "
                                             "measures in pixels");
        }
    }
    // Of the sample's last axes.
    std::vector<double> spacing_of(const Batch& batch, std::int64_t i, std::size_t axes) const {
        std::vector<double> out(axes, 1);
        for (std::size_t a = 0; a < axes && !spacing_.empty(); ++a)
            out[a] = batch.targets[i][static_cast<std::int64_t>(spacing_.size() - axes + a)].item<double>();
        return out;
    }

    // False if one of `values` is no class's.
    template <class T>
    bool number(const T* values, std::int64_t count, std::uint8_t* to) const {
        bool is_whole = true;
        for (std::int64_t i = 0; i < count; ++i) {
            const bool is_byte = sizeof(T) == 1 || (values[i] >= T{0} && values[i] <= T{255});
            to[i] = is_byte ? number_[static_cast<std::size_t>(values[i])] : kNone;
            is_whole = is_whole && to[i] != kNone;
        }
        return is_whole;
    }

    const core::Field mask_;
    const std::vector<std::string> spacing_;
    std::array<std::uint8_t, 256> number_{};  // of the class of each value
};

// Those that staging writes of volumes, of the voxels as they are in the dataset. Columns that a profile takes from the headers
// of images are of the pixels before staging fitted them: with those, distances would be wrong by as much as that scaled.
std::vector<std::string> spacing_columns(const core::Schema& schema) {
    const auto is_there = [&](const std::string& name) {
        return schema.has_column(name) && schema.columns[schema.column(name)].type == core::ColumnType::f64;
    };
    const std::vector<std::string> names{"spacing_k_mm", "spacing_j_mm", "spacing_i_mm"};
    return std::all_of(names.begin(), names.end(), is_there) ? names : std::vector<std::string>();
}

}  // namespace

std::unique_ptr<Task> make_segmentation(const TaskOptions& options, const core::Schema& schema) {
    const core::Field& mask = schema.fields[schema.field(options.mask)];
    if (mask.dtype == core::DType::f32 || mask.dtype == core::DType::f64)
        throw Error(Fault::usage, "field " + mask.name +
                                      " of the dataset holds real numbers: a mask holds numbers of classes");
    if (options.classes.size() > kMost)
        throw Error(Fault::usage, "task.classes: expected at most " + std::to_string(kMost));
    return std::make_unique<Segmentation>(
        options, mask, options.uses_spacing ? spacing_columns(schema) : std::vector<std::string>());
}

}  // namespace trainer
