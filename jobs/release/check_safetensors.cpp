// safetensors (huggingface/safetensors): 8 bytes length, JSON header, tensors. Every byte must be accounted
// for: a file that is a model and nothing else has no room for anything but numbers that look like weights.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/files.h"
#include "core/policy/names.h"
#include "jobs/release/checks.h"

#include <unistd.h>

namespace jobs {

using nlohmann::json;

namespace {

constexpr std::uint64_t kHeaderLimitBytes = 1 << 20;
constexpr std::size_t kRankLimit = 8, kTensorLimit = 20000, kNameLimit = 200;
// A trained weight, gradient statistic or step counter is far below; four bytes of text read as a float are
// not.
constexpr double kLargest = 1e9;

struct Tensor {
    std::string name, dtype;
    std::uint64_t begin = 0, end = 0;
};

const std::map<std::string, std::uint64_t>& type_bytes() {
    static const std::map<std::string, std::uint64_t> bytes{{"F64", 8},  {"F32", 4}, {"F16", 2},
                                                            {"BF16", 2}, {"I64", 8}, {"I32", 4}};
    return bytes;
}

bool is_tensor_name(const std::string& name) {
    return !name.empty() && name.size() <= kNameLimit && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
               c == '_' || c == '-' || c == '/';
    });
}

float widen_half(std::uint16_t half) {
    const int exponent = (half >> 10) & 31, fraction = half & 1023;
    if (exponent == 31) return NAN;
    const float value = exponent ? std::ldexp(static_cast<float>(1024 + fraction), exponent - 25)
                                 : std::ldexp(static_cast<float>(fraction), -24);
    return half & 0x8000 ? -value : value;
}

template <class T>
T value_at(const std::uint8_t* bytes) {
    T value;
    std::memcpy(&value, bytes, sizeof value);
    return value;
}

double number_at(const std::string& dtype, const std::uint8_t* bytes) {
    if (dtype == "F64") return value_at<double>(bytes);
    if (dtype == "F32") return value_at<float>(bytes);
    if (dtype == "F16") return widen_half(value_at<std::uint16_t>(bytes));
    if (dtype == "I64") return static_cast<double>(value_at<std::int64_t>(bytes));
    if (dtype == "I32") return value_at<std::int32_t>(bytes);
    const std::uint32_t wide = static_cast<std::uint32_t>(value_at<std::uint16_t>(bytes)) << 16;  // BF16
    float value;
    std::memcpy(&value, &wide, sizeof value);
    return value;
}

struct Refused {
    const char* code;
    std::string text;
};

bool is_hash(const std::string& text) {
    return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

// Metadata of a fixed vocabulary: the format of PyTorch's writers, and what aloft-train needs to build its
// model again (trainer/model). Anything else could carry anything.
void check_metadata(const nlohmann::ordered_json& metadata) {
    static constexpr std::string_view kPlain =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.,[]= \"\n";
    bool good = metadata.is_object() && metadata.dump().size() <= 8192;
    for (const auto& [key, value] : metadata.items()) {
        const std::string text = good && value.is_string() ? value.get<std::string>() : "\x01";
        const json list = json::parse(text, nullptr, false);
        const auto all = [&](auto test) {
            return list.is_array() && list.size() <= 1000 && std::all_of(list.begin(), list.end(), test);
        };
        if (key == "format")
            good = good && text == "pt";
        else if (key == "aloft.sha256" || key == "aloft.recipe_sha256")
            good = good && is_hash(text);
        else if (key == "aloft.dataset")
            good = good && text.size() <= 130 && core::is_plain_name(text.substr(0, text.find('@'))) &&
                   core::is_plain_name(text.substr(text.find('@') + 1));
        else if (key == "aloft.shape")
            good = good && text == list.dump() && list.size() <= kRankLimit && all([](const json& n) {
                       return n.is_number_unsigned() && n.get<std::uint64_t>() < 1000000;
                   });
        else if (key == "aloft.classes")
            good = good && text == list.dump() && all([](const json& n) {
                       return n.is_string() && core::is_plain_name(n.get<std::string>());
                   });
        else if (key == "aloft.model")
            good = good && text.size() <= 2048 && text.find_first_not_of(kPlain) == std::string::npos;
        else
            good = false;
        if (!good)
            throw Refused{"metadata",
                          "__metadata__ may hold format \"pt\" and what aloft-train writes, and nothing "
                          "else; save the model without it"};
    }
}

// Checks the header; returns its tensors in the order of their bytes.
std::vector<Tensor> read_header(const std::string& header, std::uint64_t data_bytes) {
    // Spaces at the end are padding that writers use for alignment. Everything before must be what a writer
    // makes of the parsed text: no room in spaces, escapes, repeated keys or spellings of numbers.
    const std::size_t end = header.find_last_not_of(' ') + 1;
    const auto parsed = nlohmann::ordered_json::parse(header, nullptr, false);
    if (!parsed.is_object()) throw Refused{"type", "the header is not a JSON object"};
    if (header.size() - end > 63 || parsed.dump() != header.substr(0, end))
        throw Refused{
            "hidden-payload",
            "the header has more in it than names, shapes and metadata (spaces, escapes or repeated keys)"};
    std::vector<Tensor> tensors;
    for (const auto& [name, entry] : parsed.items()) {
        if (name == "__metadata__") {
            check_metadata(entry);
            continue;
        }
        if (!is_tensor_name(name)) throw Refused{"name", "a tensor's name is not plain"};
        const bool good = entry.is_object() && entry.size() == 3 && entry.contains("dtype") &&
                          entry.contains("shape") && entry.contains("data_offsets") &&
                          entry["dtype"].is_string() && entry["shape"].is_array() &&
                          entry["data_offsets"].is_array() && entry["data_offsets"].size() == 2 &&
                          std::all_of(entry["data_offsets"].begin(), entry["data_offsets"].end(),
                                      [](const auto& n) { return n.is_number_unsigned(); });
        if (!good)
            throw Refused{"type", "tensor " + name + ": its entry is not dtype, shape and data_offsets"};
        Tensor tensor{name, entry["dtype"].get<std::string>(), entry["data_offsets"][0].get<std::uint64_t>(),
                      entry["data_offsets"][1].get<std::uint64_t>()};
        const auto width = type_bytes().find(tensor.dtype);
        if (width == type_bytes().end())
            throw Refused{"dtype", "tensor " + name + ": only F64, F32, F16, BF16, I64 and I32 may leave"};
        std::uint64_t bytes = width->second;
        if (entry["shape"].size() > kRankLimit)
            throw Refused{"shape", "tensor " + name + ": more than eight dimensions"};
        for (const auto& size : entry["shape"]) {
            // An empty tensor takes no bytes, so its other sizes could spell anything.
            if (!size.is_number_unsigned() || size.get<std::uint64_t>() == 0 ||
                size.get<std::uint64_t>() > data_bytes)
                throw Refused{"shape", "tensor " + name + ": a size that no tensor of this file can have"};
            if (size.get<std::uint64_t>() > data_bytes / bytes)
                throw Refused{"shape", "tensor " + name + ": larger than the file"};
            bytes *= size.get<std::uint64_t>();
        }
        if (tensor.dtype.front() == 'I' && bytes > 4096)
            throw Refused{"dtype",
                          "tensor " + name + ": integers are for counters; this is more than 4 KiB of them"};
        if (tensor.end < tensor.begin || tensor.end - tensor.begin != bytes)
            throw Refused{"hidden-payload", "tensor " + name + ": its offsets do not match its shape"};
        tensors.push_back(std::move(tensor));
        if (tensors.size() > kTensorLimit) throw Refused{"shape", "too many tensors"};
    }
    std::sort(tensors.begin(), tensors.end(),
              [](const Tensor& a, const Tensor& b) { return a.begin < b.begin; });
    std::uint64_t at = 0;
    for (const Tensor& tensor : tensors) {
        if (tensor.begin != at)
            throw Refused{"hidden-payload", "there are bytes between tensors, or two share some"};
        at = tensor.end;
    }
    if (at != data_bytes) throw Refused{"hidden-payload", "there are bytes after the last tensor"};
    if (tensors.empty()) throw Refused{"type", "there is no tensor in it"};
    return tensors;
}

}  // namespace

std::vector<Finding> check_safetensors(const std::filesystem::path& file) {
    const core::Fd fd = core::open_regular(file);
    const std::uint64_t size = std::filesystem::file_size(file);
    core::Bytes buffer(1 << 20);
    const auto read_exactly = [&](std::uint64_t at, std::size_t count) {
        std::size_t done = 0;
        while (done < count) {
            const ssize_t got =
                ::pread(fd.get(), buffer.data() + done, count - done, static_cast<off_t>(at + done));
            if (got <= 0) throw core::Error(core::Fault::system, "cannot read a copy in quarantine");
            done += static_cast<std::size_t>(got);
        }
    };
    try {
        if (size < 8) throw Refused{"type", "too short for safetensors"};
        read_exactly(0, 8);
        const std::uint64_t header_bytes = value_at<std::uint64_t>(buffer.data());
        if (header_bytes > kHeaderLimitBytes || header_bytes > size - 8 || header_bytes < 2)
            throw Refused{"type", "not safetensors: the length of its header is not possible"};
        read_exactly(8, header_bytes);
        const std::string header(reinterpret_cast<const char*>(buffer.data()), header_bytes);
        const std::uint64_t data_at = 8 + header_bytes;
        for (const Tensor& tensor : read_header(header, size - data_at)) {
            const std::uint64_t width = type_bytes().at(tensor.dtype);
            for (std::uint64_t at = tensor.begin; at < tensor.end;) {
                const std::size_t count =
                    static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), tensor.end - at));
                read_exactly(data_at + at, count);
                for (std::size_t i = 0; i < count; i += width)
                    if (const double value = number_at(tensor.dtype, buffer.data() + i);
                        !(std::abs(value) <= kLargest))
                        throw Refused{
                            "hidden-payload",
                            "tensor " + tensor.name +
                                ": has values that no trained model has (not finite, or above 1e9)"};
                at += count;
            }
        }
    } catch (const Refused& refused) {
        return {{"", Finding::Weight::refuse, refused.code, refused.text}};
    }
    return {};
}

}  // namespace jobs
