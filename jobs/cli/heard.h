#pragma once
#include <chrono>
#include <functional>
#include <string>

#include "core/base/site.h"
#include "core/policy/list.h"

namespace jobs {

// Waits until this host's aloft-mirror keeps a list of which `is_told` is true, for at most `limit`: the
// command that an admin types next must not meet a host that has not heard of this one. Returns what to add
// to the answer: "" if the host has heard, or keeps no list.
std::string heard_here(const core::Site& site, const std::function<bool(const core::SignedList&)>& is_told,
                       std::chrono::milliseconds limit = std::chrono::seconds(10));

}  // namespace jobs
