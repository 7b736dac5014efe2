#pragma once
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

// One thing that was looked at before an enclave may open: on a node, on the site around it, in Slurm's settings. Nodes sign
// them into the ledger, aloftd decides by them, `aloft admin preflight` shows them.

namespace core {

enum class Verdict { good, warning, bad };
std::string_view name_of(Verdict verdict);

struct Check {
    std::string host;   // who looked; empty in a node's own list
    std::string layer;  // "node", "site", "login", "slurm"
    std::string what;   // was looked at
    Verdict verdict = Verdict::bad;
    bool required = true;       // what is not, warns only
    std::string found, remedy;  // remedy: empty if good

    bool is_miss() const { return required && verdict == Verdict::bad; }
};

Check required(std::string what, bool good, std::string found, std::string remedy);
Check advised(std::string what, bool good, std::string found, std::string remedy);

// {"host", "layer", "check", "verdict", "required", "found", "remedy"}; "host" is left out if there is none.
nlohmann::json to_json(const Check& check);
Check check_of(const nlohmann::json& json);  // throws nlohmann::json::exception, Error(data)

}  // namespace core
