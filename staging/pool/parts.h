#pragma once
#include "core/mpi/comm.h"
#include "staging/risk/table.h"

namespace staging {

// The ranks as parts of one table of patients. Shares go to the rank that owns their group in rounds of
// `exchange_bytes`. All functions are collective.
class RankParts : public Parts {
public:
    RankParts(const core::Comm& comm, std::uint64_t exchange_bytes)
        : comm_(comm), exchange_bytes_(exchange_bytes) {}
    bool alone() const noexcept override { return comm_.size() == 1; }
    void sum(std::span<std::int64_t> numbers) const override;
    std::int64_t least(std::int64_t mine) const override { return -comm_.max(-mine); }
    double greatest(double mine) const override { return comm_.max_real(mine); }
    void bring(const std::vector<Share>& mine, Shares& here) const override;
    void give_back(const Shares& mine, const Shares& here, Shares& back) const override;

private:
    int owner_of(const GroupName& group) const;
    const core::Comm& comm_;
    std::uint64_t exchange_bytes_;
};

}  // namespace staging
