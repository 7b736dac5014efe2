#include "staging/report/quality.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace staging {
namespace {

template <class T>
void add_elements(const core::Bytes& bytes, NumberRange& range) {
    const std::size_t count = bytes.size() / sizeof(T);
    if (count == 0) return;
    T low = std::numeric_limits<T>::max(), high = std::numeric_limits<T>::lowest();
    double sum = 0;
    std::int64_t finite = 0;
    for (std::size_t i = 0; i < count; ++i) {
        T value;
        std::memcpy(&value, bytes.data() + i * sizeof value, sizeof value);
        if constexpr (std::is_floating_point_v<T>)
            if (!std::isfinite(value)) continue;
        low = std::min(low, value);
        high = std::max(high, value);
        sum += static_cast<double>(value);
        ++finite;
    }
    range.missing += static_cast<std::int64_t>(count) - finite;
    if (finite) range.merge({finite, 0, static_cast<double>(low), static_cast<double>(high), sum});
}

void add_array(const core::Bytes& bytes, core::DType type, NumberRange& range) {
    using core::DType;
    switch (type) {
        case DType::u8:
            return add_elements<std::uint8_t>(bytes, range);
        case DType::i8:
            return add_elements<std::int8_t>(bytes, range);
        case DType::u16:
            return add_elements<std::uint16_t>(bytes, range);
        case DType::i16:
            return add_elements<std::int16_t>(bytes, range);
        case DType::u32:
            return add_elements<std::uint32_t>(bytes, range);
        case DType::i32:
            return add_elements<std::int32_t>(bytes, range);
        case DType::i64:
            return add_elements<std::int64_t>(bytes, range);
        case DType::f32:
            return add_elements<float>(bytes, range);
        case DType::f64:
            return add_elements<double>(bytes, range);
    }
}

std::string category(const core::Sample& sample, const core::Schema& schema, const char* column) {
    if (!schema.has_column(column)) return "";
    const auto* name = std::get_if<std::string>(&sample.columns[schema.column(column)]);
    return name ? *name : "";
}

constexpr double kNoNumber = std::numeric_limits<double>::quiet_NaN();

double number_of(const core::Cell& cell) {
    if (const auto* real = std::get_if<double>(&cell)) return *real;
    if (const auto* integer = std::get_if<std::int64_t>(&cell)) return static_cast<double>(*integer);
    return kNoNumber;
}

void add_one(core::Moments& moments, double value) {
    if (std::isfinite(value))
        moments.merge({1, 0, value, 0, value, value});
    else
        ++moments.missing;
}

nlohmann::ordered_json to_json(const NumberRange& range) {
    nlohmann::ordered_json json{{"count", range.count}, {"missing", range.missing}};
    if (range.count) {
        json["min"] = range.min;
        json["max"] = range.max;
        if (std::isfinite(range.sum)) json["sum"] = range.sum;  // else absent: too large for a double
    }
    return json;
}

NumberRange range_from(const nlohmann::ordered_json& json) {
    return {json.at("count"), json.at("missing"), json.value("min", 0.0), json.value("max", 0.0),
            json.value("sum", json.contains("min") ? std::numeric_limits<double>::infinity() : 0.0)};
}

using Ranges = std::map<std::string, std::map<std::string, NumberRange>>;

nlohmann::ordered_json to_json(const Ranges& all) {
    auto json = nlohmann::ordered_json::object();
    for (const auto& [name, sites] : all)
        for (const auto& [site, range] : sites) json[name][site] = to_json(range);
    return json;
}

Ranges ranges_from(const nlohmann::ordered_json& json) {
    Ranges out;
    for (const auto& [name, sites] : json.items())
        for (const auto& [site, range] : sites.items()) out[name][site] = range_from(range);
    return out;
}

}  // namespace

void NumberRange::add(double value) {
    if (std::isfinite(value))
        merge({1, 0, value, value, value});
    else
        ++missing;
}

void NumberRange::merge(const NumberRange& other) {
    missing += other.missing;
    if (other.count == 0) return;
    min = count ? std::min(min, other.min) : other.min;
    max = count ? std::max(max, other.max) : other.max;
    sum += other.sum;
    count += other.count;
}

void Quality::add(const core::Sample& sample, const Definition& definition) {
    const core::Schema& schema = definition.schema;
    const std::string site = category(sample, schema, "site");
    ++strata[{site, category(sample, schema, "vendor"), category(sample, schema, "label"),
              category(sample, schema, "split")}];
    for (std::size_t i = 0; i < schema.fields.size(); ++i) {
        const core::Field& field = schema.fields[i];
        add_array(sample.fields[i].bytes, field.dtype, fields[field.name][site]);
        const core::Moments elements = core::moments_of(sample.fields[i].bytes, field.dtype);
        add_one(per_sample[field.name + " (mean)"][site], elements.count ? elements.mean : kNoNumber);
        if (!field.ragged()) continue;
        std::string shape;
        for (const std::int64_t extent : sample.fields[i].shape)
            shape += (shape.empty() ? "" : "x") + std::to_string(extent);
        ++shapes[field.name][shape];
    }
    for (std::size_t i = kFirstRuleColumn; i < schema.columns.size(); ++i) {
        const core::Column& column = schema.columns[i];
        const core::Cell& cell = sample.columns[i];
        if (column.type == core::ColumnType::category) {
            const auto* name = std::get_if<std::string>(&cell);
            ++categories[column.name][site][name ? *name : ""];
        } else if (column.type != core::ColumnType::id16) {
            columns[column.name][site].add(number_of(cell));
            add_one(per_sample[column.name][site], number_of(cell));
        }
    }
}

void Quality::merge(const Quality& other) {
    for (const auto& [stratum, count] : other.strata) strata[stratum] += count;
    for (const auto& [name, sites] : other.fields)
        for (const auto& [site, range] : sites) fields[name][site].merge(range);
    for (const auto& [name, sites] : other.columns)
        for (const auto& [site, range] : sites) columns[name][site].merge(range);
    for (const auto& [name, sites] : other.categories)
        for (const auto& [site, counts] : sites)
            for (const auto& [category_name, count] : counts) categories[name][site][category_name] += count;
    for (const auto& [name, counts] : other.shapes)
        for (const auto& [shape, count] : counts) shapes[name][shape] += count;
    core::merge(per_sample, other.per_sample);
}

nlohmann::ordered_json to_json(const Quality& quality) {
    auto strata = nlohmann::ordered_json::array();
    for (const auto& [key, count] : quality.strata)
        strata.push_back(
            {{"site", key[0]}, {"vendor", key[1]}, {"label", key[2]}, {"split", key[3]}, {"samples", count}});
    return {{"strata", strata},
            {"fields", to_json(quality.fields)},
            {"columns", to_json(quality.columns)},
            {"categories", quality.categories},
            {"shapes", quality.shapes},
            {"per_sample", core::to_json(quality.per_sample)}};
}

Quality quality_from_json(const nlohmann::ordered_json& json) {
    Quality out;
    for (const auto& one : json.at("strata"))
        out.strata[{one.at("site"), one.at("vendor"), one.at("label"), one.at("split")}] = one.at("samples");
    out.fields = ranges_from(json.at("fields"));
    out.columns = ranges_from(json.at("columns"));
    out.categories = json.at("categories").get<decltype(out.categories)>();
    out.shapes = json.at("shapes").get<decltype(out.shapes)>();
    out.per_sample = core::moments_from_json(json.at("per_sample"));
    return out;
}

}  // namespace staging
