#include "trainer/loader/inputs.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "core/base/error.h"
#include "core/shard/tiles.h"
#include "trainer/loader/convert.h"
#include "trainer/loader/random.h"

namespace trainer {
namespace {

using core::Error;
using core::Fault;
using Shape = std::vector<std::int64_t>;

std::size_t elements(const Shape& shape) {
    std::size_t count = 1;
    for (const std::int64_t extent : shape) count *= static_cast<std::size_t>(extent);
    return count;
}

std::string text_of(const Shape& shape) {
    std::string text;
    for (const std::int64_t extent : shape) text += (text.empty() ? "" : " x ") + std::to_string(extent);
    return text;
}

// Zeros in front: core::extent_of has ones there, as shapes have.
core::Extent place_of(const Shape& origin) {
    core::Extent place{};
    std::copy(origin.begin(), origin.end(), place.end() - static_cast<std::ptrdiff_t>(origin.size()));
    return place;
}

template <class T>
std::array<std::uint8_t, 8> element(double value, const std::string& field) {
    using Limits = std::numeric_limits<T>;
    bool is_one = true;
    if constexpr (std::is_integral_v<T>)  // the upper bound of 64 bits is not a double: below it, then
        is_one = value >= static_cast<double>(Limits::lowest()) && value < std::ldexp(1.0, Limits::digits) &&
                 std::trunc(value) == value;
    else
        is_one = !std::isfinite(value) || std::abs(value) <= static_cast<double>(Limits::max());
    if (!is_one)
        throw Error(Fault::usage, "the fill of a crop must be a value that the field " + field + " can have");
    const auto typed = static_cast<T>(value);
    std::array<std::uint8_t, 8> bytes{};
    std::memcpy(bytes.data(), &typed, sizeof typed);
    return bytes;
}

std::array<std::uint8_t, 8> element(core::DType type, double value, const std::string& field) {
    switch (type) {
        case core::DType::u8:
            return element<std::uint8_t>(value, field);
        case core::DType::i8:
            return element<std::int8_t>(value, field);
        case core::DType::u16:
            return element<std::uint16_t>(value, field);
        case core::DType::i16:
            return element<std::int16_t>(value, field);
        case core::DType::u32:
            return element<std::uint32_t>(value, field);
        case core::DType::i32:
            return element<std::int32_t>(value, field);
        case core::DType::i64:
            return element<std::int64_t>(value, field);
        case core::DType::f32:
            return element<float>(value, field);
        case core::DType::f64:
            break;
    }
    return element<double>(value, field);
}

// The shape of the field's samples, or of the first one where each has its own.
Shape first_shape(const Dataset& dataset, std::size_t field) {
    const core::Field& of = dataset.schema().fields[field];
    return of.ragged() ? dataset.shard(0)->reader.shape(field, 0) : of.shape;
}

// A sample of `shape`, cropped; none if there is no such crop of it.
std::optional<Shape> cropped(Shape shape, const Shape& extent) {
    if (extent.empty() || extent.size() > shape.size()) return std::nullopt;
    std::copy(extent.begin(), extent.end(), shape.end() - static_cast<std::ptrdiff_t>(extent.size()));
    return shape;
}

}  // namespace

Cut cut_of(const Crop& crop, const Shape& shape, std::uint64_t seed, std::int64_t draw, std::int64_t sample) {
    constexpr std::uint64_t kOfCrops = 0x43524F5053;  // another stream than that of the order
    Random random(seed ^ kOfCrops, static_cast<std::uint64_t>(draw), static_cast<std::uint64_t>(sample));
    Cut cut;
    const std::size_t whole = shape.size() - std::min(shape.size(), crop.extent.size());
    const Shape around = crop.around ? crop.around(draw, sample) : Shape();
    for (std::size_t i = whole; i < shape.size(); ++i) {
        const std::int64_t room = shape[i] - crop.extent[i - whole];
        if (room > 0 && i - whole < around.size())
            cut.origin.push_back(
                std::clamp<std::int64_t>(around[i - whole] - crop.extent[i - whole] / 2, 0, room));
        else if (room > 0 && crop.place == Crop::Place::random)
            cut.origin.push_back(
                static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(room) + 1)));
        else
            cut.origin.push_back(room / 2);
        cut.of.push_back(shape[i]);
    }
    return cut;
}

Inputs::Inputs(const Dataset& dataset, std::size_t field, const std::optional<Normalise>& normalise,
               const std::optional<Crop>& crop, std::int64_t most, const MemoryHook& hook)
    : index_(field), field_(dataset.schema().fields[field]), normalise_(normalise), crop_(crop) {
    const auto refuse = [&](const std::string& text) {
        throw Error(Fault::usage, dataset.id() + ": " + text);
    };
    if (!field_.ragged()) shape_ = field_.shape;
    if (crop_) {
        const auto is_positive = [](std::int64_t extent) {
            return extent > 0 && extent <= (std::int64_t{1} << 20);
        };
        const Shape whole = first_shape(dataset, field);
        shape_ = cropped(whole, crop_->extent);
        if (!shape_ || !std::all_of(crop_->extent.begin(), crop_->extent.end(), is_positive))
            refuse("a crop has 1 to 4 extents from 1 to 2^20, and no more than a sample of the field " +
                   field_.name + " has dimensions: the first is " + text_of(whole));
        fill_ = element(field_.dtype, crop_->fill, field_.name);
    }
    if (!shape_ && most != 1)
        refuse("samples of the field " + field_.name +
               " differ in shape: give a crop, which makes them equal, or a batch size of 1");
    if (normalise_) {
        // Of a crop through the first dimension nobody knows which channels it has.
        const bool has_channels = shape_ && !(crop_ && crop_->extent.size() == shape_->size());
        const std::size_t channels = has_channels ? static_cast<std::size_t>(shape_->front()) : 1;
        const auto fits = [&](std::size_t n) { return n == 1 || n == channels; };
        if (!fits(normalise_->scale.size()) || !fits(normalise_->offset.size()))
            refuse("scale and offset have one entry, or one for each of the field's " +
                   std::to_string(channels) + " channels");
    }
    // So that no size overflows; whether there is so much memory, buffers find.
    constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 46;
    std::uint64_t bytes = sizeof(double) * static_cast<std::uint64_t>(most);
    for (const std::int64_t extent : shape_.value_or(Shape{})) {
        if (bytes > kMostBytes / static_cast<std::uint64_t>(extent))
            refuse("a batch of " + std::to_string(most) + " samples of " + text_of(*shape_) +
                   " is more than any machine holds");
        bytes *= static_cast<std::uint64_t>(extent);
    }
    buffers_ = std::make_shared<Buffers>(static_cast<std::size_t>(most) * out_bytes(), hook);
}

std::size_t Inputs::raw_bytes() const noexcept {
    return shape_ ? elements(*shape_) * core::bytes_of(field_.dtype) : 0;
}

std::size_t Inputs::out_bytes() const noexcept {
    return normalise_ ? raw_bytes() / core::bytes_of(field_.dtype) * sizeof(float) : raw_bytes();
}

RawArray Inputs::make(std::int64_t valid) const {
    RawArray array;
    array.dtype = normalise_ ? core::DType::f32 : field_.dtype;
    if (shape_) array.shape = *shape_;
    array.shape.insert(array.shape.begin(), valid);
    if (shape_ && valid > 0) array.memory = buffers_->take();
    return array;
}

void Inputs::read(const From& from, RawArray& to, std::size_t place) const {
    if (!shape_) {
        core::Array array = from.reader.array(index_, from.row);
        to.shape = array.shape;
        to.shape.insert(to.shape.begin(), 1);
        auto memory = std::make_shared<core::Bytes>(std::move(array.bytes));
        if (normalise_) {
            const auto raw = std::exchange(memory, std::make_shared<core::Bytes>());
            memory->resize(raw->size() / core::bytes_of(field_.dtype) * sizeof(float));
            convert(raw->data(), raw->size(), reinterpret_cast<float*>(memory->data()));
        }
        to.memory = {memory, memory->data()};
        return;
    }
    std::uint8_t* const out = to.memory.get() + place * out_bytes();
    thread_local core::Bytes raw;
    std::uint8_t* stored = out;
    if (normalise_) {
        raw.resize(raw_bytes());
        stored = raw.data();
    }
    if (crop_)
        read_crop(from, stored);
    else
        from.reader.read(index_, from.row, {stored, raw_bytes()}, from.next);
    if (normalise_) convert(stored, raw_bytes(), reinterpret_cast<float*>(out));
}

void Inputs::read_crop(const From& from, std::uint8_t* to) const {
    const Shape shape = from.reader.shape(index_, from.row);
    const auto refuse = [&](const std::string& why) {
        throw Error(Fault::data, "/fields/" + field_.name + " sample " + std::to_string(from.sample) +
                                     " of the dataset has the shape " + text_of(shape) + ": " + why);
    };
    if (cropped(shape, crop_->extent) != shape_)
        refuse("this crop does not bring it to the " + text_of(*shape_) + " of the others");
    const std::size_t whole = shape.size() - crop_->extent.size();
    Shape origin(shape.size(), 0), part = shape, inside(shape.size(), 0);
    for (std::size_t i = whole; i < shape.size(); ++i) {
        const std::int64_t begin = from.cut.origin[i - whole], end = begin + crop_->extent[i - whole];
        if (from.cut.of[i - whole] != shape[i])
            refuse("another extent than that of the field it lies beside");
        origin[i] = std::max<std::int64_t>(begin, 0);
        part[i] = std::min(end, shape[i]) - origin[i];
        inside[i] = origin[i] - begin;
    }
    const std::size_t size = core::bytes_of(field_.dtype);
    if (part == *shape_) return from.reader.read_box(index_, from.row, origin, part, {to, raw_bytes()});
    thread_local core::Bytes there;
    there.resize(elements(part) * size);
    from.reader.read_box(index_, from.row, origin, part, there);
    for (std::size_t at = 0; at < raw_bytes(); at += size) std::memcpy(to + at, fill_.data(), size);
    core::copy_box(to, core::extent_of(*shape_), place_of(inside), there.data(), core::extent_of(part), {},
                   core::extent_of(part), size);
}

void Inputs::convert(const std::uint8_t* raw, std::size_t bytes, float* out) const {
    const std::size_t channels = std::max(normalise_->scale.size(), normalise_->offset.size());
    const std::size_t count = bytes / core::bytes_of(field_.dtype) / channels;
    for (std::size_t c = 0; c < channels; ++c)
        to_float(field_.dtype, raw + c * bytes / channels, count,
                 normalise_->scale[c % normalise_->scale.size()],
                 normalise_->offset[c % normalise_->offset.size()], out + c * count);
}

}  // namespace trainer
