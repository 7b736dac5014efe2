#pragma once
#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "core/base/site.h"
#include "core/policy/list.h"

namespace jobs {

// Waits until this host's aloft-mirror keeps a list of which `is_told` is true, for at most `limit`: the command that an
// admin types next must not meet a host that has not heard of this one. Puts "heard_here" into `answer`, where the host
// keeps a list, and returns what to add for people: "" if it has heard.
std::string heard_here(const core::Site& site, nlohmann::json& answer,
                       const std::function<bool(const core::SignedList&)>& is_told,
                       std::chrono::milliseconds limit = std::chrono::seconds(10));

}  // namespace jobs
