#include "trainer/data/loader.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <exception>
#include <map>
#include <mutex>
#include <thread>

#include "core/base/error.h"
#include "trainer/data/buffers.h"
#include "trainer/data/convert.h"
#include "trainer/data/sampler.h"

namespace trainer {
namespace {

using core::Error;
using core::Fault;

constexpr std::size_t kBlockBytes = 1 << 20;  // what a disk reads best at once (256 KB and 4 MB are slower)

at::ScalarType torch_type(core::DType type) {
    switch (type) {
        case core::DType::u8:
            return at::kByte;
        case core::DType::i8:
            return at::kChar;
        case core::DType::u16:
            return at::kUInt16;
        case core::DType::i16:
            return at::kShort;
        case core::DType::u32:
            return at::kUInt32;
        case core::DType::i32:
            return at::kInt;
        case core::DType::i64:
            return at::kLong;
        case core::DType::f32:
            return at::kFloat;
        case core::DType::f64:
            break;
    }
    return at::kDouble;
}

// The samples of one shard that belong to the split, and their labels.
struct Rows {
    const OpenShard* shard = nullptr;
    std::vector<std::uint32_t> rows;
    core::ColumnData labels;
};

// One batch while it is being filled. `left` counts the rows that are not there yet.
struct Slot {
    std::int64_t step = 0, valid = 0;
    std::shared_ptr<std::uint8_t> memory;  // inputs
    at::Tensor ragged;                     // instead, for a ragged field
    std::vector<std::int64_t> label, site, vendor, sample;
    std::vector<double> number;
    std::vector<core::Id16> patient;
    std::atomic<std::int64_t> left{0};
    std::exception_ptr failure;  // set under the mutex
};

// A block with what of it is ours: read together, in stored order.
struct Unit {
    std::uint32_t shard = 0;
    struct Item {
        std::uint32_t in_split;  // position in Rows::rows
        std::uint32_t row;       // in the batch
        Slot* slot;
    };
    std::vector<Item> items;
};

}  // namespace

class Loader::Work {
public:
    Work(const Dataset& dataset, LoaderOptions options)
        : dataset_(dataset),
          options_(std::move(options)),
          field_index_(find_field()),
          field_(dataset_.schema().fields[field_index_]),
          sampler_(blocks(), options_.seed),
          buffers_(static_cast<std::size_t>(options_.batch_size) * out_bytes()),
          rows_(dataset_.shards()),
          once_(new std::once_flag[dataset_.shards()]) {
        check();
    }
    ~Work() { stop(); }

    std::int64_t global_batch() const noexcept { return options_.batch_size * options_.ranks; }
    std::int64_t samples() const noexcept { return sampler_.samples(); }
    std::int64_t steps() const noexcept {
        const std::int64_t batch = global_batch();
        return options_.tail == Tail::drop ? samples() / batch : (samples() + batch - 1) / batch;
    }
    std::vector<std::int64_t> input_shape() const { return field_.shape; }
    std::int64_t classes() const noexcept {
        return label_ ? static_cast<std::int64_t>(dataset_.schema().columns[*label_].names.size()) : 0;
    }

    void begin_epoch(std::int64_t epoch, std::int64_t first_step) {
        if (first_step < 0 || first_step > steps())
            throw Error(Fault::usage, "the epoch has " + std::to_string(steps()) +
                                          " steps; it cannot start at step " + std::to_string(first_step));
        stop();
        sampler_.begin_epoch(epoch, options_.order == Order::shuffled);
        step_ = first_step;
        first_ = first_step * global_batch();
        slots_.clear();
        units_.clear();
        window_ = first_ < samples() ? sampler_.window_of(first_) : sampler_.windows();
        stop_ = false;
        began_ = true;
        for (int i = 0; i < std::max(1, options_.threads); ++i) threads_.emplace_back([this] { read(); });
    }

    std::optional<Batch> next() {
        if (!began_) throw Error(Fault::usage, "begin_epoch comes before next");
        if (step_ == steps()) return std::nullopt;
        std::unique_lock lock(mutex_);
        Slot* slot = nullptr;
        ready_.wait(lock, [&] {
            const auto found = slots_.find(step_);
            if (found == slots_.end()) return failure_ != nullptr;
            slot = found->second.get();
            return failure_ || slot->failure || slot->left.load(std::memory_order_acquire) == 0;
        });
        if (failure_) std::rethrow_exception(failure_);
        if (slot->failure) std::rethrow_exception(slot->failure);
        const std::unique_ptr<Slot> mine = std::move(slots_.at(step_));
        slots_.erase(step_);
        const std::int64_t step = step_++;
        lock.unlock();
        room_.notify_all();
        return publish(*mine, step);
    }

private:
    std::size_t find_field() const {
        const auto& fields = dataset_.schema().fields;
        if (!options_.field.empty()) return dataset_.schema().field(options_.field);
        if (fields.size() != 1)
            throw Error(Fault::usage,
                        dataset_.manifest().id() + " has more than one field: say which to load");
        return 0;
    }

    std::size_t out_bytes() const {
        const std::size_t bytes = field_.sample_bytes();
        return options_.normalise ? bytes / core::bytes_of(field_.dtype) * sizeof(float) : bytes;
    }

    std::vector<Block> blocks() const {
        const std::size_t bytes = std::max<std::size_t>(1, field_.sample_bytes());
        const auto most =
            static_cast<std::int64_t>(field_.ragged() ? 1 : std::max<std::size_t>(1, kBlockBytes / bytes));
        std::vector<Block> all;
        for (std::size_t i = 0; i < dataset_.shards(); ++i) {
            const std::int64_t count = dataset_.samples(i, options_.split);
            for (std::int64_t first = 0; first < count; first += most)
                all.push_back({static_cast<std::uint32_t>(i), first, std::min(most, count - first)});
        }
        return all;
    }

    void check() {
        const auto refuse = [&](const std::string& text) {
            throw Error(Fault::usage, dataset_.manifest().id() + ": " + text);
        };
        if (options_.batch_size < 1 || options_.ranks < 1 || options_.rank < 0 ||
            options_.rank >= options_.ranks)
            refuse("batch size and ranks must be positive, and the rank one of them");
        if (field_.ragged() && options_.batch_size != 1)
            refuse("samples of the field " + field_.name + " differ in shape: the batch size must be 1");
        if (!options_.label.empty()) {
            label_ = dataset_.schema().column(options_.label);
            if (dataset_.schema().columns[*label_].type == core::ColumnType::id16)
                refuse("the column " + options_.label + " holds pseudonyms: it cannot be a label");
        }
        if (samples() == 0) refuse("no samples in the split \"" + options_.split + "\"");
        if (steps() == 0)
            refuse("the split \"" + options_.split + "\" has " + std::to_string(samples()) +
                   " samples, fewer than one step of " + std::to_string(global_batch()) +
                   ": use a smaller batch or fewer ranks");
        if (options_.normalise) {
            const std::size_t channels = field_.ragged() ? 1 : static_cast<std::size_t>(field_.shape[0]);
            const auto fits = [&](std::size_t n) { return n == 1 || n == channels; };
            if (!fits(options_.normalise->scale.size()) || !fits(options_.normalise->offset.size()))
                refuse("scale and offset have one entry, or one for each of the field's " +
                       std::to_string(channels) + " channels");
        }
    }

    // Which samples of a step are this rank's: [first, last) of the step's samples.
    std::pair<std::int64_t, std::int64_t> share(std::int64_t step) const {
        const std::int64_t batch = global_batch(), size = std::min(batch, samples() - step * batch);
        if (size == batch)
            return {options_.batch_size * options_.rank, options_.batch_size * (options_.rank + 1)};
        return {size * options_.rank / options_.ranks, size * (options_.rank + 1) / options_.ranks};
    }

    const Rows& rows(std::size_t shard) {
        std::call_once(once_[shard], [&] {
            Rows found;
            found.shard = &dataset_.shard(shard);
            const auto& split = found.shard->split;
            const std::int32_t code =
                dataset_.schema().columns[dataset_.schema().column("split")].code_of(options_.split);
            for (std::size_t i = 0; i < split.size(); ++i)
                if (options_.split.empty() || split[i] == code)
                    found.rows.push_back(static_cast<std::uint32_t>(i));
            if (static_cast<std::int64_t>(found.rows.size()) != dataset_.samples(shard, options_.split))
                throw Error(Fault::data,
                            core::shard_file(static_cast<std::int64_t>(shard)) +
                                ": /columns/split: the manifest counts other samples than the shard has");
            if (label_) found.labels = found.shard->reader.column(*label_);
            rows_[shard] = std::move(found);
        });
        return rows_[shard];
    }

    std::unique_ptr<Slot> make_slot(std::int64_t step) {
        auto slot = std::make_unique<Slot>();
        slot->step = step;
        const auto [first, last] = share(step);
        const auto valid = static_cast<std::size_t>(last - first);
        slot->valid = slot->left = last - first;
        if (!field_.ragged()) slot->memory = buffers_.take();
        for (auto* numbers : {&slot->label, &slot->site, &slot->vendor, &slot->sample})
            numbers->resize(valid);
        slot->number.resize(valid);
        slot->patient.resize(valid);
        return slot;
    }

    // Far enough ahead that the next batch can be filled and one more window be read meanwhile.
    bool may_plan() const {
        return window_ < sampler_.windows() && sampler_.start(window_) < steps() * global_batch() &&
               sampler_.start(window_) <= (step_ + 1) * global_batch() + window_size();
    }
    std::int64_t window_size() const { return sampler_.start(window_ + 1) - sampler_.start(window_); }

    // Turns the next window into units, and makes the slots of the batches it reaches into.
    void plan() {
        const std::int64_t start = sampler_.start(window_), batch = global_batch();
        const std::int64_t end = std::min(sampler_.start(window_ + 1), steps() * batch);
        for (std::int64_t step = std::max(start, first_) / batch; step * batch < end; ++step)
            if (!slots_.contains(step) && step >= step_) slots_.emplace(step, make_slot(step));
        const std::vector<std::uint32_t> places = sampler_.places(window_);
        std::size_t i = 0;
        for (const Block& block : sampler_.blocks(window_)) {
            Unit unit;
            unit.shard = block.shard;
            for (std::int64_t k = 0; k < block.count; ++k) {
                const std::int64_t position = start + places[i++];
                if (position < first_ || position >= end) continue;
                const std::int64_t step = position / batch, in_step = position - step * batch;
                const auto [first, last] = share(step);
                if (in_step < first || in_step >= last) continue;
                unit.items.push_back({static_cast<std::uint32_t>(block.first + k),
                                      static_cast<std::uint32_t>(in_step - first), slots_.at(step).get()});
            }
            if (!unit.items.empty()) units_.push_back(std::move(unit));
        }
        ++window_;
    }

    void read() noexcept {
        for (;;) {
            Unit unit;
            {
                std::unique_lock lock(mutex_);
                room_.wait(lock, [&] { return stop_ || failure_ || !units_.empty() || may_plan(); });
                if (stop_ || failure_) return;
                if (units_.empty()) {
                    try {
                        plan();
                    } catch (...) {
                        failure_ = std::current_exception();
                    }
                    ready_.notify_all();  // a batch without a sample of ours is complete now
                    room_.notify_all();
                    continue;
                }
                unit = std::move(units_.front());
                units_.pop_front();
            }
            std::size_t filled = 0;
            try {
                fill(unit, filled);
            } catch (...) {
                const std::lock_guard lock(mutex_);
                // Only of these it is certain that their slots are not complete, handed out and gone.
                for (std::size_t i = filled; i < unit.items.size(); ++i)
                    if (!unit.items[i].slot->failure) unit.items[i].slot->failure = std::current_exception();
                ready_.notify_all();
                // The slots stay until begin_epoch: other units may still write into them.
            }
        }
    }

    // `filled` counts the items that are in their slots.
    void fill(const Unit& unit, std::size_t& filled) {
        const Rows& rows = this->rows(unit.shard);
        const std::int64_t first_sample = dataset_.first_sample(unit.shard);
        for (; filled < unit.items.size(); ++filled) {
            const Unit::Item& item = unit.items[filled];
            const std::uint32_t at = rows.rows[item.in_split];
            const std::int64_t next = filled + 1 < unit.items.size()
                                          ? std::int64_t{rows.rows[unit.items[filled + 1].in_split]}
                                          : -1;
            Slot& slot = *item.slot;
            read_inputs(rows.shard->reader, at, next, item);
            slot.site[item.row] = rows.shard->site[at];
            slot.vendor[item.row] = rows.shard->vendor[at];
            slot.patient[item.row] = rows.shard->patient[at];
            slot.sample[item.row] = first_sample + at;
            if (!rows.labels.integers.empty()) slot.label[item.row] = rows.labels.integers[at];
            if (!rows.labels.codes.empty()) slot.label[item.row] = rows.labels.codes[at];
            if (!rows.labels.numbers.empty()) slot.number[item.row] = rows.labels.numbers[at];
            const std::int64_t step = slot.step;  // the slot may be gone once the last row is counted
            if (slot.left.fetch_sub(1, std::memory_order_acq_rel) == 1) {
                const std::lock_guard lock(mutex_);      // else next() could sleep through it
                if (step == step_) ready_.notify_all();  // later ones it will find ready
            }
        }
    }

    void read_inputs(const core::ShardReader& reader, std::uint32_t at, std::int64_t next,
                     const Unit::Item& item) {
        if (field_.ragged()) {
            const core::Array array = reader.array(field_index_, at);
            at::Tensor tensor =
                at::empty(array.shape, options_.normalise ? at::kFloat : torch_type(field_.dtype));
            if (options_.normalise) {
                convert(array.bytes.data(), array.bytes.size(), tensor.data_ptr<float>());
            } else {
                std::memcpy(tensor.data_ptr(), array.bytes.data(), array.bytes.size());
            }
            item.slot->ragged = tensor.unsqueeze(0);
            return;
        }
        const std::size_t bytes = field_.sample_bytes();
        std::uint8_t* const out = item.slot->memory.get() + item.row * out_bytes();
        if (!options_.normalise) {
            reader.read(field_index_, at, {out, bytes}, next);
            return;
        }
        thread_local core::Bytes raw;
        raw.resize(bytes);
        reader.read(field_index_, at, raw, next);
        convert(raw.data(), bytes, reinterpret_cast<float*>(out));
    }

    void convert(const std::uint8_t* raw, std::size_t bytes, float* out) const {
        const Normalise& to = *options_.normalise;
        const std::size_t channels = std::max(to.scale.size(), to.offset.size());
        const std::size_t count = bytes / core::bytes_of(field_.dtype) / channels;
        for (std::size_t c = 0; c < channels; ++c)
            to_float(field_.dtype, raw + c * bytes / channels, count, to.scale[c % to.scale.size()],
                     to.offset[c % to.offset.size()], out + c * count);
    }

    static at::Tensor numbers(const std::vector<std::int64_t>& values) {
        at::Tensor tensor = at::empty({static_cast<std::int64_t>(values.size())}, at::kLong);
        if (!values.empty())
            std::memcpy(tensor.data_ptr(), values.data(), values.size() * sizeof(std::int64_t));
        return tensor;
    }

    Batch publish(Slot& slot, std::int64_t step) const {
        Batch batch;
        batch.valid = slot.valid;
        batch.step = step;
        const at::ScalarType type = options_.normalise ? at::kFloat : torch_type(field_.dtype);
        if (slot.ragged.defined()) {
            batch.inputs = slot.ragged;
        } else {
            std::vector<std::int64_t> shape = field_.shape;
            shape.insert(shape.begin(), slot.valid);
            batch.inputs = slot.memory ? at::from_blob(
                                             slot.memory.get(), shape, [memory = slot.memory](void*) {}, type)
                                       : at::empty(shape, type);
        }
        if (label_ && dataset_.schema().columns[*label_].type == core::ColumnType::f64) {
            batch.labels = at::empty({slot.valid}, at::kDouble);
            std::memcpy(batch.labels.data_ptr(), slot.number.data(), slot.number.size() * sizeof(double));
        } else if (label_) {
            batch.labels = numbers(slot.label);
        }
        batch.site = numbers(slot.site);
        batch.vendor = numbers(slot.vendor);
        batch.sample = numbers(slot.sample);
        batch.patient = at::empty({slot.valid, 16}, at::kByte);
        if (slot.valid > 0)
            std::memcpy(batch.patient.data_ptr(), slot.patient.data(),
                        slot.patient.size() * sizeof(core::Id16));
        return batch;
    }

    void stop() {
        {
            const std::lock_guard lock(mutex_);
            stop_ = true;
        }
        room_.notify_all();
        for (auto& thread : threads_) thread.join();
        threads_.clear();
        failure_ = nullptr;
    }

    const Dataset& dataset_;
    const LoaderOptions options_;
    const std::size_t field_index_;
    const core::Field& field_;
    std::optional<std::size_t> label_;
    Sampler sampler_;
    Buffers buffers_;
    std::vector<Rows> rows_;
    std::unique_ptr<std::once_flag[]> once_;

    std::mutex mutex_;  // of what follows
    std::condition_variable ready_, room_;
    std::map<std::int64_t, std::unique_ptr<Slot>> slots_;  // by step
    std::deque<Unit> units_;
    std::size_t window_ = 0;  // the next to plan
    std::int64_t step_ = 0;   // the next to hand out
    std::int64_t first_ = 0;  // position the epoch was entered at
    std::exception_ptr failure_;
    bool stop_ = false, began_ = false;
    std::vector<std::thread> threads_;
};

Loader::Loader(const Dataset& dataset, LoaderOptions options)
    : work_(std::make_unique<Work>(dataset, std::move(options))) {}
Loader::~Loader() = default;
std::int64_t Loader::steps_per_epoch() const noexcept {
    return work_->steps();
}
std::int64_t Loader::samples() const noexcept {
    return work_->samples();
}
std::int64_t Loader::global_batch() const noexcept {
    return work_->global_batch();
}
std::vector<std::int64_t> Loader::input_shape() const {
    return work_->input_shape();
}
std::int64_t Loader::classes() const noexcept {
    return work_->classes();
}
void Loader::begin_epoch(std::int64_t epoch, std::int64_t first_step) {
    work_->begin_epoch(epoch, first_step);
}
std::optional<Batch> Loader::next() {
    return work_->next();
}

}  // namespace trainer
