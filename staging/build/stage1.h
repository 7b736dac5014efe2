#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "staging/deid/definition.h"
#include "staging/deid/identity.h"
#include "staging/read/delivery.h"
#include "staging/read/worker.h"
#include "staging/work/listing.h"
#include "staging/work/spill.h"

namespace staging {

// Where stage 1 puts what it found.
class Stage1Sink {
public:
    virtual ~Stage1Sink() = default;
    virtual void take(const SampleRef& ref, const core::Sample& sample) = 0;
    // The frames of a file, where samples are volumes; `sample` holds what they give to one.
    virtual void take_slices(std::vector<SliceRef> slices, const core::Sample& sample) = 0;
    virtual void reject(const Rejected& rejected) = 0;
};

struct Stage1Result {
    std::uint64_t files = 0, bytes = 0, replaced_workers = 0;
    std::string digest;  // keyed, over the digests of the batch's files
};

// Reads batches of files in the sandboxed worker and lets through what the profile names. One rank's.
class Stage1 {
public:
    Stage1(const Readers& server, const Definition& definition, const Pseudonyms& pseudonyms,
           const std::vector<DeliveryFolder>& deliveries);
    Stage1Result read(const Batch& batch, Stage1Sink& sink);

private:
    void read_file(const Batch& batch, std::size_t index, Stage1Sink& sink, Stage1Result& result,
                   core::Sha256& digest);
    void judge(const Record& record, const Rejected& blank, Stage1Sink& sink);
    const Readers& server_;
    const Definition& definition_;
    const Pseudonyms& pseudonyms_;
    std::vector<std::string> names_;
    std::vector<Delivery> deliveries_;
    std::unique_ptr<Worker> worker_;
};

// A sealed record of fixed size: reasons and details are short names of ours.
void set_reason(Rejected& rejected, Reason reason, const std::string& detail);

}  // namespace staging
