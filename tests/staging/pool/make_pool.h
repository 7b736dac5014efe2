#pragma once
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "staging/pool/pool.h"
#include "support/shared_folder.h"

// Samples as a test writes them down, through a real spill, into a Pool.
struct Made {
    int content = 0, instance = 0, patient = 1, place = 0, study = 0, quasi = 1, sensitive = 0, site = 0;
};

inline core::Id16 id_of(int number) {
    core::Id16 id{};
    if (number == 0) return id;
    const core::Digest digest = core::sha256(core::view("id " + std::to_string(number)));
    std::copy_n(digest.begin(), id.size(), id.begin());
    return id;
}

class MadePool {
public:
    // With `quasi`, of one quasi-identifier, Made::quasi is its value's code.
    MadePool(const core::Comm& comm, staging::RiskPolicy policy, const std::vector<Made>& samples,
             std::optional<staging::QuasiColumns> quasi = {})
        : comm_(comm), folder_(comm), key_(folder_.key()), spill_(folder_.path(), key_, options()) {
        using namespace staging;
        definition_.profile.risk = std::move(policy);
        definition_.quasi = std::move(quasi);
        definition_.sites = {"north", "south"};
        definition_.schema.columns = {
            {"patient", core::ColumnType::id16, {}},
            {"site", core::ColumnType::category, {"north", "south"}},
            {"split", core::ColumnType::category, {"train", "validation", "test", "hidden"}},
            {"diagnosis", core::ColumnType::category, {"a", "b", "c"}}};
        spill_.open(comm, samples.size());
        SpillWriter writer(spill_);
        for (std::size_t i = 0; i < samples.size(); ++i) {
            if (static_cast<int>(i) % comm.size() != comm.rank()) continue;
            const Made& made = samples[i];
            SampleRef ref;
            ref.origin.file = i;
            ref.bytes = 10;
            ref.content = id_of(1000 + made.content);
            ref.instance = id_of(made.instance);
            ref.patient = id_of(2000 + made.patient);
            ref.place = id_of(made.place);
            ref.study = id_of(made.study);
            ref.quasi = id_of(3000 + made.quasi);
            if (definition_.quasi) {
                PackedCell cell{};
                definition_.quasi->quasi.put(cell, 0, static_cast<std::uint32_t>(made.quasi));
                std::memcpy(ref.quasi.data(), cell.data(), ref.quasi.size());
            }
            ref.sensitive = static_cast<std::uint32_t>(made.sensitive);
            ref.site = static_cast<std::uint32_t>(made.site);
            writer.begin(i);
            writer.add(ref, {});
            BatchSummary summary;
            summary.files = 1;
            writer.finish(summary);
        }
        spill_.close(comm);
        pool_ = std::make_unique<Pool>(comm, definition_, spill_, folder_.path(), key_, options(),
                                       static_cast<std::int64_t>(samples.size()));
    }
    staging::Pool& pool() { return *pool_; }

    // By the samples' numbers, on every rank: why each was dropped; -1 for those that stay.
    std::vector<int> outcome(std::size_t count) {
        std::vector<std::int64_t> mine(count, 0);
        for (auto i = static_cast<std::size_t>(comm_.rank()); i < spill_.segments();
             i += static_cast<std::size_t>(comm_.size()))
            pool_->each_of(
                i, [&](const staging::SampleRef& ref) { mine[ref.origin.file] += 100; },
                [&](const staging::SampleRef& ref, staging::WhyDropped why) {
                    mine[ref.origin.file] += 101 + static_cast<int>(why);
                });
        std::vector<int> out;
        for (std::int64_t& one : mine)
            out.push_back(static_cast<int>(comm_.sum(one)) - 101);  // once each, or it shows
        return out;
    }

private:
    static const staging::Options& options() {
        static const staging::Options small = [] {
            staging::Options o;
            o.segment_samples = 3;
            o.block_records = 2;
            o.exchange_bytes = 4096;
            o.partition_records = 2;
            return o;
        }();
        return small;
    }
    const core::Comm& comm_;
    SharedFolder folder_;
    core::SecretKey key_;
    staging::Definition definition_;
    staging::Spill spill_;
    std::unique_ptr<staging::Pool> pool_;
};

inline constexpr int kStays = -1;
inline int dropped(staging::WhyDropped why) {
    return static_cast<int>(why);
}
