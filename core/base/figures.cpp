#include "core/base/figures.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <string_view>

namespace core {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::int64_t kFewestForBytes = 1000;  // samples

Json size_of(const Json& manifest) {
    const Json samples = manifest.value("samples", Json()), bytes = manifest.value("bytes", Json());
    if (!samples.is_number_integer() || !bytes.is_number_integer() ||
        samples.get<std::int64_t>() < kFewestForBytes)
        return {};
    const auto exact = bytes.get<std::uint64_t>();
    std::uint64_t step = 1;
    while (exact / step >= 100) step *= 10;
    return (exact + step / 2) / step * step;
}

Json count_of(const Json& count) {
    return count.is_number_integer() ? published_count(count.get<std::int64_t>()) : Json();
}

}  // namespace

Json published_count(std::int64_t count) {
    if (count == 0) return 0;
    if (count < 10) return "<10";
    count = std::min(count, std::numeric_limits<std::int64_t>::max() - 5);
    return (count + 5) / 10 * 10;
}

Json version_figures(const Json& given) {
    const Json manifest = given.is_object() ? given : Json::object();
    const Json shards = manifest.value("shards", Json());  // since format 2 their number, in format 1 a list
    Json out{{"samples", count_of(manifest.value("samples", Json()))},
             {"patients", Json()},
             {"shards", count_of(shards.is_array() ? Json(shards.size()) : shards)},
             {"bytes", size_of(manifest)},
             {"splits", Json::object()}};
    const Json splits = manifest.value("splits", Json::object());
    for (const char* kind : {"patients", "samples"}) {
        const Json counts = splits.is_object() ? splits.value(kind, Json()) : Json();
        if (!counts.is_object()) continue;
        std::int64_t sum = 0;
        for (const auto& [split, count] : counts.items()) {
            if (count.is_number_integer() && __builtin_add_overflow(sum, count.get<std::int64_t>(), &sum))
                sum = std::numeric_limits<std::int64_t>::max();
            out["splits"][split][kind] = count_of(count);
        }
        if (kind == std::string_view("patients")) out["patients"] = published_count(sum);
    }
    return out;
}

}  // namespace core
