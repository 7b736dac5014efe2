#pragma once
#include <nlohmann/json.hpp>

namespace jobs {

// A job chooses what it tries in vain, so what it tried could carry what it must not: of a node's record about a
// job only classes and counts are kept, each class one of a few words. Takes the details of job-ended with
// "attempts" in classes, as nodes write them, or with addresses, as they once did: [{"what": "TCP", "to":
// "203.0.113.5:443", "count"}]; returns them as [{"what": "TCP", "to": "https", "count": 3}], one per class. Parts of
// another form are left out.
nlohmann::json classes_only(nlohmann::json details);

// The "outcome" and "exit" of a node's record job-outcome, each one of its words (slurm/node/outcome.h) or "unknown".
nlohmann::json outcome_only(const nlohmann::json& details);

// A count as those outside an enclave see it: 1, 2, 5, 10, 20, 50, ... rounded down. The exact number is the
// job's choice and holds more than the class does.
std::int64_t rounded_count(std::int64_t count);

}  // namespace jobs
