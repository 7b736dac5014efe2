#include "staging/work/spill.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstring>
#include <iterator>

#include "core/base/error.h"
#include "core/base/files.h"

namespace staging {

// A batch in a segment: from where to where its blocks stand. Batch kSynced: all before it is on the disk.
struct Spill::Done {
    BatchSummary summary;
    std::uint64_t samples_from, samples_to, refs_from, refs_to;
};

namespace {

constexpr std::uint64_t kSynced = UINT64_MAX;
constexpr const char *kSamples = "", *kRefs = ".refs", *kDone = ".done";
enum Kind : std::uint8_t { kSampleRefs, kRejecteds, kSliceRefs, kBesides };
template <class T>
constexpr Kind kKindOf = std::is_same_v<T, SampleRef>  ? kSampleRefs
                         : std::is_same_v<T, Rejected> ? kRejecteds
                         : std::is_same_v<T, Beside>   ? kBesides
                                                       : kSliceRefs;

template <class T>
core::Bytes block_of(const std::vector<T>& records) {
    static_assert(std::is_trivially_copyable_v<T>);
    core::Bytes out{kKindOf<T>};
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(records.data());
    out.insert(out.end(), bytes, bytes + records.size() * sizeof(T));
    return out;
}

template <class T>
core::ByteView bytes_of(const T& one) {
    static_assert(std::is_trivially_copyable_v<T>);
    return {reinterpret_cast<const std::uint8_t*>(&one), sizeof one};
}

[[noreturn]] void lost() {
    throw core::Error(
        core::Fault::data,
        "the work folder lost samples that were waiting there. Remove it and run the build again");
}

}  // namespace

std::filesystem::path Spill::path(std::uint64_t segment, const char* end) const {
    return folder_ / (prefix_ + std::to_string(segment) + end);
}

std::string Spill::purpose(std::uint64_t segment, const char* end) const {
    return prefix_ + std::to_string(segment) + end;
}

std::size_t Spill::ordinal_of(std::uint64_t segment) const {
    const auto at = std::lower_bound(segments_.begin(), segments_.end(), segment);
    if (at == segments_.end() || *at != segment) lost();
    return static_cast<std::size_t>(at - segments_.begin());
}

// What the folder holds, as rank 0 sees it: the other ranks are told, whatever their caches say.
void Spill::list(const core::Comm& comm) {
    core::Bytes found;
    core::together(comm, [&] {
        if (!comm.is_root()) return;
        std::vector<std::uint64_t> numbers;
        for (const std::string& name : names_in(folder_, *options_.disk)) {
            const std::string_view prefix = prefix_, end = kDone;
            if (!name.starts_with(prefix) || !name.ends_with(end)) continue;
            std::uint64_t number = 0;
            const char* last = name.data() + name.size() - end.size();
            const auto [rest, failed] = std::from_chars(name.data() + prefix.size(), last, number);
            if (failed == std::errc{} && rest == last) numbers.push_back(number);
        }
        std::sort(numbers.begin(), numbers.end());
        found.resize(numbers.size() * sizeof(std::uint64_t));
        if (!found.empty()) std::memcpy(found.data(), numbers.data(), found.size());
    });
    comm.broadcast(found);
    segments_.resize(found.size() / sizeof(std::uint64_t));
    if (!found.empty()) std::memcpy(segments_.data(), found.data(), found.size());
}

// The batches that were written down whole. A killed run can leave half a record at the end.
std::vector<Spill::Done> Spill::done_of(std::uint64_t segment) const {
    std::vector<Done> out;
    SealedReader reader(path(segment, kDone), key_, purpose(segment, kDone), *options_.disk);
    while (const auto block = reader.next()) {
        if (block->size() != sizeof(Done)) lost();
        std::memcpy(&out.emplace_back(), block->data(), sizeof(Done));
    }
    return out;
}

// Of a segment of an earlier run, the batches that are there with every block.
std::vector<Spill::Done> Spill::checked(std::uint64_t segment) const {
    std::vector<Done> all, good;
    SealedReader reader(path(segment, kDone), key_, purpose(segment, kDone), *options_.disk);
    std::size_t synced = 0;
    bool whole = true;
    try {
        while (const auto block = reader.next()) {
            if (block->size() != sizeof(Done)) break;
            std::memcpy(&all.emplace_back(), block->data(), sizeof(Done));
            if (all.back().summary.batch == kSynced) synced = all.size();
        }
    } catch (const core::Error& e) {
        if (e.fault() != core::Fault::data) throw;
        whole = false;
    }
    for (std::size_t i = 0; i < all.size(); ++i) {
        const Done& one = all[i];
        if (one.summary.batch == kSynced) continue;
        try {
            for (const bool samples : {true, false}) {
                if (i < synced) break;
                const char* end = samples ? kSamples : kRefs;
                const SealedReader file(path(segment, end), key_, purpose(segment, end), *options_.disk);
                std::uint64_t at = samples ? one.samples_from : one.refs_from;
                const std::uint64_t to = samples ? one.samples_to : one.refs_to;
                while (at < to) at = file.after(at, file.at(at).size());
            }
            good.push_back(one);
        } catch (const core::Error& e) {
            if (e.fault() != core::Fault::data && exists(path(segment, kSamples), *options_.disk) &&
                exists(path(segment, kRefs), *options_.disk))
                throw;      // that cannot be read now is not lost
            whole = false;  // a machine went down before it had written this: the batch is done again
        }
    }
    if (whole) return good;
    remove_file(path(segment, kDone), *options_.disk);
    SealedWriter out(path(segment, kDone), key_, purpose(segment, kDone), *options_.disk);
    for (const Done& one : good) out.append(bytes_of(one));
    return good;
}

void Spill::open(const core::Comm& comm, std::uint64_t batches) {
    list(comm);
    done_.assign((batches + 7) / 8, 0);
    core::together(comm, [&] {
        for (auto i = static_cast<std::size_t>(comm.rank()); i < segments_.size();
             i += static_cast<std::size_t>(comm.size()))
            for (const Done& one : checked(segments_[i]))
                if (one.summary.batch < batches)
                    done_[one.summary.batch / 8] |= static_cast<std::uint8_t>(1U << one.summary.batch % 8);
    });
    comm.unite(done_);
    next_ = (segments_.empty() ? 0 : segments_.back() + 1) + static_cast<std::uint64_t>(comm.rank());
    step_ = static_cast<std::uint64_t>(comm.size());
}

bool Spill::is_done(std::uint64_t batch) const {
    return done_.at(batch / 8) >> batch % 8 & 1;
}

void Spill::close(const core::Comm& comm) {
    comm.barrier();  // every rank has written what it writes
    list(comm);
}

void Spill::each_batch(std::size_t ordinal, const std::function<void(const BatchSummary&)>& take) const {
    for (const Done& one : done_of(segments_.at(ordinal)))
        if (one.summary.batch != kSynced) take(one.summary);
}

template <class T>
void Spill::each(std::size_t ordinal, const std::function<void(const T&)>& take) const {
    const std::uint64_t segment = segments_.at(ordinal);
    const SealedReader file(path(segment, kRefs), key_, purpose(segment, kRefs), *options_.disk);
    for (const Done& one : done_of(segment)) {
        if (one.summary.batch == kSynced) continue;
        std::uint64_t count = 0;
        for (std::uint64_t at = one.refs_from; at < one.refs_to;) {
            const core::Bytes block = file.at(at);
            at = file.after(at, block.size());
            if (block.at(0) != kKindOf<T>) continue;
            for (std::size_t i = 1; i + sizeof(T) <= block.size(); i += sizeof(T), ++count) {
                T record;
                std::memcpy(&record, block.data() + i, sizeof record);
                take(record);
            }
        }
        const std::uint64_t expected = kKindOf<T> == kSampleRefs  ? one.summary.samples
                                       : kKindOf<T> == kRejecteds ? one.summary.rejected
                                       : kKindOf<T> == kBesides   ? one.summary.beside
                                                                  : one.summary.slices;
        if (count != expected) lost();
    }
}

void Spill::each_sample(std::size_t ordinal, const std::function<void(const SampleRef&)>& take) const {
    each<SampleRef>(ordinal, take);
}

void Spill::each_rejected(std::size_t ordinal, const std::function<void(const Rejected&)>& take) const {
    each<Rejected>(ordinal, take);
}

void Spill::each_slice(std::size_t ordinal, const std::function<void(const SliceRef&)>& take) const {
    each<SliceRef>(ordinal, take);
}

void Spill::each_beside(std::size_t ordinal, const std::function<void(const Beside&)>& take) const {
    each<Beside>(ordinal, take);
}

core::Bytes Spill::waiting(std::uint64_t segment, std::uint64_t offset) const {
    constexpr std::size_t kOpen = 64;
    auto found = open_.find(segment);
    if (found == open_.end()) {
        if (open_.size() >= kOpen) open_.clear();
        found = open_
                    .try_emplace(segment, path(segment, kSamples), key_, purpose(segment, kSamples),
                                 *options_.disk)
                    .first;
    }
    return found->second.at(offset);
}

core::Sample Spill::sample(const SampleRef& ref) const {
    const core::Bytes block = waiting(ref.segment, ref.offset);
    if (!inner_) return decode(block);
    if (auto found = joined(ref, block)) {
        core::Sample out = inner_->sample(found->second);
        std::ranges::move(found->first.columns, std::back_inserter(out.columns));
        const Spill* stage1 = inner_;
        while (stage1->inner_) stage1 = stage1->inner_;
        std::optional<core::Array> all;
        for (const Case::Mask& one : found->first.masks) {
            core::Array mask = stage1->field(one);
            spread_mask(mask, one.slices, found->first.image_slices);
            if (all)
                add_mask(*all, mask);
            else
                all = std::move(mask);
        }
        if (all) out.fields.push_back(*std::move(all));
        return out;
    }
    return assemble(composite(ref, block), [&](std::uint64_t segment, std::uint64_t offset) {
        return decode(inner_->waiting(segment, offset));
    });
}

std::optional<std::pair<Case, SampleRef>> Spill::joined(const SampleRef& ref) const {
    return inner_ ? joined(ref, waiting(ref.segment, ref.offset)) : std::nullopt;
}

std::optional<std::pair<Case, SampleRef>> Spill::joined(const SampleRef& ref, core::ByteView block) const {
    auto found = decode_case(block);
    if (!found) return std::nullopt;
    SampleRef image = ref;
    image.batch = found->batch, image.segment = found->segment, image.offset = found->offset;
    image.pieces -= static_cast<std::uint32_t>(found->companions.size());
    return std::pair(*std::move(found), image);
}

std::vector<core::Cell> Spill::columns(const Beside& ref) const {
    return decode(waiting(ref.segment, ref.columns)).columns;
}

core::Array Spill::field(const Case::Mask& mask) const {
    core::Array out = std::move(decode(waiting(mask.segment, mask.offset)).fields.at(0));
    turn_mask(out, mask.turned);
    return out;
}

Composite Spill::composite(const SampleRef& ref) const {
    return composite(ref, waiting(ref.segment, ref.offset));
}

Composite Spill::composite(const SampleRef& ref, core::ByteView block) const {
    if (const auto found = inner_ ? joined(ref, block) : std::nullopt)
        return inner_->composite(found->second);
    auto volume = decode_composite(block);
    if (!volume) throw core::Error(core::Fault::bug, "a waiting sample is no volume");
    return *std::move(volume);
}

struct SpillWriter::Segment {
    Segment(const Spill& spill, std::uint64_t number_)
        : number(number_),
          samples(spill.path(number, kSamples), spill.key_, spill.purpose(number, kSamples),
                  *spill.options_.disk),
          refs(spill.path(number, kRefs), spill.key_, spill.purpose(number, kRefs), *spill.options_.disk),
          done(spill.path(number, kDone), spill.key_, spill.purpose(number, kDone), *spill.options_.disk) {}
    void sync() {
        samples.sync();
        refs.sync();
        Spill::Done mark{};
        mark.summary.batch = kSynced;
        done.append(bytes_of(mark));
        synced = std::chrono::steady_clock::now();
    }
    std::uint64_t number, count = 0, samples_from = 0, refs_from = 0;
    SealedWriter samples, refs, done;
    std::chrono::steady_clock::time_point synced = std::chrono::steady_clock::now();
};

SpillWriter::SpillWriter(Spill& spill) : spill_(spill) {}
SpillWriter::~SpillWriter() = default;

void SpillWriter::begin(std::uint64_t batch) {
    if (!segment_)
        segment_ =
            std::make_unique<Segment>(spill_, std::exchange(spill_.next_, spill_.next_ + spill_.step_));
    now_ = {};
    now_.batch = batch;
    segment_->samples_from = segment_->samples.bytes();
    segment_->refs_from = segment_->refs.bytes();
}

void SpillWriter::append(SampleRef ref, const core::Bytes& encoded) {
    ref.batch = now_.batch;
    ref.segment = segment_->number;
    ref.offset = segment_->samples.append(encoded);
    refs_.push_back(ref);
    ++now_.samples;
    if (refs_.size() == spill_.options_.block_records) flush();
}

void SpillWriter::add(SampleRef ref, const core::Sample& sample) {
    append(ref, encode(sample));
}

void SpillWriter::add_volume(SampleRef ref, const Composite& volume) {
    append(ref, encode(volume));
}

void SpillWriter::add_case(const SampleRef& ref, Case joined) {
    joined.batch = ref.batch, joined.segment = ref.segment, joined.offset = ref.offset;
    SampleRef whole = ref;
    whole.pieces += static_cast<std::uint32_t>(joined.companions.size());
    append(whole, encode(joined));
}

void SpillWriter::add_beside(Beside ref, const core::Sample& sample) {
    ref.segment = segment_->number;
    ref.columns = segment_->samples.append(encode(core::Sample{{}, sample.columns}));
    if (!sample.fields.empty()) ref.field = segment_->samples.append(encode(core::Sample{sample.fields, {}}));
    beside_.push_back(ref);
    ++now_.beside;
    if (beside_.size() == spill_.options_.block_records) flush();
}

void SpillWriter::add_slices(std::vector<SliceRef> slices, const core::Sample& sample) {
    const std::uint64_t offset = segment_->samples.append(encode(sample));
    for (SliceRef& slice : slices) {
        slice.ref.batch = now_.batch;
        slice.ref.segment = segment_->number;
        slice.ref.offset = offset;
        slices_.push_back(slice);
        ++now_.slices;
        if (slices_.size() == spill_.options_.block_records) flush();
    }
}

void SpillWriter::reject(const Rejected& rejected) {
    rejected_.push_back(rejected);
    ++now_.rejected;
    if (rejected_.size() == spill_.options_.block_records) flush();
}

void SpillWriter::flush() {
    if (!refs_.empty()) segment_->refs.append(block_of(refs_));
    if (!rejected_.empty()) segment_->refs.append(block_of(rejected_));
    if (!slices_.empty()) segment_->refs.append(block_of(slices_));
    if (!beside_.empty()) segment_->refs.append(block_of(beside_));
    refs_.clear();
    slices_.clear();
    beside_.clear();
    rejected_.clear();
}

void SpillWriter::finish(BatchSummary summary) {
    flush();
    summary.batch = now_.batch;
    summary.samples = now_.samples;
    summary.rejected = now_.rejected;
    summary.slices = now_.slices;
    summary.beside = now_.beside;
    Spill::Done record{};
    record.summary = summary;
    record.samples_from = segment_->samples_from;
    record.samples_to = segment_->samples.bytes();
    record.refs_from = segment_->refs_from;
    record.refs_to = segment_->refs.bytes();
    segment_->done.append(bytes_of(record));
    segment_->count += now_.samples + now_.slices + now_.beside;
    const Options& options = spill_.options_;
    if (std::chrono::steady_clock::now() - segment_->synced >= std::chrono::seconds(options.sync_seconds))
        segment_->sync();
    if (segment_->samples.bytes() >= options.segment_bytes || segment_->count >= options.segment_samples) {
        segment_->sync();
        segment_.reset();
    }
}

}  // namespace staging
