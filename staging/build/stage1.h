#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "staging/deid/clean.h"
#include "staging/deid/definition.h"
#include "staging/deid/identity.h"
#include "staging/deid/risk.h"
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
    // A row of a table of labels, whose columns begin with patient and split; or a mask, a field.
    virtual void take_beside(const Beside& ref, const core::Sample& sample) = 0;
    virtual void reject(const Rejected& rejected) = 0;
};

struct Stage1Result {
    std::uint64_t files = 0, bytes = 0, replaced_workers = 0;
    std::uint64_t blanked_frames = 0, blanked_boxes = 0;  // text in pixels
    DeviationCounts deviations{};           // of files that could be read, whatever became of them
    std::array<std::uint8_t, 32> digest{};  // exclusive or of keyed digests of the files' contents
    bool stopped = false;                   // another rank has failed: the batch is not complete
};

// Reads batches of files in the sandboxed worker and lets through what the profile names. One rank's. A file
// that the machine cannot read is tried again, then Error(system) names its delivery and keyed name.
class Stage1 {
public:
    Stage1(const Readers& server, const Definition& definition, const Pseudonyms& pseudonyms,
           const std::vector<DeliveryFolder>& deliveries);
    // `stop` is asked between files, and now and then in a table.
    Stage1Result read(const Batch& batch, Stage1Sink& sink, const std::function<bool()>& stop = {});

private:
    // An archive that is read as a folder, and which of its names several files have.
    struct Inside {
        std::unique_ptr<Archive> archive, masks;  // read for the one and for the other; null where tables are
        std::set<std::string> twice;
    };
    Inside open_archive(const Batch& batch) const;
    void read_file(const Batch& batch, std::size_t index, const Inside& inside, Stage1Sink& sink,
                   Stage1Result& result, const std::function<bool()>& stop);
    [[noreturn]] void machine_failed(const MachineFault& why, const Batch& batch, const std::string& name,
                                     std::uint64_t number) const;
    Opened open(std::uint64_t delivery, const std::string& name) const;
    bool is_label_table(const std::string& name) const;
    bool read_table(Table table, const Definition& rules, const std::string& name, Rejected blank,
                    core::Digest& contents, Stage1Sink& sink, Stage1Result& result,
                    const std::function<bool()>& stop) const;
    std::variant<Cleaned, Rejection> judge(const Record& header, const std::string& file_name,
                                           const Rejected& blank) const;
    void take_row(std::variant<Cleaned, Rejection> judged, const Rejected& blank, Stage1Sink& sink) const;
    void take_mask(const Record& record, const core::Id16& key, std::uint8_t part,
                   const std::string& file_name, const Rejected& blank, Stage1Sink& sink) const;
    void set_mask(Beside& ref, const Grid& grid, const std::set<std::uint8_t>& shows,
                  const core::Array& field) const;
    void take_segmentation(const Record& record, const std::string& file_name, const Rejected& blank,
                           Stage1Sink& sink) const;
    void take(const Record& record, std::variant<Cleaned, Rejection> judged, const Rejected& blank,
              HeaderSays header, Stage1Sink& sink) const;
    const Readers& server_;
    const Definition& definition_;
    const Pseudonyms& pseudonyms_;
    std::vector<std::string> names_;
    std::vector<Delivery> deliveries_;
    std::unique_ptr<Worker> worker_, mask_worker_;
    std::uint64_t worker_delivery_ = 0;  // whose files the worker has seen
};

// A sealed record of fixed size: reasons and details are short names of ours. What is beyond a limit and has no detail
// gets the limit's key.
void set_reason(Rejected& rejected, Reason reason, std::string_view detail);

}  // namespace staging
