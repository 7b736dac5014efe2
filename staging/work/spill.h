#pragma once
#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/keys/keys.h"
#include "core/mpi/comm.h"
#include "core/shard/writer.h"
#include "staging/deid/clean.h"
#include "staging/image/flat_place.h"
#include "staging/read/deviation.h"
#include "staging/work/case.h"
#include "staging/work/composite.h"
#include "staging/work/options.h"
#include "staging/work/sealed_file.h"

namespace staging {

// Where a sample came from, in the order of the deliveries: decides which of two duplicates stays.
struct Origin {
    std::uint64_t file = 0, row = 0;  // row 0: the file is the sample
    auto operator<=>(const Origin&) const = default;
};

// What planning needs to know of a sample that waits in the work folder.
struct SampleRef {
    Origin origin;
    std::uint64_t batch = 0;                // of files: names its file
    std::uint64_t segment = 0, offset = 0;  // where its bytes wait
    std::uint64_t bytes = 0;                // uncompressed
    std::uint64_t order = 0;                // its place among all samples: a keyed hash
    core::Id16 content{}, instance{}, patient{}, quasi{};
    core::Id16 study{};  // keyed digest of the Study Instance UID; zero: none
    core::Id16 place{};  // keyed digest of series and position; equal for a picture sent twice
    // Which case it is of, for labels and for masks (deid/cases.h); zero: it says none.
    core::Id16 key{}, mask_key{};
    std::array<Alias, kMostAliases>
        aliases{};                // all identifiers of its record, `patient` first; zeros fill up
    std::uint32_t sensitive = 0;  // of what the profile calls sensitive: the category's number
    std::uint32_t site = 0, split = 0;
    std::uint32_t pieces = 1;  // files or rows that it is made of; of a volume: frames
    // What a mask of a single image must agree with, and is fitted by; of others nothing.
    std::array<std::uint32_t, 4> size{};  // frames, rows, columns; and Pixels::turned
    FlatPlace lies;
};

// A frame that waits for the rest of its volume: where its pixels are, and what image/series.h asks of it.
struct SliceRef {
    SampleRef ref;  // of its file; `content` is the frame's own
    core::Id16 series{}, file_content{};
    std::uint64_t frame = 0, frames = 1;  // which of the file's
    std::uint32_t rows = 0, columns = 0, samples = 0, is_localizer = 0;
    std::uint64_t header_says = 0;  // of a face: HeaderSays
    char file_name[24] = {};
    Frame place;
};

// A row of a table, or a mask, that waits for its images.
struct Beside {
    Origin origin;
    std::uint64_t segment = 0, columns = 0, field = 0;  // where its columns wait, and a mask's field
    core::Id16 content{};                               // of a mask: keyed digest of its field
    std::array<std::uint8_t, 32> shows{};  // a bit for each number that a mask may show; zeros: any
    core::Id16 key{}, patient{};
    std::array<Alias, kMostAliases> aliases{};  // none if it names nobody
    std::uint32_t site = 0, is_mask = 0;
    std::uint64_t needs_cut =
        0;      // a mask that may be of a face: it joins no image but one whose face is cut off
    Grid grid;  // of a mask
    std::uint64_t turned = 1;  // the same: Pixels::turned
    char file_name[24] = {};
};

// A sample that was left out.
struct Rejected {
    Origin origin;
    std::uint32_t site = 0, pieces = 1;
    char file_name[24] = {};  // keyed hash, hex, not terminated
    char reason[32] = {}, detail[128] = {};
};

// What one batch of files became.
struct BatchSummary {
    std::uint64_t batch = 0, delivery = 0, files = 0, bytes = 0, samples = 0, rejected = 0;
    std::uint64_t slices = 0;                             // frames that wait for their volume
    std::uint64_t beside = 0;                             // rows and masks that wait for their images
    std::uint64_t blanked_frames = 0, blanked_boxes = 0;  // text in pixels
    DeviationCounts deviations{};
    std::array<std::uint8_t, 32> digest{};  // exclusive or of the keyed digests of its files
};

// The work folder's place for what stage 1 found: segments, each written by one rank, appended to until it has
// `segment_bytes`, and three files long: segment-N (the samples), segment-N.refs (references and what was left
// out), segment-N.done (the batches that were written whole). What a killed run appended after its last
// whole batch is never looked at. All blocks are sealed. Volumes wait in a spill of their own, as lists of where
// their slices wait in stage 1's, and so do images with what was joined to them: no pixel is written twice.
class Spill {
public:
    Spill(std::filesystem::path folder, const core::SecretKey& run_key, const Options& options)
        : folder_(std::move(folder)), key_(run_key), options_(options) {}
    // Of samples that are made of what waits in `inner`: volumes of slices, cases of images.
    Spill(const Spill& inner, std::string name)
        : folder_(inner.folder_),
          key_(inner.key_),
          options_(inner.options_),
          prefix_(kSegment + std::move(name) + "-"),
          inner_(&inner) {}

    // Collective. Takes over what earlier runs left: blocks that may not have reached the disk when a machine
    // went down are read again; a batch that lacks one is done again. `batches` is how many there are.
    void open(const core::Comm& comm, std::uint64_t batches);
    // Whether an earlier run has done this batch.
    bool is_done(std::uint64_t batch) const;
    // Collective, when stage 1 is over: which segments there are now.
    void close(const core::Comm& comm);

    // Segments are numbered in one order on all ranks: [0, segments()). `ordinal_of` a reference's segment.
    std::size_t segments() const noexcept { return segments_.size(); }
    std::size_t ordinal_of(std::uint64_t segment) const;
    // Block by block. Throws Error(data) if a segment does not hold what its batches say.
    void each_batch(std::size_t ordinal, const std::function<void(const BatchSummary&)>& take) const;
    void each_sample(std::size_t ordinal, const std::function<void(const SampleRef&)>& take) const;
    void each_slice(std::size_t ordinal, const std::function<void(const SliceRef&)>& take) const;
    void each_rejected(std::size_t ordinal, const std::function<void(const Rejected&)>& take) const;
    void each_beside(std::size_t ordinal, const std::function<void(const Beside&)>& take) const;
    // A volume is put together here, and a case.
    core::Sample sample(const SampleRef& ref) const;
    // Of a volume that waits, in a case or by itself.
    Composite composite(const SampleRef& ref) const;
    // What was joined to a sample, and the sample by itself: a reference into inner(). Nothing if nothing was.
    std::optional<std::pair<Case, SampleRef>> joined(const SampleRef& ref) const;
    const Spill* inner() const noexcept { return inner_; }
    // A row's columns, or what tells a mask's images and its place (SegmentsPlace, FlatPlace). Its field is not read.
    std::vector<core::Cell> columns(const Beside& ref) const;
    core::Array field(const Case::Mask& mask) const;

    // The beginning of the files' names, by which they are known and removed.
    static constexpr char kSegment[] = "segment-";

private:
    friend class SpillWriter;
    struct Done;
    std::filesystem::path path(std::uint64_t segment, const char* end) const;
    void list(const core::Comm& comm);
    std::vector<Done> done_of(std::uint64_t segment) const;
    std::vector<Done> checked(std::uint64_t segment) const;
    core::Bytes waiting(std::uint64_t segment, std::uint64_t offset) const;
    std::optional<std::pair<Case, SampleRef>> joined(const SampleRef& ref, core::ByteView block) const;
    Composite composite(const SampleRef& ref, core::ByteView block) const;
    std::string purpose(std::uint64_t segment, const char* end) const;
    template <class T>
    void each(std::size_t ordinal, const std::function<void(const T&)>& take) const;
    std::filesystem::path folder_;
    const core::SecretKey& key_;
    const Options& options_;
    std::string prefix_ = kSegment;
    const Spill* inner_ = nullptr;
    std::vector<std::uint64_t> segments_;
    mutable std::map<std::uint64_t, SealedReader> open_;  // a shard's samples come from many segments
    std::uint64_t next_ = 0, step_ = 1;                   // numbers of this rank's new segments
    core::Bytes done_;                                    // a bit for each batch
};

// One rank's end of the spill: one batch after another.
class SpillWriter {
public:
    explicit SpillWriter(Spill& spill);
    ~SpillWriter();
    void begin(std::uint64_t batch);
    void add(SampleRef ref, const core::Sample& sample);
    // The frames of one file, and the sample that holds their pixels.
    void add_slices(std::vector<SliceRef> slices, const core::Sample& sample);
    void add_volume(SampleRef ref, const Composite& volume);
    // `ref` is of the image, as inner() has it.
    void add_case(const SampleRef& ref, Case joined);
    // A row's columns; of a mask its field, too.
    void add_beside(Beside ref, const core::Sample& sample);
    void reject(const Rejected& rejected);
    // Counts of samples, slices, of what is beside and of what was left out are this writer's. Without finish() the batch never was.
    void finish(BatchSummary summary);

private:
    struct Segment;
    void append(SampleRef ref, const core::Bytes& encoded);
    void flush();
    Spill& spill_;
    std::unique_ptr<Segment> segment_;
    std::vector<SampleRef> refs_;
    std::vector<SliceRef> slices_;
    std::vector<Beside> beside_;
    std::vector<Rejected> rejected_;
    BatchSummary now_;
};

core::Bytes encode(const core::Sample& sample);
core::Sample decode(core::ByteView bytes);  // throws Error(bug): what it reads was authenticated

}  // namespace staging
