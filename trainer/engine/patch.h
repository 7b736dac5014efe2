#pragma once
#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <vector>

#include "core/base/config.h"
#include "core/mpi/comm.h"

namespace trainer {

// [patch] of a recipe: a model of masks is trained by parts of the samples, and says what whole ones are window by window.
struct PatchOptions {
    std::vector<std::int64_t> size;  // of the samples' last axes, slowest first; empty: whole samples
    double foreground = 0.33;
    std::int64_t per_sample = 1;
    double overlap = 0.5;
    double padding = 0;

    bool is_on() const noexcept { return !size.empty(); }
    bool wants_foreground() const noexcept { return is_on() && foreground > 0; }
    // Throws Error(usage).
    static PatchOptions from(const core::Config& table);
    nlohmann::ordered_json told() const;  // for the identity of a run: all but what evaluation alone asks for
};

// Where the classes of the samples that are trained on lie: of each class but the background at most kKept pixels, drawn
// evenly from those it has in the sample. A function of (seed, sample) and the mask.
class Foreground {
public:
    static constexpr std::uint64_t kKept = 256;

    Foreground(double share, std::uint64_t seed) : share_(share), seed_(seed) {}

    // `mask`: numbers of classes, [shape].
    void add(std::int64_t sample, std::span<const std::uint8_t> mask, const std::vector<std::int64_t>& shape);
    // Collective: all ranks have those of all ranks.
    void merge(const core::Comm& comm);

    // The centre of a sample's patch number `draw`, as Crop::around: in a share of the patches a pixel of the foreground,
    // of each class that the sample has alike (nnU-Net, Isensee et al. 2021). Empty: anywhere. Any thread may call it.
    std::vector<std::int64_t> centre(std::int64_t draw, std::int64_t sample) const;

private:
    struct Sample {
        std::vector<std::int64_t> shape;
        std::vector<std::vector<std::int64_t>> classes;  // that it has: places in C order
    };
    double share_;
    std::uint64_t seed_;
    std::map<std::int64_t, Sample> samples_;
};

}  // namespace trainer
