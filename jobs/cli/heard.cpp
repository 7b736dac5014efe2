#include "jobs/cli/heard.h"

#include <thread>

#include "core/base/error.h"

namespace jobs {

std::string heard_here(const core::Site& site, const std::function<bool(const core::SignedList&)>& is_told,
                       std::chrono::milliseconds limit) {
    const auto end = std::chrono::steady_clock::now() + limit;
    do try {
            if (is_told(core::read_list(site))) return "";
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
        } catch (const core::Error&) {
            return "";  // no list, or none that is good: "aloft doctor" speaks of that
        }
    while (std::chrono::steady_clock::now() < end);
    return "\nthis host has not heard of it yet; see: aloft doctor";
}

}  // namespace jobs
