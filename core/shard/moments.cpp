#include "core/shard/moments.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <type_traits>

#include "core/base/figures.h"

namespace core {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::int64_t kSmallest = 10;  // of people or samples that are shown as a number
__extension__ typedef __int128 Wide;

template <class T>
T element(const std::uint8_t* bytes, std::size_t at) noexcept {
    T value;
    std::memcpy(&value, bytes + at * sizeof value, sizeof value);
    return value;
}

// 8 and 16 bits: a sample of 2^40 bytes has sums of 2^72, and squares of these of less than 2^127.
template <class T>
Moments exact(const std::uint8_t* bytes, std::size_t count) noexcept {
    constexpr std::size_t kBlock = std::size_t{1} << 24;  // whose sums fit 64 bits
    Wide sum = 0, squares = 0;
    T least = std::numeric_limits<T>::max(), greatest = std::numeric_limits<T>::lowest();
    for (std::size_t begin = 0; begin < count; begin += kBlock) {
        std::int64_t block = 0, block_squares = 0;
        for (std::size_t i = begin, end = std::min(count, begin + kBlock); i < end; ++i) {
            const T value = element<T>(bytes, i);
            const auto wide = static_cast<std::int64_t>(value);
            block += wide;
            block_squares += wide * wide;
            least = std::min(least, value);
            greatest = std::max(greatest, value);
        }
        sum += block;
        squares += block_squares;
    }
    const auto n = static_cast<Wide>(count);
    return {static_cast<std::int64_t>(count),
            0,
            static_cast<double>(sum) / static_cast<double>(count),
            static_cast<double>(n * squares - sum * sum) / static_cast<double>(count),
            static_cast<double>(least),
            static_cast<double>(greatest)};
}

template <class T>
Moments relative(const std::uint8_t* bytes, std::size_t count) noexcept {
    Moments out;
    double first = 0, sum = 0, squares = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const auto value = static_cast<double>(element<T>(bytes, i));
        if (!std::isfinite(value)) {
            ++out.missing;
            continue;
        }
        if (out.count++ == 0) first = out.least = out.greatest = value;
        const double difference = value - first;
        sum += difference;
        squares += difference * difference;
        out.least = std::min(out.least, value);
        out.greatest = std::max(out.greatest, value);
    }
    if (out.count == 0) return out;
    const auto n = static_cast<double>(out.count);
    out.mean = first + sum / n;
    out.squares = std::isfinite(squares) ? std::max(0.0, squares - sum * (sum / n)) : squares;
    return out;
}

Json number(double value) {
    return std::isfinite(value) ? Json(value) : Json();
}
double number_from(const Json& json) {
    return json.is_null() ? std::numeric_limits<double>::quiet_NaN() : json.get<double>();
}

Json six_digits(double value) {
    if (!std::isfinite(value)) return {};
    char text[32];
    std::snprintf(text, sizeof text, "%.6g", value);
    return std::strtod(text, nullptr);
}

}  // namespace

void Moments::merge(const Moments& other) noexcept {
    missing += other.missing;
    if (other.count == 0) return;
    if (count == 0) {
        const std::int64_t before = missing;
        *this = other;
        missing = before;
        return;
    }
    const auto mine = static_cast<double>(count), theirs = static_cast<double>(other.count),
               all = mine + theirs, apart = other.mean - mean;
    mean += apart * (theirs / all);
    squares += other.squares + apart * apart * (mine * theirs / all);
    count += other.count;
    least = std::min(least, other.least);
    greatest = std::max(greatest, other.greatest);
}

double Moments::deviation() const noexcept {
    return count == 0 ? 0 : std::sqrt(squares / static_cast<double>(count));
}

Moments moments_of(ByteView elements, DType type) noexcept {
    const std::size_t count = elements.size() / bytes_of(type);
    if (count == 0) return {};
    switch (type) {
        case DType::u8:
            return exact<std::uint8_t>(elements.data(), count);
        case DType::i8:
            return exact<std::int8_t>(elements.data(), count);
        case DType::u16:
            return exact<std::uint16_t>(elements.data(), count);
        case DType::i16:
            return exact<std::int16_t>(elements.data(), count);
        case DType::u32:
            return relative<std::uint32_t>(elements.data(), count);
        case DType::i32:
            return relative<std::int32_t>(elements.data(), count);
        case DType::i64:
            return relative<std::int64_t>(elements.data(), count);
        case DType::f32:
            return relative<float>(elements.data(), count);
        case DType::f64:
            return relative<double>(elements.data(), count);
    }
    return {};
}

void merge(SplitMoments& into, const SplitMoments& other) {
    for (const auto& [split, fields] : other)
        for (const auto& [field, moments] : fields) into[split][field].merge(moments);
}

void merge(Counts& into, const Counts& other) {
    for (const auto& [column, categories] : other)
        for (const auto& [category, count] : categories) into[column][category] += count;
}

nlohmann::ordered_json to_json(const SplitMoments& moments) {
    Json json = Json::object();
    for (const auto& [split, fields] : moments)
        for (const auto& [field, m] : fields)
            json[split][field] = {{"count", m.count},         {"missing", m.missing},
                                  {"mean", number(m.mean)},   {"squares", number(m.squares)},
                                  {"least", number(m.least)}, {"greatest", number(m.greatest)}};
    return json;
}

SplitMoments moments_from_json(const nlohmann::ordered_json& json) {
    SplitMoments out;
    for (const auto& [split, fields] : json.items())
        for (const auto& [field, m] : fields.items())
            out[split][field] = {m.at("count").get<std::int64_t>(), m.at("missing").get<std::int64_t>(),
                                 number_from(m.at("mean")),         number_from(m.at("squares")),
                                 number_from(m.at("least")),        number_from(m.at("greatest"))};
    return out;
}

nlohmann::ordered_json published(const Counts& counts) {
    Json json = Json::object();
    for (const auto& [column, categories] : counts) {
        json[column] = Json::object();
        for (const auto& [category, count] : categories)
            if (count > 0) json[column][category] = published_count(count);
    }
    return json;
}

nlohmann::ordered_json published(const SplitMoments& moments, const Counts& counts) {
    Json json = Json::object();
    const auto splits = counts.find("split");
    for (const auto& [split, fields] : moments) {
        std::int64_t samples = 0;
        if (splits != counts.end())
            if (const auto found = splits->second.find(split); found != splits->second.end())
                samples = found->second;
        json[split] = nullptr;
        if (samples < kSmallest) continue;
        for (const auto& [field, m] : fields)
            json[split][field] = m.count == 0 ? Json()
                                              : Json{{"samples", published_count(samples)},
                                                     {"mean", six_digits(m.mean)},
                                                     {"deviation", six_digits(m.deviation())},
                                                     {"least", six_digits(m.least)},
                                                     {"greatest", six_digits(m.greatest)}};
    }
    return json;
}

}  // namespace core
