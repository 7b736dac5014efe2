#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>

#include "core/ledger/reserve.h"

namespace jobs {

// Which records may use the room that is kept for them on a full disk (core/ledger/reserve.h): revocations, suspensions,
// nodes' records. It is given back when such a record needs it, and taken again when there is room. It takes a
// sixteenth of the file system, at most 16 MiB.
class Reserve {
public:
    explicit Reserve(const std::filesystem::path& folder);
    // False if a record of `kind` must wait for room. May give the reserve back.
    bool admits(std::string_view kind);
    void release() noexcept;  // give it back
    void refill() noexcept;   // make it again, if there is room

    static bool is_vital(std::string_view kind);

private:
    std::uint64_t free_bytes() const;

    std::filesystem::path folder_, file_;
    std::uint64_t size_ = 0;
    std::optional<core::Reserve> space_;  // from when there was room for it
    bool held_ = false;
};

}  // namespace jobs
