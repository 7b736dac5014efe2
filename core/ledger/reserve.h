#pragma once
#include <cstdint>
#include <filesystem>

namespace core {

// Space that is kept back on the ledger's disk, so that a full one still takes what must not wait: a revocation, a
// suspension. Who writes such a record gives the space back first, commits, and takes it again when there is room.
class Reserve {
public:
    // `file`: on the ledger's file system, ours alone (0600). Takes what is missing of `size_bytes`; on a full disk
    // it holds less, or nothing, and is_full() tells.
    Reserve(std::filesystem::path file, std::uint64_t size_bytes);

    bool is_full() const;  // all of it is held
    void give_back();      // throws Error(system) if that fails
    bool take() noexcept;  // again; true if all of it is held now

private:
    std::filesystem::path file_;
    std::uint64_t size_bytes_;
};

}  // namespace core
