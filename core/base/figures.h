#pragma once
#include <cstdint>

#include <nlohmann/json_fwd.hpp>

namespace core {

// A count as it may stand in the clear: to the nearest ten, "<10" where fewer, 0 where none.
nlohmann::ordered_json published_count(std::int64_t count);

// What is told of a dataset version to whoever may know that it is there, on its cards and in the catalogue:
//   {"samples", "patients", "shards", "bytes", "splits": {split: {"samples", "patients"}}}
// `manifest`: its "samples", "shards", "bytes" and "splits"; what it does not say is null. Counts are published_count()'s (a shard
// may hold one sample). Sizes have two digits and are told from 1000 samples on: of samples of one size they would tell how many
// there are.
nlohmann::ordered_json version_figures(const nlohmann::ordered_json& manifest);

}  // namespace core
