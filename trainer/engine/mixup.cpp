#include "trainer/engine/mixup.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "core/base/error.h"
#include "trainer/keys/key.h"
#include "trainer/keys/parts.h"
#include "trainer/loader/random.h"

namespace trainer {
namespace {

constexpr std::uint64_t kMixup = 0x6d69787570;  // another stream than those of orders and transforms

// Log of a uniform number in (0, 1].
double log_uniform(Random& random) {
    return std::log(static_cast<double>((random.next() >> 11) + 1) * 0x1p-53);
}

constexpr Key<MixupOptions> kKeys[] = {
    {"alpha", &MixupOptions::alpha, 0, 4, "",
     "0 = none, else from 0.001; a sample is mixed with another, its share drawn from Beta(alpha, alpha)",
     1}};

}  // namespace

std::vector<KeyRow> mixup_rows() {
    std::vector<KeyRow> out;
    add_rows(out, "mixup", MixupOptions(), kKeys);
    return out;
}

MixupOptions MixupOptions::from(const core::Config& table, const TaskOptions& task) {
    MixupOptions out;
    for (const Key<MixupOptions>& key : kKeys) read(table, out, key);
    if (out.is_on() && out.alpha < 1e-3)  // where the drawing of a share need not end
        table.refuse("alpha", "expected 0, or 0.001 or more");
    if (out.is_on() && !knows_mixtures(task.loss))
        table.refuse("alpha",
                     "the loss \"" + task.loss.name + "\" of the task \"" + task.name +
                         "\" knows no mixtures of targets: mixup is for \"cross_entropy\" and \"bce\"");
    return out;
}

nlohmann::ordered_json MixupOptions::told() const {
    nlohmann::ordered_json out;
    for (const Key<MixupOptions>& key : kKeys) tell(out, *this, MixupOptions(), key);
    return out;
}

// Jöhnk 1964 (Devroye 1986, section IX.3.5), in logarithms: powers of 1 / alpha may be too small for a double.
double mixup_share(double alpha, std::uint64_t seed, std::int64_t epoch, std::int64_t sample) {
    Random random(Random(seed, kMixup, 0).next(), static_cast<std::uint64_t>(epoch),
                  static_cast<std::uint64_t>(sample));
    for (;;) {
        const double x = log_uniform(random) / alpha, y = log_uniform(random) / alpha;
        const double most = std::max(x, y), sum = std::exp(x - most) + std::exp(y - most);
        if (most + std::log(sum) <= 0) return std::exp(x - most) / sum;
    }
}

void mix(const MixupOptions& options, std::uint64_t seed, const Task& task,
         std::span<const std::int64_t> samples, std::int64_t epoch, const at::Tensor& mean,
         at::Tensor& inputs, at::Tensor& targets) {
    const at::NoGradGuard off;
    const auto count = static_cast<std::int64_t>(samples.size());
    if (count % 2 != 0 || inputs.size(0) != count || targets.size(0) != count)
        throw core::Error(core::Fault::bug, "mixup: samples that are no pairs");
    std::vector<std::int64_t> partners;
    std::vector<float> shares;
    for (std::int64_t row = 0; row < count; ++row) {
        partners.push_back(row ^ 1);
        shares.push_back(static_cast<float>(
            mixup_share(options.alpha, seed, epoch, samples[static_cast<std::size_t>(row)])));
    }
    const at::Tensor partner = at::tensor(partners, at::kLong).to(inputs.device());
    const auto share = [&](const at::Tensor& of) {
        std::vector<std::int64_t> shape(static_cast<std::size_t>(of.dim()), 1);
        shape[0] = count;
        return at::tensor(shares, at::kFloat).view(shape).to(of.device());
    };
    at::Tensor x = inputs.to(at::kFloat);
    x = at::where(at::isfinite(x), x, mean);
    const at::Tensor mine = share(x);
    inputs = x * mine + x.index_select(0, partner) * (1 - mine);
    targets = task.mixed(targets, targets.index_select(0, partner), share(targets));
}

}  // namespace trainer
