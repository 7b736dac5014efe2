#pragma once
#include <filesystem>

#include <nlohmann/json_fwd.hpp>

namespace staging {

// aloft-stage card: what may be told of a sealed version to everybody.
struct CardRequest {
    std::filesystem::path dir;      // of the version
    std::filesystem::path card;     // configs/cards/*.toml
    std::filesystem::path steward;  // public key; empty: the site's
    std::filesystem::path
        out;  // folder, made if it is missing: croissant.json, datasheet.md, healthdcat.jsonld
};

// Writes them, the last if the card has a table [health], and says what it wrote. Throws Error(refused) for a version that is not sealed by a steward whose key is
// known (what can still change has no identifier), Error(usage) for a card of another dataset.
nlohmann::ordered_json write_card(const CardRequest& request);

}  // namespace staging
