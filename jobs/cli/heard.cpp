#include "jobs/cli/heard.h"

#include <filesystem>
#include <thread>

#include "core/base/message.h"

namespace jobs {

std::string heard_here(const core::Site& site, nlohmann::json& answer,
                       const std::function<bool(const core::SignedList&)>& is_told,
                       std::chrono::milliseconds limit) {
    if (std::error_code none; !std::filesystem::exists(site.mirror / "list.json", none)) return "";
    bool heard = false;
    const auto end = std::chrono::steady_clock::now() + limit;
    do try {
            heard = is_told(core::read_list(site));
            if (!heard) std::this_thread::sleep_for(std::chrono::milliseconds(50));
        } catch (const core::Error&) {
            break;  // one that is not good does not become so
        }
    while (!heard && std::chrono::steady_clock::now() < end);
    answer["heard_here"] = heard;
    return heard ? "" : "\n" + core::tr("this host has not heard of it yet; see: aloft doctor");
}

}  // namespace jobs
