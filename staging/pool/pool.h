#pragma once
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/mpi/comm.h"
#include "staging/deid/consent.h"
#include "staging/deid/definition.h"
#include "staging/pool/identity.h"
#include "staging/risk/search.h"
#include "staging/work/shuffle.h"
#include "staging/work/spill.h"

namespace staging {

// Why a sample that stage 1 let through is left out; where several hold, the first.
enum class WhyDropped : std::uint64_t {
    two_persons,   // its identifiers belong to a person with two national IDs: nobody's until that is decided
    uid_conflict,  // its SOP Instance UID names two contents or two patients: all of them are left out
    study_of_two_patients,  // all samples of that study
    sent_again,             // the same instance, content and patient: the first stays
    same_content,           // the same content at the same place of the same patient: the first stays
    small_group,            // its patient is like too few others
    opted_out,              // its patient said no
    not_consented,          // its patient was not asked, or has not answered
};

// What was found besides, and stays.
struct SharedContent {
    std::int64_t contents =
        0;  // that several patients have: empty pictures, or one person under two identities
    std::int64_t samples = 0;  // that hold them
};

// What was made coarser, and what was measured before that.
struct Coarser {
    Generalisation least;
    GroupTotals before;
};

// What stage 2 measured over the distinct patients of the dataset, exactly, before suppression. A patient is one
// record: the set of the cells (combinations of quasi-identifiers) of its samples. A group is all patients of
// equal sets.
struct PooledRisk {
    std::int64_t patients = 0, groups = 0, smallest_group = 0;
    std::int64_t patients_below = 0, samples_below = 0;  // in groups that break k, l or t
    std::int64_t patients_in_several_cells = 0;
    // Over the sensitive column, if there is one (risk/measures.h): the fewest categories in a group, the least entropy,
    // the greatest recursive ratio, and the greatest distance of a group's distribution from that of all patients. Missing
    // is no value, and neither is "several", which a patient with several categories has.
    std::int64_t fewest_categories = 0;
    double least_entropy_l = 0, greatest_ratio = 0, greatest_distance = 0;
    bool suppressed = false;
    // If the profile generalises: everything else here is measured of what that leaves.
    std::optional<Coarser> coarser;
};

struct Counted {
    std::int64_t samples = 0, bytes = 0;
    std::vector<std::int64_t> split_samples, split_patients;  // by split
    std::int64_t patients = 0, patients_at_two_sites = 0;
};

// What this rank's part of a spill says of who is one person.
std::vector<Link> links_of(const core::Comm& comm, const Spill& spill);

// What only the whole dataset shows: duplicates, conflicts and small groups. Everything is brought together by
// Shuffle, so that neither memory nor the outcome depends on the number of ranks. All functions are collective.
class Pool {
public:
    // `samples`: how many wait. The spill is closed.
    Pool(const core::Comm& comm, const Definition& definition, const Spill& spill,
         const std::filesystem::path& folder, const core::SecretKey& run_key, const Options& options,
         std::int64_t samples);
    ~Pool();

    // Who is one person: samples come with their person's pseudonym from here on; those of conflicts are dropped.
    // `more`: of this rank, what rows say that wait beside the samples. Before all else.
    void join_identities(const Identities::SplitOf& split_of, std::vector<Link> more = {});
    // Drops all samples of these people, by whatever identifier. The same list on all ranks; after join_identities().
    void leave_out(const std::vector<LeftOutPerson>& people);
    // Conflicts first: what is in one is left out, and no other sample for its sake. Then duplicates: of equal
    // ones the first in the deliveries' order stays.
    SharedContent find_duplicates();
    // Groups of patients with equal sets of cells, made coarser first if the profile has hierarchies (memory: risk/table.h
    // and risk/search.h, of the patients of this rank's partitions). Throws Error(data) if no generalisation will do. Drops all samples of patients in groups that break the
    // profile's criteria, if it says so.
    PooledRisk find_small_groups();
    // Totals of what stays; after both.
    const Counted& counted() const noexcept { return counted_; }

    // Calls `keep` or `drop` for each sample of a segment that stage 1 let through. Not collective.
    void each_of(std::size_t ordinal, const std::function<void(const SampleRef&)>& keep,
                 const std::function<void(const SampleRef&, WhyDropped)>& drop) const;
    // What stays of this rank's segments, as a shuffle's step: a segment at a time.
    template <class Record>
    std::function<bool(const typename Shuffle<Record>::Put&)> steps(
        std::function<void(const SampleRef&, const typename Shuffle<Record>::Put&)> keep) const {
        return [this, keep, next = static_cast<std::size_t>(comm_.rank())](
                   const typename Shuffle<Record>::Put& put) mutable {
            if (next < spill_.segments())
                each_of(
                    next, [&](const SampleRef& ref) { keep(ref, put); }, [](const SampleRef&, WhyDropped) {});
            next += static_cast<std::size_t>(comm_.size());
            return next < spill_.segments();
        };
    }

private:
    struct Drop {
        Origin origin;
        WhyDropped why;
    };
    // What stage 2 knows of a sample while it looks at patients.
    struct Visit {
        core::Id16 patient, quasi;
        Origin origin;
        std::uint64_t segment, bytes;
        std::uint32_t sensitive, site, split, padding;
    };
    using Drops = Shuffle<Drop>;
    template <class Record>
    Shuffle<Record> shuffle(const char* name, std::int64_t partitions) const {
        return {comm_, folder_, name, partitions, key_, options_};
    }
    // Collective. A step for each partition of `from` that this rank owns; what `find` puts are drops.
    template <class Record, class Find>
    void find_drops(const char* name, const Shuffle<Record>& from, Find find) {
        auto drops = std::make_unique<Drops>(comm_, folder_, name, segments(), key_, options_);
        std::int64_t next = comm_.rank();
        drops->fill([&](const Drops::Put& put) {
            if (next < from.partitions())
                find(from.records(next), [&](const Origin& origin, std::uint64_t segment, WhyDropped why) {
                    put(static_cast<std::int64_t>(spill_.ordinal_of(segment)), {origin, why});
                });
            next += comm_.size();
            return next < from.partitions();
        });
        drops_.push_back(std::move(drops));
    }
    std::int64_t segments() const {
        return std::max<std::int64_t>(static_cast<std::int64_t>(spill_.segments()), 1);
    }
    void find_conflicts();
    Coarser generalise(const Shuffle<Visit>& visits, std::uint32_t several) const;
    SharedContent find_equal();

    const core::Comm& comm_;
    const Definition& definition_;
    const Spill& spill_;
    std::filesystem::path folder_;
    const core::SecretKey& key_;
    const Options& options_;
    std::int64_t partitions_;
    Identities identities_;
    std::map<core::Id16, WhyDropped> left_out_;  // by the person's pseudonym
    std::vector<std::unique_ptr<Drops>> drops_;
    Counted counted_;
};

}  // namespace staging
