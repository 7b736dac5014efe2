#pragma once
#include <cstdint>
#include <filesystem>
#include <string_view>

namespace jobs {

// Room that is kept for what must be recorded even on a full disk: revocations, suspensions, nodes' records. A
// file beside the ledger holds it; it is given back to the disk when such a record needs it, and made again when
// there is room. It takes a sixteenth of the file system, at most 16 MiB.
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
    bool held_ = false;
};

}  // namespace jobs
