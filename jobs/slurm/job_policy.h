#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "core/base/site.h"
#include "core/policy/enclave.h"
#include "core/policy/grant.h"

// What a job may do, before it is submitted: for `aloft submit --dry-run`. It only tells; admission
// (slurmctld), Prolog and the fence (the nodes) decide.

namespace jobs {

struct JobWish {
    std::int64_t nodes = 1, tasks_per_node = 1, minutes = 0;  // minutes 0: as many as may be
};

// {"minutes", "minutes_why", "nodes", "data": [{"dataset", "path", "key", "sealed"}], "software", "network",
// ...}. Throws Error(refused) if the grant ends too soon for any job, Error(usage) if the enclave has fewer
// nodes.
nlohmann::json job_policy(const core::Site& site, const core::Enclave& enclave, const core::Grant& grant,
                          const JobWish& wish, std::int64_t kill_wait_seconds, std::int64_t now);

// The same in words, a line per topic.
std::string in_words(const nlohmann::json& policy);

}  // namespace jobs
