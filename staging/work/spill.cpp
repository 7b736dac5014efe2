#include "staging/work/spill.h"

#include <cstring>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/files.h"

namespace staging {
namespace {

constexpr const char* kParts[] = {"samples", "refs", "rejected", "slices"};
constexpr std::size_t kBlockRecords = 4096;

std::string purpose(std::uint64_t batch, const char* part) {
    return "batch " + std::to_string(batch) + " " + part;
}

template <class T>
core::ByteView bytes_of_all(const std::vector<T>& records) {
    return {reinterpret_cast<const std::uint8_t*>(records.data()), records.size() * sizeof(T)};
}

template <class T>
void read_each(SealedReader reader, const std::function<void(const T&)>& take) {
    while (const auto block = reader.next())
        for (std::size_t at = 0; at + sizeof(T) <= block->size(); at += sizeof(T)) {
            T record;
            std::memcpy(&record, block->data() + at, sizeof record);
            take(record);
        }
}

class Output {
public:
    void number(std::uint64_t value) { raw(&value, sizeof value); }
    void raw(const void* from, std::size_t count) {
        const auto* bytes = static_cast<const std::uint8_t*>(from);
        out.insert(out.end(), bytes, bytes + count);
    }
    core::Bytes out;
};

class Input {
public:
    explicit Input(core::ByteView from) : rest_(from) {}
    std::uint64_t number() {
        std::uint64_t value = 0;
        std::memcpy(&value, raw(sizeof value).data(), sizeof value);
        return value;
    }
    core::ByteView raw(std::uint64_t count) {
        if (count > rest_.size()) throw core::Error(core::Fault::bug, "a waiting sample is cut short");
        const core::ByteView out = rest_.first(count);
        rest_ = rest_.subspan(count);
        return out;
    }

private:
    core::ByteView rest_;
};

}  // namespace

core::Bytes encode(const core::Sample& sample) {
    Output to;
    to.number(sample.fields.size());
    for (const core::Array& field : sample.fields) {
        to.number(field.shape.size());
        for (const std::int64_t extent : field.shape) to.number(static_cast<std::uint64_t>(extent));
        to.number(field.bytes.size());
        to.raw(field.bytes.data(), field.bytes.size());
    }
    to.number(sample.columns.size());
    for (const core::Cell& cell : sample.columns) {
        to.number(cell.index());
        if (const auto* integer = std::get_if<std::int64_t>(&cell)) to.raw(integer, sizeof *integer);
        if (const auto* real = std::get_if<double>(&cell)) to.raw(real, sizeof *real);
        if (const auto* id = std::get_if<core::Id16>(&cell)) to.raw(id->data(), id->size());
        if (const auto* name = std::get_if<std::string>(&cell)) {
            to.number(name->size());
            to.raw(name->data(), name->size());
        }
    }
    return std::move(to.out);
}

core::Sample decode(core::ByteView bytes) {
    Input from(bytes);
    core::Sample sample;
    sample.fields.resize(from.number());
    for (core::Array& field : sample.fields) {
        field.shape.resize(from.number());
        for (std::int64_t& extent : field.shape) extent = static_cast<std::int64_t>(from.number());
        const core::ByteView raw = from.raw(from.number());
        field.bytes.assign(raw.begin(), raw.end());
    }
    sample.columns.resize(from.number());
    for (core::Cell& cell : sample.columns) {
        switch (from.number()) {
            case 0:
                break;
            case 1:
                cell = static_cast<std::int64_t>(from.number());
                break;
            case 2: {
                double real = 0;
                std::memcpy(&real, from.raw(sizeof real).data(), sizeof real);
                cell = real;
                break;
            }
            case 3:
                cell = std::string(core::text(from.raw(from.number())));
                break;
            case 4: {
                core::Id16 id;
                const core::ByteView raw = from.raw(id.size());
                std::copy(raw.begin(), raw.end(), id.begin());
                cell = id;
                break;
            }
            default:
                throw core::Error(core::Fault::bug, "a waiting sample has a cell of no known type");
        }
    }
    return sample;
}

std::filesystem::path Spill::path(std::uint64_t batch, const char* part) const {
    return folder_ / ("batch-" + std::to_string(batch) + "." + part);
}

SealedReader Spill::open(std::uint64_t batch, Part part) const {
    return {path(batch, kParts[part]), key_, purpose(batch, kParts[part])};
}

BatchSummary Spill::summary(std::uint64_t batch) const {
    const auto json = nlohmann::json::parse(core::read_text(path(batch, "done")));
    BatchSummary out;
    out.delivery = json.at("delivery");
    out.files = json.at("files");
    out.bytes = json.at("bytes");
    out.samples = json.at("samples");
    out.rejected = json.at("rejected");
    out.digest = json.at("digest");
    for (std::size_t i = 0; i < 4; ++i) out.parts[i] = json.at("parts").at(i);
    return out;
}

std::optional<BatchSummary> Spill::find(std::uint64_t batch) const {
    if (std::filesystem::exists(path(batch, "done"))) {
        try {
            BatchSummary out = summary(batch);
            bool whole = true;
            for (const Part part : {kSamples, kRefs, kRejected, kSlices}) {
                SealedReader reader = open(batch, part);
                whole &= reader.bytes() == out.parts[part];
                while (whole && reader.next()) continue;
            }
            if (whole) return out;
        } catch (const std::exception&) {
            // A crash of the machine can leave less than was written: such a batch is done again.
        }
    }
    for (const char* part : {"done", kParts[0], kParts[1], kParts[2], kParts[3]}) {
        std::error_code ignored;
        std::filesystem::remove(path(batch, part), ignored);
    }
    return std::nullopt;
}

void Spill::each_sample(std::uint64_t batch, const std::function<void(const SampleRef&)>& take) const {
    read_each<SampleRef>(open(batch, kRefs), take);
}

void Spill::each_rejected(std::uint64_t batch, const std::function<void(const Rejected&)>& take) const {
    read_each<Rejected>(open(batch, kRejected), take);
}

void Spill::each_slice(std::uint64_t batch, const std::function<void(const SliceRef&)>& take) const {
    read_each<SliceRef>(open(batch, kSlices), take);
}

core::Sample Spill::sample(const SampleRef& ref) const {
    const core::Bytes block = open(ref.batch, kSamples).at(ref.offset);
    const auto volume = decode_composite(block);
    if (!volume) return decode(block);
    return assemble(*volume, [&](std::uint64_t batch, std::uint64_t offset) {
        return decode(open(batch, kSamples).at(offset));
    });
}

std::optional<Composite> Spill::composite(const SampleRef& ref) const {
    return decode_composite(open(ref.batch, kSamples).at(ref.offset));
}

BatchWriter::BatchWriter(const Spill& spill, std::uint64_t batch)
    : spill_(spill),
      batch_(batch),
      samples_(spill.path(batch, kParts[0]), spill.key_, purpose(batch, kParts[0])),
      refs_(spill.path(batch, kParts[1]), spill.key_, purpose(batch, kParts[1])),
      rejected_(spill.path(batch, kParts[2]), spill.key_, purpose(batch, kParts[2])),
      slices_(spill.path(batch, kParts[3]), spill.key_, purpose(batch, kParts[3])) {}

void BatchWriter::add(SampleRef ref, const core::Sample& sample) {
    ref.batch = batch_;
    ref.offset = samples_.append(encode(sample));
    ref_buffer_.push_back(ref);
    ++sample_count_;
    if (ref_buffer_.size() == kBlockRecords) flush();
}

void BatchWriter::add_volume(SampleRef ref, const Composite& volume) {
    ref.batch = batch_;
    ref.offset = samples_.append(encode(volume));
    ref_buffer_.push_back(ref);
    ++sample_count_;
    if (ref_buffer_.size() == kBlockRecords) flush();
}

void BatchWriter::add_slices(std::vector<SliceRef> slices, const core::Sample& sample) {
    const std::uint64_t offset = samples_.append(encode(sample));
    for (SliceRef& slice : slices) {
        slice.ref.batch = batch_;
        slice.ref.offset = offset;
        slice_buffer_.push_back(slice);
    }
    if (slice_buffer_.size() >= kBlockRecords) flush();
}

void BatchWriter::reject(const Rejected& rejected) {
    rejected_buffer_.push_back(rejected);
    ++rejected_count_;
    if (rejected_buffer_.size() == kBlockRecords) flush();
}

void BatchWriter::flush() {
    if (!ref_buffer_.empty()) refs_.append(bytes_of_all(ref_buffer_));
    if (!rejected_buffer_.empty()) rejected_.append(bytes_of_all(rejected_buffer_));
    if (!slice_buffer_.empty()) slices_.append(bytes_of_all(slice_buffer_));
    slice_buffer_.clear();
    ref_buffer_.clear();
    rejected_buffer_.clear();
}

void BatchWriter::finish(BatchSummary summary) {
    flush();
    const nlohmann::ordered_json json{
        {"delivery", summary.delivery},
        {"files", summary.files},
        {"bytes", summary.bytes},
        {"samples", sample_count_},
        {"rejected", rejected_count_},
        {"parts", {samples_.bytes(), refs_.bytes(), rejected_.bytes(), slices_.bytes()}},
        {"digest", summary.digest}};
    core::write_atomically(spill_.path(batch_, "done"), json.dump() + "\n");
}

}  // namespace staging
