#include "jobs/release/weights.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "core/base/error.h"
#include "jobs/release/architecture.h"
#include "jobs/release/requantise.h"
#include "jobs/release/safetensors.h"

namespace jobs {

using nlohmann::json;

namespace {

constexpr std::size_t kChunkValues = 1 << 18;
constexpr float kLargest = 1e9F;  // a trained weight is far below
constexpr std::uint64_t kFewValues = 256, kManyValues = 1 << 16;
constexpr std::size_t kRenderedTensors = 2000;

// What the file says of itself, as far as it may leave.
struct Claims {
    Architecture architecture;
    std::map<std::string, std::string> metadata;  // spelt anew, without aloft.sha256
    std::uint64_t bits = 0;
};

const std::string& required(const SafeTensors& file, const char* key) {
    const auto found = file.metadata().find(key);
    if (found == file.metadata().end())
        throw Unfit{"architecture",
                    std::string("its metadata has no ") + key +
                        ": only weights of a registered architecture may leave, as aloft-train "
                        "writes them"};
    return found->second;
}

json list_of(const SafeTensors& file, const char* key) {
    const json parsed = json::parse(required(file, key), nullptr, false);
    if (!parsed.is_array() || parsed.size() > 1000)
        throw Unfit{"metadata", std::string(key) + " is not a list"};
    return parsed;
}

bool is_hash(const std::string& text) {
    return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

// The numbers of classes are words of the format; every other name must be one that the enclave knows.
void check_classes(const json& classes, const WeightsContext& context) {
    std::set<std::string> seen;
    for (std::size_t i = 0; i < classes.size(); ++i) {
        const std::string name = classes[i].is_string() ? classes[i].get<std::string>() : "";
        if (!seen.insert(name).second) throw Unfit{"metadata", "aloft.classes names one class twice"};
        if (name != std::to_string(i) && !(context.knows && context.knows(name)))
            throw Unfit{
                "metadata",
                "aloft.classes holds a name that is not in the enclave's vocabulary; ask the data owner to "
                "add it, or number the classes"};
    }
}

Claims read_claims(const SafeTensors& file, const WeightsContext& context) {
    static const std::set<std::string> kKeys{"format",        "aloft.sha256", "aloft.recipe_sha256",
                                             "aloft.dataset", "aloft.shape",  "aloft.classes",
                                             "aloft.model",   "aloft.task",   "aloft.began_from"};
    for (const auto& [key, value] : file.metadata())
        if (!kKeys.contains(key))
            throw Unfit{"metadata",
                        "__metadata__ holds a key that aloft-train does not write; save the model "
                        "without it"};
    const auto& given = file.metadata();
    if (const auto format = given.find("format"); format != given.end() && format->second != "pt")
        throw Unfit{"metadata", "format is not \"pt\""};
    for (const char* key : {"aloft.sha256", "aloft.recipe_sha256"})
        if (const auto found = given.find(key); found != given.end() && !is_hash(found->second))
            throw Unfit{"metadata", std::string(key) + " is not a SHA-256"};
    if (given.contains("aloft.sha256") && file.own_digest() != given.at("aloft.sha256"))
        throw Unfit{"metadata", "aloft.sha256 is not the file's; save the model again"};
    const json classes = list_of(file, "aloft.classes"), sizes = list_of(file, "aloft.shape");
    check_classes(classes, context);
    std::vector<std::int64_t> shape;
    for (const json& size : sizes) {
        if (!size.is_number_unsigned() || size.get<std::uint64_t>() > (1 << 20))
            throw Unfit{"metadata", "aloft.shape is not the shape of a sample"};
        shape.push_back(size.get<std::int64_t>());
    }
    Claims claims;
    const std::string task = given.contains("aloft.task") ? given.at("aloft.task") : "";
    try {
        claims.architecture = architecture_of(required(file, "aloft.model"), shape,
                                              static_cast<std::int64_t>(classes.size()), task);
    } catch (const core::Error& e) {
        throw Unfit{"architecture", e.what()};
    }
    claims.metadata = {{"format", "pt"},
                       {"aloft.model", claims.architecture.model},
                       {"aloft.shape", sizes.dump()},
                       {"aloft.classes", classes.dump()}};
    if (!task.empty()) claims.metadata["aloft.task"] = task;
    // aloft.recipe_sha256 and aloft.began_from stay behind: nothing here can tell them from bits of somebody's choice.
    if (const auto dataset = given.find("aloft.dataset"); dataset != given.end()) {
        if (!context.knows || !context.knows(dataset->second))
            throw Unfit{"metadata", "aloft.dataset is no dataset of the grant"};
        claims.metadata["aloft.dataset"] = dataset->second;
    }
    claims.bits = 8 * claims.architecture.model.size() + 20 * shape.size() + 16 * classes.size() + 16;
    return claims;
}

std::string spelt(const std::vector<std::int64_t>& shape) {
    return json(shape).dump();
}

void check_tensors(const SafeTensors& file, const Architecture& wanted) {
    const auto& tensors = file.tensors();
    for (std::size_t i = 0; i < std::max(tensors.size(), wanted.tensors.size()); ++i) {
        if (i == tensors.size() || (i < wanted.tensors.size() && tensors[i].name > wanted.tensors[i].name))
            throw Unfit{"architecture",
                        "tensor " + wanted.tensors[i].name + " of a " + wanted.name + " is missing"};
        // Its name is not repeated: it is a text of the author's.
        if (i == wanted.tensors.size() || tensors[i].name != wanted.tensors[i].name)
            throw Unfit{"architecture", "it has a tensor that a " + wanted.name +
                                            " of this configuration does not "
                                            "have; save only the model's own"};
        if (tensors[i].shape != wanted.tensors[i].shape)
            throw Unfit{"architecture", "tensor " + tensors[i].name + " is not of the shape " +
                                            spelt(wanted.tensors[i].shape) + " that its configuration says"};
        if (tensors[i].dtype != "F32")
            throw Unfit{"dtype", "tensor " + tensors[i].name + ": a " + wanted.name +
                                     " is of float32; save it as that (the gate rounds it to bf16)"};
    }
}

// Calls `take(values, first index)` for the whole tensor, in order.
template <class Take>
void for_values(const SafeTensors& file, const SafeTensor& tensor, Take take) {
    std::vector<float> values(kChunkValues);
    const std::uint64_t count = (tensor.end - tensor.begin) / sizeof(float);
    for (std::uint64_t at = 0; at < count;) {
        const std::size_t some = static_cast<std::size_t>(std::min<std::uint64_t>(kChunkValues, count - at));
        file.read(tensor.begin + at * sizeof(float), reinterpret_cast<std::uint8_t*>(values.data()),
                  some * sizeof(float));
        take(std::span<const float>(values.data(), some), at);
        at += some;
    }
}

// Bytes that are text, whatever they are called; and mantissas that were drawn, as those of ciphertext are. A
// trained value's first bit behind the point is 0 more often than 1: 0.57 to 0.60 of them where the logarithm of
// values is spread evenly or values are normal.
struct Look {
    std::uint64_t values = 0, printable = 0, first_bits = 0, non_zero = 0;
    void at(float value) {
        const auto bits = std::bit_cast<std::uint32_t>(value);
        ++values;
        for (int byte = 0; byte < 2; ++byte) {
            const std::uint32_t c = bits >> (8 * byte) & 0xff;
            printable += (c >= 0x20 && c < 0x7f) || c == '\n' || c == '\r' || c == '\t';
        }
        non_zero += value != 0;
        first_bits += value != 0 && (bits >> 22 & 1);
    }
    bool is_text() const { return values >= kFewValues && printable * 10 > values * 2 * 8; }
    bool is_drawn() const {
        const double share = non_zero ? static_cast<double>(first_bits) / static_cast<double>(non_zero) : 0;
        return non_zero >= kManyValues &&
               std::abs(share - 0.5) < 3 * 0.5 / std::sqrt(static_cast<double>(non_zero));
    }
};

// First reading: judges every value. Returns the digest of the numbers: names, shapes and values, no metadata.
core::Digest judge_values(const SafeTensors& file, std::vector<Finding>& findings) {
    core::Sha256 digest;
    for (const SafeTensor& tensor : file.tensors()) {
        digest.update(core::view(tensor.name + " " + spelt(tensor.shape) + "\n"));
        Look look;
        for_values(file, tensor, [&](std::span<const float> values, std::uint64_t) {
            for (const float value : values) {
                if (!(std::abs(value) <= kLargest))
                    throw Unfit{"hidden-payload", "tensor " + tensor.name +
                                                      ": has values that no trained model has "
                                                      "(not finite, or above 1e9)"};
                look.at(value);
            }
            digest.update({reinterpret_cast<const std::uint8_t*>(values.data()), values.size_bytes()});
        });
        if (look.is_text())
            throw Unfit{"hidden-payload", "tensor " + tensor.name + ": its bytes are text, not numbers"};
        if (look.is_drawn())
            findings.push_back(
                {"", Finding::Weight::flag, "mantissa",
                 "tensor " + tensor.name +
                     ": its digits are spread as drawn ones are, not as trained ones; ask what it is"});
    }
    return digest.finish();
}

// Ten bins between the smallest and the largest value, a digit each: 9 for the fullest.
class Histogram {
public:
    void at(float value) {
        least_ = std::min(least_, value);
        most_ = std::max(most_, value);
        sum_ += static_cast<double>(value);
        ++count_;
        // Bins by power of two, since the range is not known before: 40 below 1, 30 above.
        const int exponent = value == 0 ? -40 : std::clamp(std::ilogb(value), -40, 30);
        ++bins_[static_cast<std::size_t>(exponent + 40)];
    }
    std::string line() const {
        char text[160];
        std::snprintf(text, sizeof text, "%llu values, %.4g to %.4g, mean %.4g; ",
                      static_cast<unsigned long long>(count_), static_cast<double>(least_),
                      static_cast<double>(most_), sum_ / static_cast<double>(count_));
        std::string out = text;
        const auto fullest = *std::max_element(bins_.begin(), bins_.end());
        std::size_t first = 0, last = bins_.size() - 1;
        while (!bins_[first]) ++first;
        while (!bins_[last]) --last;
        out += "sizes 2^" + std::to_string(static_cast<int>(first) - 40) + " to 2^" +
               std::to_string(static_cast<int>(last) - 40) + ": ";
        for (std::size_t i = first; i <= last; ++i)
            out +=
                static_cast<char>('0' + (bins_[i] ? std::max<std::uint64_t>(1, 9 * bins_[i] / fullest) : 0));
        return out;
    }

private:
    float least_ = HUGE_VALF, most_ = -HUGE_VALF;
    double sum_ = 0;
    std::uint64_t count_ = 0;
    std::array<std::uint64_t, 71> bins_{};
};

std::vector<float> read_whole(const SafeTensors& file, const SafeTensor& tensor) {
    std::vector<float> out;
    for_values(file, tensor, [&](std::span<const float> values, std::uint64_t) {
        out.insert(out.end(), values.begin(), values.end());
    });
    return out;
}

// That of "input.mean" is "input.scale": an architecture that has one has both.
const SafeTensor& scale_of(const SafeTensors& file, const std::string& mean) {
    const std::string name = mean.substr(0, mean.find('.')) + ".scale";
    return *std::find_if(file.tensors().begin(), file.tensors().end(),
                         [&](const SafeTensor& each) { return each.name == name; });
}

// Second reading: every value as it leaves, in order, to `take(tensor's index, bytes)`.
template <class Take>
void requantise(const SafeTensors& file, const Architecture& wanted, core::ByteView key, Take take) {
    for (std::size_t i = 0; i < wanted.tensors.size(); ++i) {
        const TensorRule& rule = wanted.tensors[i];
        const std::vector<float> scales =
            rule.grid == Grid::of_scale ? read_whole(file, scale_of(file, rule.name)) : std::vector<float>();
        Draws draws(key, rule.name);
        std::vector<float> out(kChunkValues);
        for_values(file, file.tensors()[i], [&](std::span<const float> values, std::uint64_t at) {
            for (std::size_t k = 0; k < values.size(); ++k)
                out[k] = rule.grid == Grid::bf16 ? to_bf16(values[k], draws)
                                                 : to_grid_of(values[k], scales.at(at + k), draws);
            take(i, std::span<const float>(out.data(), values.size()));
        });
    }
}

// The bytes of `values` as the file has them: bf16 is the upper half of a float.
void encode(std::span<const float> values, Grid grid, core::Bytes& out) {
    out.clear();
    for (const float value : values) {
        const auto bits = std::bit_cast<std::uint32_t>(value);
        for (int byte = grid == Grid::bf16 ? 2 : 0; byte < 4; ++byte)
            out.push_back(static_cast<std::uint8_t>(bits >> (8 * byte)));
    }
}

void write_canonical(const SafeTensors& file, const Claims& claims, const std::filesystem::path& canonical,
                     core::ByteView key, Leaving& out) {
    std::vector<SafeTensor> tensors;
    std::uint64_t at = 0;
    for (const TensorRule& rule : claims.architecture.tensors) {
        std::uint64_t count = 1;
        for (const auto size : rule.shape) count *= static_cast<std::uint64_t>(size);
        const bool short_ones = rule.grid == Grid::bf16;
        tensors.push_back(
            {rule.name, short_ones ? "BF16" : "F32", rule.shape, at, at + count * (short_ones ? 2 : 4)});
        out.bits += count * (short_ones ? kBitsPerWeight : kBitsPerMean);
        at = tensors.back().end;
    }
    out.bits += claims.bits;
    const std::string no_digest(64, '0');
    auto metadata = claims.metadata;
    metadata["aloft.sha256"] = no_digest;
    std::string header = safetensors_header(tensors, metadata);
    // Twice the same draws: once for the digest that stands in the header, once for the file.
    core::Sha256 digest;
    digest.update(core::view(header));
    std::vector<Histogram> histograms(tensors.size());
    core::Bytes bytes;
    requantise(file, claims.architecture, key, [&](std::size_t i, std::span<const float> values) {
        for (const float value : values) histograms[i].at(value);
        encode(values, claims.architecture.tensors[i].grid, bytes);
        digest.update(bytes);
    });
    header.replace(header.find(no_digest), no_digest.size(), core::to_hex(digest.finish()));
    core::AtomicFile written(canonical, 0600);
    written.write(core::view(header));
    requantise(file, claims.architecture, key, [&](std::size_t i, std::span<const float> values) {
        encode(values, claims.architecture.tensors[i].grid, bytes);
        written.write(bytes);
    });
    written.commit();
    out.rendered =
        claims.architecture.name + ", " + std::to_string(tensors.size()) + " tensors\n" +
        claims.architecture.model + "shape of a sample " + claims.metadata.at("aloft.shape") + ", " +
        (claims.metadata.contains("aloft.task") ? claims.metadata.at("aloft.task") + " of" : "classes") +
        " " + claims.metadata.at("aloft.classes") + "\n";
    for (std::size_t i = 0; i < std::min(tensors.size(), kRenderedTensors); ++i)
        out.rendered += tensors[i].name + " " + spelt(tensors[i].shape) + " " + tensors[i].dtype + ": " +
                        histograms[i].line() + "\n";
    if (tensors.size() > kRenderedTensors)
        out.rendered += "and " + std::to_string(tensors.size() - kRenderedTensors) + " more\n";
    out.rendered += "at most " + std::to_string(out.bits) + " bits\n";
}

}  // namespace

Leaving prepare_weights(const std::filesystem::path& path, const std::filesystem::path& canonical,
                        const WeightsContext& context) {
    Leaving out;
    out.type = "safetensors";
    try {
        const SafeTensors file(path);
        const Claims claims = read_claims(file, context);
        check_tensors(file, claims.architecture);
        const core::Digest content = judge_values(file, out.findings);
        const core::Digest key = core::hmac_sha256(context.secret, {core::view("aloft weights\n"), content});
        write_canonical(file, claims, canonical, key, out);
    } catch (const Unfit& unfit) {
        out.findings = {{"", Finding::Weight::refuse, unfit.code, unfit.text}};
    }
    return out;
}

}  // namespace jobs
