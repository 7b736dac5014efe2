#pragma once
// Files of weights as aloft-train writes them, made by hand, for the tests of the gate.
#include <cstring>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "jobs/release/architecture.h"

namespace test {

struct RawTensor {
    std::string name, dtype;
    std::vector<std::int64_t> shape;
    std::string data;
};

// Exactly these tensors in this order; `metadata` keys in the order of the JSON text.
inline std::string safetensors_file(const std::vector<RawTensor>& tensors,
                                    const nlohmann::ordered_json& metadata) {
    nlohmann::ordered_json header;
    if (!metadata.is_null()) header["__metadata__"] = metadata;
    std::size_t at = 0;
    for (const RawTensor& each : tensors) {
        header[each.name] = {
            {"dtype", each.dtype}, {"shape", each.shape}, {"data_offsets", {at, at + each.data.size()}}};
        at += each.data.size();
    }
    const std::string text = header.dump();
    std::string out(8, '\0');
    for (std::size_t i = 0; i < 8; ++i) out[i] = static_cast<char>(text.size() >> (8 * i));
    out += text;
    for (const RawTensor& each : tensors) out += each.data;
    return out;
}

inline std::string bytes_of(const std::vector<float>& values) {
    return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

inline std::vector<float> floats_of(const std::string& bytes) {
    std::vector<float> out(bytes.size() / sizeof(float));
    std::memcpy(out.data(), bytes.data(), bytes.size());
    return out;
}

// An mlp of these sizes with normal weights, as a trained one has.
struct Mlp {
    std::vector<std::int64_t> hidden{512, 512};
    std::int64_t features = 512, classes = 2;
    std::vector<RawTensor> tensors;
    nlohmann::ordered_json metadata;

    explicit Mlp(std::vector<std::int64_t> widths = {512, 512}, std::int64_t from = 512)
        : hidden(std::move(widths)), features(from) {
        std::mt19937 draw(1);
        std::normal_distribution<float> normal(0, 0.05F);
        std::string listed;
        for (const auto width : hidden) listed += (listed.empty() ? "" : ", ") + std::to_string(width);
        metadata = {{"aloft.classes", R"(["0","1"])"},
                    {"aloft.model", "name = \"mlp\"\nhidden = [" + listed + "]\ndropout = 0.100000\n"},
                    {"aloft.shape", "[" + std::to_string(features) + "]"},
                    {"format", "pt"}};
        for (const auto& rule : jobs::architecture_of(metadata["aloft.model"], {features}, classes).tensors) {
            std::int64_t count = 1;
            for (const auto size : rule.shape) count *= size;
            std::vector<float> values(static_cast<std::size_t>(count));
            for (float& value : values) value = rule.name == "input.scale" ? 2.0F : normal(draw);
            tensors.push_back({rule.name, "F32", rule.shape, bytes_of(values)});
        }
    }
    RawTensor& at(const std::string& name) {
        for (RawTensor& each : tensors)
            if (each.name == name) return each;
        throw std::runtime_error("no tensor " + name);
    }
    std::string file() const { return safetensors_file(tensors, metadata); }
};

}  // namespace test
