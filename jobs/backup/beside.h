#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace jobs {

// What a ledger says must lie beside it.
struct Beside {
    struct Table {
        std::string name, sha256;
    };
    std::map<std::string, std::string> open;  // release -> its folder below SITE.state/releases
    std::map<std::string, std::vector<Table>>
        left;  // exported release -> its tables below SITE.state/left/RELEASE
    std::map<std::string, std::string> configuration;  // file below SITE.config -> SHA-256; empty: removed
};

// Of the records up to `last`. One pass. A record of another form says nothing, as in State.
Beside beside_of(const std::filesystem::path& ledger, std::uint64_t last = UINT64_MAX);

}  // namespace jobs
