#include "staging/image/fields.h"

#include <numeric>

#include "core/base/error.h"
#include "staging/deid/cases.h"
#include "staging/image/fit.h"
#include "staging/image/mask.h"
#include "staging/image/pixels.h"

namespace staging {
namespace {

std::variant<core::Array, Rejection> numbers(const FieldChoice& choice, const Record& record) {
    core::Array array;
    for (std::size_t i = 0; i < choice.values.size(); ++i) {
        const std::optional<Value>& value = record.values[choice.values[i]];
        if ((!value || trimmed(value->bytes).empty()))
            return Rejection{Reason::missing_attribute, choice.rule.from[i]};
        // A backslash parts DICOM's numbers, and is a sign of none in a table.
        const bool is_one = value->vr != Vr{'U', 'T'} || value->bytes.find('\\') == std::string::npos;
        const auto real = is_one ? number(*value) : std::nullopt;
        if (!real || !(*real >= choice.rule.min && *real <= choice.rule.max))
            return Rejection{Reason::bad_value, choice.rule.from[i]};
        const auto put = [&](auto typed) {
            const auto* bytes = reinterpret_cast<const std::uint8_t*>(&typed);
            array.bytes.insert(array.bytes.end(), bytes, bytes + sizeof typed);
        };
        if (choice.field.dtype == core::DType::f32)
            put(static_cast<float>(*real));
        else
            put(*real);
    }
    return array;
}

// Millimetres along the axes behind the channels, of an image; empty if the file does not say.
std::vector<double> spacing_of(const Record& record, std::size_t axes) {
    if (record.frames.empty() || !record.frames.front().spacing) return {};
    const auto& [rows, columns] = *record.frames.front().spacing;
    if (!(rows > 0 && columns > 0)) return {};
    if (axes == 2) return {rows, columns};
    return {1, rows, columns};
}

void fit(core::Array& array, const FieldChoice& choice, const FitPlan& plan) {
    if (plan.changes(array.shape))
        array = apply_fit(array, choice.field.dtype, plan, Interpolation::linear, choice.padding.value_or(0));
}

// Of the largest array on the way to the field.
double most_bytes(const FieldChoice& choice, const FitPlan& plan, const std::vector<std::int64_t>& shape) {
    return most_elements(plan, shape) * static_cast<double>(core::bytes_of(choice.field.dtype));
}

std::variant<core::Array, Rejection> image(const Record& record, const FieldChoice& choice,
                                           const Limits& limits) {
    const std::vector<std::int64_t> shape = array_shape(record.pixels, choice);
    const auto plan = plan_fit(choice, shape, spacing_of(record, shape.size() - 1));
    const auto* fitted = std::get_if<FitPlan>(&plan);
    // Before anything of that size is there.
    const double bytes = most_bytes(choice, fitted ? *fitted : FitPlan{}, shape);
    if (bytes > static_cast<double>(limits.image_bytes))
        return Rejection{Reason::image_too_large,
                         bytes > kMostArrayBytes ? "more than 2 GiB" : "image_bytes"};
    auto array = pixels_to_array(record, choice);
    auto* pixels = std::get_if<core::Array>(&array);
    if (!pixels) return array;
    if (!fitted) return std::get<Rejection>(plan);
    fit(*pixels, choice, *fitted);
    return array;
}

}  // namespace

std::variant<std::vector<core::Array>, Rejection> fields_of(const Record& record,
                                                            const Definition& definition) {
    std::vector<core::Array> fields;
    for (const FieldChoice& choice : definition.fields) {
        auto array = !choice.rule.pixels                     ? numbers(choice, record)
                     : definition.kind == SampleKind::volume ? pixels_to_array(record, choice, true)
                                                             : image(record, choice, definition.limits);
        if (auto* rejection = std::get_if<Rejection>(&array)) return std::move(*rejection);
        fields.push_back(std::get<core::Array>(std::move(array)));
    }
    return fields;
}

std::vector<core::Cell> image_cells(const Record& record) {
    return {std::string(is_inverted(record) ? "yes" : "no")};
}

std::variant<VolumeCells, Rejection> volume_cells(const Definition& definition, const Stack& stack,
                                                  const std::vector<std::int64_t>& shape) {
    VolumeCells out;
    std::optional<FitPlan> first;
    for (const FieldChoice& choice : definition.fields) {
        auto plan = plan_fit(choice, shape, {stack.spacing.begin(), stack.spacing.end()});
        if (auto* rejected = std::get_if<Rejection>(&plan)) return std::move(*rejected);
        if (most_bytes(choice, std::get<FitPlan>(plan), shape) > kMostArrayBytes)
            return Rejection{Reason::series_too_large, ""};
        const auto& fitted = std::get<FitPlan>(plan).shape;
        out.bytes += std::accumulate(fitted.begin(), fitted.end(), std::uint64_t{1},
                                     [](std::uint64_t all, std::int64_t extent) {
                                         return all * static_cast<std::uint64_t>(extent);
                                     }) *
                     core::bytes_of(choice.field.dtype);
        if (!first) first = std::get<FitPlan>(std::move(plan));
    }
    if (out.bytes > kMostArrayBytes) return Rejection{Reason::series_too_large, ""};
    const Affine affine = fitted_affine(stack.affine, *first);
    for (std::size_t axis = 1; axis < 4; ++axis) out.cells.emplace_back(first->shape[axis]);
    for (std::size_t axis = 0; axis < 3; ++axis)
        out.cells.emplace_back(stack.spacing[axis] * (first->axes.empty() ? 1 : first->axes[axis].scale));
    out.cells.emplace_back(orientation_name(affine));
    out.cells.emplace_back(std::int64_t{stack.part});
    for (const double number : affine) out.cells.emplace_back(number);
    return out;
}

void finish_volume(core::Sample& sample, const Definition& definition, const std::array<double, 3>& spacing,
                   const Grid& grid, const Cut& cut) {
    for (std::size_t i = 0; i < definition.fields.size(); ++i)
        cut_off(sample.fields[i], definition.fields[i].field.dtype, grid, cut, cut.value);
    if (definition.masks) cut_off(sample.fields.at(definition.fields.size()), core::DType::u8, grid, cut, 0);
    for (std::size_t i = 0; i < definition.fields.size(); ++i) {
        const FieldChoice& choice = definition.fields[i];
        const auto plan = plan_fit(choice, sample.fields[i].shape, {spacing.begin(), spacing.end()});
        const auto* found = std::get_if<FitPlan>(&plan);
        if (!found) throw core::Error(core::Fault::bug, "a volume that was planned does not fit");
        fit(sample.fields[i], choice, *found);
    }
    if (definition.masks) fit_mask(sample.fields.at(definition.fields.size()), *definition.masks, spacing);
}

core::Id16 content_of_frame(const Record& record, std::uint32_t frame, const Pseudonyms& pseudonyms) {
    const Pixels& p = record.pixels;
    const std::size_t bytes = p.bytes.size() / p.frames;
    std::string form = std::to_string(p.rows) + "x" + std::to_string(p.columns) + "x" +
                       std::to_string(p.samples) + " " + std::string(pixel_type_name(p.type)) + " " +
                       p.photometric;
    if (!record.frames.empty()) {
        const Frame& meaning = record.frames[record.frames.size() == 1 ? 0 : frame];
        form += " " + std::to_string(meaning.slope.value_or(1)) + " " +
                std::to_string(meaning.intercept.value_or(0));
    }
    if (record.modality_table) {
        const auto& entries = record.modality_table->entries;
        const core::ByteView table(reinterpret_cast<const std::uint8_t*>(entries.data()), 2 * entries.size());
        form += " " + std::to_string(record.modality_table->first) + " " + core::to_hex(core::sha256(table));
    }
    return pseudonyms.of("frame", core::view(form), core::sha256(p.bytes.subspan(frame * bytes, bytes)));
}

core::Id16 content_of(const Record& record, const core::Sample& sample, const Pseudonyms& pseudonyms) {
    if (record.row == 0) {
        const Pixels& p = record.pixels;
        const std::string form = std::to_string(p.frames) + "x" + std::to_string(p.rows) + "x" +
                                 std::to_string(p.columns) + "x" + std::to_string(p.samples) + " " +
                                 std::string(pixel_type_name(p.type));
        return pseudonyms.of("pixels", core::view(form), p.sha256);
    }
    core::Bytes all;
    for (const core::Array& array : sample.fields)
        all.insert(all.end(), array.bytes.begin(), array.bytes.end());
    for (const core::Cell& cell : sample.columns) {
        std::string text;
        if (const auto* name = std::get_if<std::string>(&cell)) text = *name;
        if (const auto* integer = std::get_if<std::int64_t>(&cell)) text = std::to_string(*integer);
        if (const auto* id = std::get_if<core::Id16>(&cell)) text = core::to_hex(*id);
        if (const auto* real = std::get_if<double>(&cell))
            text.assign(reinterpret_cast<const char*>(real), sizeof *real);
        text += '\0';
        all.insert(all.end(), text.begin(), text.end());
    }
    return pseudonyms.of("row", {}, all);
}

}  // namespace staging
