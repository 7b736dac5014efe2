#pragma once
#include <functional>
#include <vector>

#include "staging/deid/definition.h"
#include "staging/deid/identity.h"
#include "staging/pool/pool.h"
#include "staging/work/listing.h"
#include "staging/work/spill.h"

namespace staging {

// What is told of a waiting sample that is left out after stage 1: one record for each of the files and rows that it is
// made of.
class LeftOut {
public:
    LeftOut(const Definition& definition, const Pseudonyms& pseudonyms,
            const std::vector<DeliveryFolder>& deliveries, const Listing& listing)
        : definition_(definition), pseudonyms_(pseudonyms), deliveries_(deliveries), listing_(listing) {}

    // `ref` is of `spill`.
    void each_record(const Spill& spill, const SampleRef& ref, const Rejection& why,
                     const std::function<void(const Rejected&)>& add) const;

private:
    const Definition& definition_;
    const Pseudonyms& pseudonyms_;
    const std::vector<DeliveryFolder>& deliveries_;
    const Listing& listing_;
};

// As a reason for the record.
Rejection rejection_of(WhyDropped why);

}  // namespace staging
