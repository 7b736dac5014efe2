#include "jobs/service/reserve.h"

#include <sys/statvfs.h>

#include <algorithm>

#include "core/base/error.h"
#include "core/base/event.h"

namespace jobs {

namespace {

constexpr std::uint64_t kMostBytes = 16 << 20;

}  // namespace

Reserve::Reserve(const std::filesystem::path& folder) : folder_(folder), file_(folder / "reserve") {
    struct statvfs status {};
    if (::statvfs(folder_.c_str(), &status) == 0)
        size_ = std::min<std::uint64_t>(kMostBytes, status.f_blocks * status.f_frsize / 16);
    std::error_code error;
    if (std::filesystem::file_size(file_, error) >= size_ && !error) {  // as it was, after a restart
        space_.emplace(file_, size_);
        held_ = space_->is_full();
    }
    refill();
}

bool Reserve::is_vital(std::string_view kind) {
    return kind == "grant.revoked" || kind == "enclave.suspended" || kind == "enclave.closed" ||
           kind == "key.withdrawn" || kind == "aloftd.started" || kind.starts_with("node.") ||
           kind.starts_with("configuration.");
}

// Unknown counts as plenty: then the write itself tells.
std::uint64_t Reserve::free_bytes() const {
    struct statvfs status {};
    return ::statvfs(folder_.c_str(), &status) ? UINT64_MAX : status.f_bavail * status.f_frsize;
}

bool Reserve::admits(std::string_view kind) {
    const std::uint64_t free = free_bytes();
    if (is_vital(kind)) {
        if (held_ && free < size_) release();
        return true;
    }
    return free >= (held_ ? size_ : 2 * size_);
}

void Reserve::release() noexcept {
    if (!held_) return;
    held_ = false;
    try {
        space_->give_back();
        core::Event("warning", "reserve_released").with("bytes", size_);
    } catch (const core::Error& e) {
        core::Event("error", "reserve_not_released").with("text", e.what());
    }
}

void Reserve::refill() noexcept {
    if (held_ || size_ == 0 || free_bytes() < 3 * size_) return;
    if (space_)
        space_->take();
    else
        space_.emplace(file_, size_);
    held_ = space_->is_full();
}

}  // namespace jobs
