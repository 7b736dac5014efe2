#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "core/mpi/comm.h"
#include "staging/deid/clean.h"

namespace staging {

// Two identifiers that stood in one record: one person's. `a` is the record's patient.
struct Link {
    Alias a, b;
};

// Sorts, and drops repetitions.
void keep_each_once(std::vector<Link>& links);

// What became of an identifier that is not its person's first one.
struct Moved {
    core::Id16 from, to;
    std::uint32_t split = 0;  // of `to`
    bool conflict = false;    // its person has two national IDs: nobody's, until the hospital has decided
};

// Who is one person in the whole dataset. Identifiers that stood in one record once are one person's everywhere, and
// so on through any number of records; the person is called by the national ID, else by the least of the digests.
// Two national IDs joined in such a way are a conflict: all their samples are held back. A function of the links alone,
// whatever their order. Memory: 34 bytes for each link on one rank while they are
// joined; afterwards 40 for each identifier that moves, on every rank.
class Identities {
public:
    using SplitOf = std::function<std::uint32_t(const core::Id16& patient)>;
    Identities() = default;
    Identities(std::vector<Link> links, const SplitOf& split_of);
    // Collective: of the links of all ranks.
    static Identities joined(const core::Comm& comm, const std::vector<Link>& mine, const SplitOf& split_of);

    // Nothing if it is as stage 1 called it.
    const Moved* find(const core::Id16& patient) const;
    std::span<const Moved> moved() const noexcept { return moved_; }

private:
    std::vector<Moved> moved_;  // by `from`
};

}  // namespace staging
