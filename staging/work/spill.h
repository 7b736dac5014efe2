#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "core/keys/keys.h"
#include "core/shard/writer.h"
#include "staging/deid/clean.h"
#include "staging/work/composite.h"
#include "staging/work/sealed_file.h"

namespace staging {

// Where a sample came from, in the sorted order of the deliveries: decides which of two duplicates stays.
struct Origin {
    std::uint64_t file = 0, row = 0;  // row 0: the file is the sample
    auto operator<=>(const Origin&) const = default;
};

// What planning needs to know of a sample that waits in the work folder.
struct SampleRef {
    Origin origin;
    std::uint64_t batch = 0, offset = 0;  // where its bytes wait
    std::uint64_t bytes = 0;              // uncompressed
    std::uint64_t order = 0;              // its place among all samples: a keyed hash
    core::Id16 content{}, instance{}, patient{}, quasi{};
    std::uint32_t site = 0, split = 0;
};

// A frame that waits for the rest of its volume: where its pixels are, and what image/series.h asks of it.
struct SliceRef {
    SampleRef ref;  // of its file; `content` is the frame's own
    core::Id16 series{};
    std::uint64_t frame = 0, frames = 1;  // which of the file's
    std::uint32_t rows = 0, columns = 0, samples = 0, is_localizer = 0;
    char file_name[24] = {};
    Frame place;
};

// A sample that was left out.
struct Rejected {
    Origin origin;
    std::uint32_t site = 0, padding = 0;
    char file_name[24] = {};  // keyed hash, hex, not terminated
    char reason[32] = {}, detail[64] = {};
};

// What one batch of files became; the mark that the batch is done.
struct BatchSummary {
    std::uint64_t delivery = 0, files = 0, bytes = 0, samples = 0, rejected = 0;
    std::uint64_t parts[4] = {};  // lengths of the batch's files
    std::string digest;           // keyed, over the files' digests
};

// The work folder's place for batches.
class Spill {
public:
    Spill(std::filesystem::path folder, const core::SecretKey& run_key)
        : folder_(std::move(folder)), key_(run_key) {}

    // The summary, if the batch was written whole; every block is checked. Anything else is removed.
    std::optional<BatchSummary> find(std::uint64_t batch) const;
    BatchSummary summary(std::uint64_t batch) const;
    // Block by block: a table's batch can be long.
    void each_sample(std::uint64_t batch, const std::function<void(const SampleRef&)>& take) const;
    void each_slice(std::uint64_t batch, const std::function<void(const SliceRef&)>& take) const;
    void each_rejected(std::uint64_t batch, const std::function<void(const Rejected&)>& take) const;
    // A volume is put together here.
    core::Sample sample(const SampleRef& ref) const;
    // Of a volume that waits: nothing for other samples.
    std::optional<Composite> composite(const SampleRef& ref) const;

private:
    friend class BatchWriter;
    enum Part { kSamples, kRefs, kRejected, kSlices };
    std::filesystem::path path(std::uint64_t batch, const char* part) const;
    SealedReader open(std::uint64_t batch, Part part) const;
    std::filesystem::path folder_;
    const core::SecretKey& key_;
};

// Writes one batch; without finish() it never happened.
class BatchWriter {
public:
    BatchWriter(const Spill& spill, std::uint64_t batch);
    void add(SampleRef ref, const core::Sample& sample);
    // The frames of one file, and the sample that holds their pixels.
    void add_slices(std::vector<SliceRef> slices, const core::Sample& sample);
    void add_volume(SampleRef ref, const Composite& volume);
    void reject(const Rejected& rejected);
    void finish(BatchSummary summary);

private:
    const Spill& spill_;
    std::uint64_t batch_;
    SealedWriter samples_, refs_, rejected_, slices_;
    std::vector<SampleRef> ref_buffer_;
    std::vector<Rejected> rejected_buffer_;
    std::vector<SliceRef> slice_buffer_;
    std::uint64_t sample_count_ = 0, rejected_count_ = 0;
    void flush();
};

core::Bytes encode(const core::Sample& sample);
core::Sample decode(core::ByteView bytes);  // throws Error(bug): what it reads was authenticated

}  // namespace staging
