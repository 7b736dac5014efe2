#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "core/keys/keys.h"

namespace jobs {

// What a node's signed record becomes in the ledger: kind "node.KIND", actor "node:HOST".
struct NodeEntry {
    std::string id, kind, subject;
    nlohmann::json details;
};

// A file of HOST's spool folder. Of what a job tried in vain only classes are kept. Throws Error(refused) or Error(data), with a
// text of ours, for everything that the node of `keys` (core::load_node_keys) has not written.
NodeEntry read_node_entry(std::string_view envelope, const std::vector<core::VerifyKey>& keys,
                          const std::string& host);

}  // namespace jobs
