#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/shard/moments.h"
#include "core/shard/writer.h"
#include "staging/deid/definition.h"

namespace staging {

// The range of a number over some samples.
struct NumberRange {
    std::int64_t count = 0, missing = 0;
    double min = 0, max = 0, sum = 0;
    void add(double value);
    void merge(const NumberRange& other);
};

// What the kept samples are like, by site: counts, intensities, spacing, missing values. Summed shard by
// shard in their order, so that the figures do not depend on the number of ranks.
struct Quality {
    std::map<std::vector<std::string>, std::int64_t> strata;  // site, vendor, label, split -> samples
    std::map<std::string, std::map<std::string, NumberRange>> fields;   // field -> site -> values
    std::map<std::string, std::map<std::string, NumberRange>> columns;  // column of numbers -> site -> values
    std::map<std::string, std::map<std::string, std::map<std::string, std::int64_t>>>
        categories;                                                     // column -> site -> category
    std::map<std::string, std::map<std::string, std::int64_t>> shapes;  // field -> "1x512x512" -> samples
    // One number a sample, by which deliveries are compared: "image (mean)" of a field's finite elements, or a column of
    // numbers -> site -> moments.
    core::SplitMoments per_sample;

    void add(const core::Sample& sample, const Definition& definition);
    void merge(const Quality& other);
};

nlohmann::ordered_json to_json(const Quality& quality);
Quality quality_from_json(const nlohmann::ordered_json& json);

// A report, exact (reports/quality.json) or published (published.h), as one page without scripts or anything from outside.
std::string quality_html(const nlohmann::ordered_json& report);

}  // namespace staging
