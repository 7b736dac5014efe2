#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "trainer/loader/buffers.h"
#include "trainer/loader/dataset.h"

namespace trainer {

// One field of a batch, in memory.
struct RawArray {
    std::shared_ptr<std::uint8_t> memory;  // null if the batch has no sample
    // [valid, ...] as the samples' shape, C order; [0] if each sample has its own and the batch has none.
    std::vector<std::int64_t> shape;
    core::DType dtype = core::DType::u8;  // the field's, or f32 if normalised
};

// float32 = value * scale + offset; one entry for all channels, or one per channel (first dimension).
struct Normalise {
    std::vector<float> scale{1.0F}, offset{0.0F};
};

// A part of each sample, of one extent for all: a patch of a volume, and what makes volumes of different sizes fit
// one batch. Dimensions before those of `extent` (channels) are taken whole and must be the same in all samples.
struct Crop {
    enum class Place {
        centre,
        random,  // another each time: a function of (seed, epoch, sample, which of the epoch's)
    };
    std::vector<std::int64_t> extent;  // of the last dimensions, slowest first
    Place place = Place::centre;
    // In the field's own values, where a sample is smaller: it lies in the middle then, by whichever place.
    double fill = 0;
    double fill_beside = 0;  // of the fields beside it
    // The pixel around which a sample is cropped for the `draw`-th time, a number for each dimension of the extent; the
    // crop stays inside the sample. Empty: by `place`. Many threads call it.
    std::function<std::vector<std::int64_t>(std::int64_t draw, std::int64_t sample)> around = {};
};

// Where a sample is cropped, a number for each dimension of the extent.
struct Cut {
    std::vector<std::int64_t> origin;  // below 0: it begins with that much of the fill
    std::vector<std::int64_t> of;      // the sample's own extent
};
// `shape` is the sample's, `sample` its number in the dataset, `draw` that of its crops over all epochs.
Cut cut_of(const Crop& crop, const std::vector<std::int64_t>& shape, std::uint64_t seed, std::int64_t draw,
           std::int64_t sample);

// How the samples of one field come into batches: whole or cropped, in their own numbers or as float32.
class Inputs {
public:
    // `most`: samples of a batch. Throws Error(usage) if the dataset's samples, by its first one, cannot be
    // cropped so, the fill is no value of the field, or scale and offset do not fit the channels.
    Inputs(const Dataset& dataset, std::size_t field, const std::optional<Normalise>& normalise,
           const std::optional<Crop>& crop, std::int64_t most, const MemoryHook& hook = {});

    // Of a sample in a batch; empty if each has its own.
    std::vector<std::int64_t> shape() const { return shape_.value_or(std::vector<std::int64_t>()); }
    // Memory and shape for a batch; without memory if each sample brings its own.
    RawArray make(std::int64_t valid) const;

    struct From {
        const core::ShardReader& reader;
        std::int64_t row, next;  // in the shard; `next` is read after it, or -1
        std::int64_t sample;     // its number in the dataset
        // That of the field which is cropped, for those beside it too; without a crop not looked at.
        const Cut& cut;
    };
    // Fills sample `place` of a batch. Throws Error(data) that names the sample if a byte was changed or it has a
    // shape of which this crop makes no batch.
    void read(const From& from, RawArray& to, std::size_t place) const;

private:
    void read_crop(const From& from, std::uint8_t* to) const;
    void convert(const std::uint8_t* raw, std::size_t bytes, float* out) const;
    std::size_t raw_bytes() const noexcept;  // of a sample in a batch, before it is converted
    std::size_t out_bytes() const noexcept;

    const std::size_t index_;
    const core::Field& field_;
    const std::optional<Normalise> normalise_;
    const std::optional<Crop> crop_;
    std::optional<std::vector<std::int64_t>> shape_;  // of a sample in a batch; none if each has its own
    std::array<std::uint8_t, 8> fill_{};              // one element
    std::shared_ptr<Buffers> buffers_;
};

}  // namespace trainer
