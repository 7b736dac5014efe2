#pragma once
#include <cstdint>
#include <map>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "core/base/bytes.h"
#include "core/shard/schema.h"

namespace core {

// Count, mean, sum of squared differences from the mean, least and greatest of some numbers. What is not
// finite is counted as missing. Mean and squares are not finite themselves where they exceed a double: that is
// a value here, and null in JSON, never an error.
struct Moments {
    std::int64_t count = 0, missing = 0;
    double mean = 0, squares = 0, least = 0, greatest = 0;

    // Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances"
    // (1979). The result depends on the order in the last bits: everybody merges samples in the order of the
    // shard, shards in the order of the page, pages in the order of the manifest.
    void merge(const Moments& other) noexcept;
    double deviation() const noexcept;  // of the whole, not of a sample of it: sqrt(squares / count)
};

// Of the elements of an array. Integers of 8 and 16 bits exactly; others in double, relative to the first
// finite element. The same for any number of threads and ranks, and on any processor.
Moments moments_of(ByteView elements, DType type) noexcept;

// moments[split][field], counts[column][category]: in both "" is missing.
using SplitMoments = std::map<std::string, std::map<std::string, Moments>>;
using Counts = std::map<std::string, std::map<std::string, std::int64_t>>;
void merge(SplitMoments& into, const SplitMoments& other);
void merge(Counts& into, const Counts& other);

nlohmann::ordered_json to_json(const SplitMoments& moments);
SplitMoments moments_from_json(const nlohmann::ordered_json& json);  // throws the JSON library's exceptions

// As they may stand in the clear. Counts: to the nearest ten, "<10" where fewer, absent where none.
nlohmann::ordered_json published(const Counts& counts);
// Moments of six digits, with the split's samples as published(); null for a split of fewer than 10 samples.
nlohmann::ordered_json published(const SplitMoments& moments, const Counts& counts);

}  // namespace core
