#include "trainer/loader/raw_loader.h"

#include <signal.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <exception>
#include <map>
#include <mutex>
#include <system_error>
#include <thread>

#include "core/base/error.h"
#include "trainer/loader/balance.h"
#include "trainer/loader/sampler.h"
#include "trainer/loader/source.h"
#include "trainer/loader/threads.h"

namespace trainer {
namespace {

using core::Error;
using core::Fault;

constexpr std::size_t kBlockBytes = 1 << 20;  // what a disk reads best at once (256 KB and 4 MB are slower)

// One batch while it is being filled. `left` counts the rows that are not there yet.
struct Slot {
    RawBatch batch;
    std::atomic<std::int64_t> left{0};
    std::exception_ptr failure;  // set under the mutex
};

// A block with what of it is ours: read together, in stored order.
struct Unit {
    std::uint32_t shard = 0;
    struct Item {
        std::uint32_t in_split;  // position in Rows::rows
        std::uint32_t row;       // in the batch
        std::uint32_t which;     // of the sample's in this epoch
        Slot* slot;
    };
    std::vector<Item> items;
};

}  // namespace

class RawLoader::Work {
public:
    Work(const std::vector<const Dataset*>& datasets, LoaderOptions options)
        : several_(datasets.size() > 1 ? std::make_unique<Dataset>(datasets) : nullptr),
          dataset_(several_ ? *several_ : *datasets.at(0)),
          options_(checked(std::move(options))),
          field_index_(find_field()),
          field_(dataset_.schema().fields[field_index_]),
          source_(dataset_, options_.split, options_.label, options_.targets),
          sampler_(options_.seed) {
        check_balance();
        check();
    }
    ~Work() { stop(); }

    std::int64_t global_batch() const noexcept { return options_.global_batch; }
    std::int64_t samples() const noexcept {
        return draws_ ? draws_->samples() : source_.samples() * options_.per_sample;
    }
    const Draws* draws() const noexcept { return draws_ ? &*draws_ : nullptr; }
    // Of an epoch whose first step begins at sample `base`.
    std::int64_t steps(std::int64_t base) const noexcept {
        const std::int64_t batch = global_batch(), count = samples() - base;
        return options_.tail == Tail::drop ? count / batch : (count + batch - 1) / batch;
    }
    const core::Field& field() const noexcept { return field_; }
    std::vector<std::int64_t> shape() const { return inputs_[0].shape(); }
    const core::Column* label() const noexcept { return source_.label(); }
    const core::Schema& schema() const noexcept { return source_.schema(); }
    std::size_t targets() const noexcept { return source_.targets(); }
    std::size_t crop_dimensions() const noexcept { return options_.crop ? options_.crop->extent.size() : 0; }

    void begin_epoch(std::int64_t epoch, std::int64_t first_sample) {
        if (epoch < 0 || first_sample < 0 || first_sample > samples())
            throw Error(Fault::usage, "the epoch has " + std::to_string(samples()) +
                                          " samples; it cannot start at sample " +
                                          std::to_string(first_sample) + ", and none is below 0");
        stop();
        began_ = false;
        if (draws_) draws_->begin_epoch(epoch);
        sampler_.begin_epoch(blocks(), epoch, options_.order == Order::shuffled);
        epoch_ = epoch;
        first_ = first_sample;
        base_ = first_sample % global_batch();
        step_ = first_sample / global_batch();
        steps_ = steps(base_);
        slots_.clear();
        units_.clear();
        window_ = first_ < samples() ? sampler_.window_of(first_) : sampler_.windows();
        stop_ = false;
        began_ = true;
        start();
    }

    std::optional<RawBatch> next() {
        if (!began_) throw Error(Fault::usage, "begin_epoch comes before next");
        if (step_ == steps_) return std::nullopt;
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
        ++step_;
        lock.unlock();
        room_.notify_all();
        return std::move(mine->batch);
    }

private:
    std::size_t find_field() const {
        const auto& fields = dataset_.schema().fields;
        if (!options_.field.empty()) return dataset_.schema().field(options_.field);
        if (fields.size() != 1)
            throw Error(Fault::usage, dataset_.id() + " has more than one field: say which to load");
        return 0;
    }

    static LoaderOptions checked(LoaderOptions options) {
        constexpr std::int64_t kMost = std::int64_t{1} << 40;  // so that nothing overflows
        if (options.batch_size < 1 || options.batch_size > kMost || options.ranks < 1 ||
            options.ranks > (1 << 20) || options.rank < 0 || options.rank >= options.ranks ||
            options.global_batch < 0 || options.global_batch > kMost || options.per_sample < 1 ||
            options.per_sample > (1 << 20))
            throw Error(Fault::usage, "batch, ranks and crops must be positive, and the rank one of them");
        if (options.global_batch == 0) options.global_batch = options.batch_size * options.ranks;
        return options;
    }

    // Samples that this rank gets at most.
    std::int64_t most_of_a_step() const noexcept {
        return (options_.global_batch + options_.ranks - 1) / options_.ranks;
    }

    std::vector<Block> blocks() const {
        const std::size_t bytes = std::max<std::size_t>(1, field_.sample_bytes());
        const auto most =
            static_cast<std::int64_t>(field_.ragged() ? 1 : std::max<std::size_t>(1, kBlockBytes / bytes));
        if (draws_) return draws_->blocks(source_, most);
        std::vector<Block> all;
        for (std::size_t i = 0; i < source_.shards(); ++i)
            add_blocks(all, static_cast<std::uint32_t>(i), source_.samples(i), most, options_.per_sample);
        return all;
    }

    void check_balance() {
        if (!options_.balance.is_any()) return;
        if (!options_.split.empty() && options_.split != "train")
            source_.refuse("balance is for training: of the split \"" + options_.split +
                           "\", which is there to judge by, each sample comes once");
        if (options_.order != Order::shuffled)
            source_.refuse("balance is of a shuffled order: in stored order each sample comes once");
        draws_.emplace(source_, options_.balance, options_.per_sample, options_.seed);
    }

    void check() {
        if (steps(0) == 0 && draws_)  // their number would say how many samples a category has
            source_.refuse("balance: an epoch has fewer draws than one step of " +
                           std::to_string(global_batch()) + ": use a smaller batch or fewer ranks");
        if (steps(0) == 0)
            source_.refuse("the split \"" + options_.split + "\" has " + std::to_string(samples()) +
                           " samples, fewer than one step of " + std::to_string(global_batch()) +
                           ": use a smaller batch or fewer ranks");
        const std::int64_t most = std::min(most_of_a_step(), samples());
        inputs_.emplace_back(dataset_, field_index_, options_.normalise, options_.crop, most,
                             options_.memory_hook);
        std::optional<Crop> same = options_.crop;
        if (same) same->fill = same->fill_beside;
        for (const std::string& name : options_.beside)
            inputs_.emplace_back(dataset_, dataset_.schema().field(name), std::nullopt, same, most,
                                 options_.memory_hook);
    }

    // Which samples of a step are this rank's: [first, last) of the step's samples.
    std::pair<std::int64_t, std::int64_t> share(std::int64_t step) const {
        const std::int64_t size = std::min(global_batch(), samples() - start_of(step));
        return {size * options_.rank / options_.ranks, size * (options_.rank + 1) / options_.ranks};
    }
    // Where in the epoch a step of this epoch begins.
    std::int64_t start_of(std::int64_t step) const noexcept { return base_ + step * global_batch(); }
    std::int64_t end() const noexcept { return std::min(start_of(steps_), samples()); }

    std::unique_ptr<Slot> make_slot(std::int64_t step) {
        auto slot = std::make_unique<Slot>();
        const auto [first, last] = share(step);
        const auto valid = static_cast<std::size_t>(last - first);
        RawBatch& batch = slot->batch;
        batch.step = step;
        batch.next = std::min(start_of(step + 1), samples());
        batch.valid = slot->left = last - first;
        batch.inputs = inputs_[0].make(batch.valid);
        for (std::size_t i = 1; i < inputs_.size(); ++i) batch.beside.push_back(inputs_[i].make(batch.valid));
        if (options_.crop) batch.origin.resize(valid * options_.crop->extent.size());
        for (auto* numbers :
             {&batch.label, &batch.site, &batch.vendor, &batch.sample, &batch.dataset, &batch.which})
            numbers->resize(valid);
        batch.number.resize(valid);
        batch.targets.resize(valid * targets());
        batch.patient.resize(valid);
        return slot;
    }

    // Far enough ahead that the next batch can be filled and one more window be read meanwhile.
    bool may_plan() const {
        return window_ < sampler_.windows() && sampler_.start(window_) < end() &&
               sampler_.start(window_) <= start_of(step_ + 1) + window_size();
    }
    // Of samples of any size one batch ahead: there each is a block, and a window of them too much to hold.
    bool may_read() const {
        if (units_.empty()) return may_plan();
        return options_.order == Order::shuffled || !shape().empty() ||
               units_.front().items.front().slot->batch.step <= step_ + 1;
    }
    std::int64_t window_size() const { return sampler_.start(window_ + 1) - sampler_.start(window_); }

    // Turns the next window into units, and makes the slots of the batches it reaches into.
    void plan() {
        const std::int64_t start = sampler_.start(window_), batch = global_batch();
        const std::int64_t last_of_all = std::min(sampler_.start(window_ + 1), end());
        for (std::int64_t step = (std::max(start, first_) - base_) / batch; start_of(step) < last_of_all;
             ++step)
            if (!slots_.contains(step) && step >= step_) slots_.emplace(step, make_slot(step));
        const std::vector<std::uint32_t> places = sampler_.places(window_);
        std::size_t i = 0;
        for (const Block& block : sampler_.blocks(window_)) {
            Unit unit;
            unit.shard = block.shard;
            const std::int64_t first_of_shard = source_.first(block.shard);
            for (std::int64_t at = block.first, k = 0; k < block.count; ++at) {
                if (draws_ && draws_->of(first_of_shard + at) <= block.which) continue;
                ++k;
                const std::int64_t position = start + places[i++];
                if (position < first_ || position >= last_of_all) continue;
                const std::int64_t step = (position - base_) / batch, in_step = position - start_of(step);
                const auto [first, last] = share(step);
                if (in_step < first || in_step >= last) continue;
                unit.items.push_back({static_cast<std::uint32_t>(at),
                                      static_cast<std::uint32_t>(in_step - first), block.which,
                                      slots_.at(step).get()});
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
                room_.wait(lock, [&] { return stop_ || failure_ || may_read(); });
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
        const OpenRows open = source_.rows(unit.shard);
        const std::vector<std::uint32_t>& rows = open.rows->rows;
        for (; filled < unit.items.size(); ++filled) {
            const Unit::Item& item = unit.items[filled];
            const std::uint32_t at = rows[item.in_split];
            const std::int64_t next =
                filled + 1 < unit.items.size() ? std::int64_t{rows[unit.items[filled + 1].in_split]} : -1;
            RawBatch& batch = item.slot->batch;
            try {
                read_inputs(open, at, next, item);
            } catch (const Error& e) {
                if (dataset_.datasets() == 1) throw;
                const auto which = static_cast<std::size_t>(open.shard->dataset);
                throw Error(e.fault(), dataset_.manifest(which).id() + ": " + e.what());
            }
            open.tell(at, batch, item.row);
            batch.which[item.row] = item.which;
            const std::int64_t step = batch.step;  // the slot may be gone once the last row is counted
            if (item.slot->left.fetch_sub(1, std::memory_order_acq_rel) == 1) {
                const std::lock_guard lock(mutex_);      // else next() could sleep through it
                if (step == step_) ready_.notify_all();  // later ones it will find ready
            }
        }
    }

    void read_inputs(const OpenRows& open, std::uint32_t at, std::int64_t next,
                     const Unit::Item& item) const {
        const core::ShardReader& reader = open.shard->reader;
        RawBatch& batch = item.slot->batch;
        Cut cut;
        if (options_.crop) {
            cut = cut_of(*options_.crop, reader.shape(field_index_, at), options_.seed,
                         epoch_ * (draws_ ? draws_->most() : options_.per_sample) + item.which,
                         open.first_of_all + at);
            if (cut.origin.size() == options_.crop->extent.size())  // else it is refused below
                std::copy(cut.origin.begin(), cut.origin.end(),
                          batch.origin.begin() + static_cast<std::ptrdiff_t>(item.row * cut.origin.size()));
        }
        const Inputs::From from{reader, at, next, open.sample(at), cut};
        inputs_[0].read(from, batch.inputs, item.row);
        for (std::size_t i = 1; i < inputs_.size(); ++i) inputs_[i].read(from, batch.beside[i - 1], item.row);
    }

    // Signals are the program's: a handler of its own never runs in a thread of ours. But for those that a
    // thread's own reading raises.
    void start() {
        sigset_t most, before;
        sigfillset(&most);
        for (const int own : {SIGBUS, SIGSEGV, SIGFPE, SIGILL}) sigdelset(&most, own);
        pthread_sigmask(SIG_BLOCK, &most, &before);
        try {
            const int threads = options_.threads > 0 ? options_.threads : reader_threads();
            for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { read(); });
        } catch (const std::system_error&) {
            pthread_sigmask(SIG_SETMASK, &before, nullptr);
            stop();
            throw Error(Fault::system, "cannot start a thread to read with (ulimit -u)");
        }
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
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

    const std::unique_ptr<const Dataset> several_;  // null of one
    const Dataset& dataset_;
    const LoaderOptions options_;
    const std::size_t field_index_;
    const core::Field& field_;
    Source source_;
    std::optional<Draws> draws_;  // none: each sample equally often
    Sampler sampler_;
    std::vector<Inputs> inputs_;  // of the field, then of those beside it

    std::mutex mutex_;  // of what follows
    std::condition_variable ready_, room_;
    std::map<std::int64_t, std::unique_ptr<Slot>> slots_;  // by step
    std::deque<Unit> units_;
    std::size_t window_ = 0;  // the next to plan
    std::int64_t step_ = 0;   // the next to hand out
    std::int64_t epoch_ = 0;
    std::int64_t first_ = 0;  // position the epoch was entered at
    std::int64_t base_ = 0;   // position that step 0 would begin with: first_ less whole steps
    std::int64_t steps_ = 0;  // of this epoch
    std::exception_ptr failure_;
    bool stop_ = false, began_ = false;
    std::vector<std::thread> threads_;
};

RawLoader::RawLoader(const Dataset& dataset, LoaderOptions options)
    : RawLoader(std::vector<const Dataset*>{&dataset}, std::move(options)) {}
RawLoader::RawLoader(const std::vector<const Dataset*>& datasets, LoaderOptions options)
    : work_(std::make_unique<Work>(datasets, std::move(options))) {}
RawLoader::~RawLoader() = default;
std::int64_t RawLoader::steps_per_epoch() const noexcept {
    return work_->steps(0);
}
std::int64_t RawLoader::samples() const noexcept {
    return work_->samples();
}
const Draws* RawLoader::draws() const noexcept {
    return work_->draws();
}
std::int64_t RawLoader::global_batch() const noexcept {
    return work_->global_batch();
}
const core::Field& RawLoader::field() const noexcept {
    return work_->field();
}
std::vector<std::int64_t> RawLoader::shape() const {
    return work_->shape();
}
const core::Schema& RawLoader::schema() const noexcept {
    return work_->schema();
}
const core::Column* RawLoader::label() const noexcept {
    return work_->label();
}
std::size_t RawLoader::targets() const noexcept {
    return work_->targets();
}
std::size_t RawLoader::crop_dimensions() const noexcept {
    return work_->crop_dimensions();
}
void RawLoader::begin_epoch(std::int64_t epoch, std::int64_t first_sample) {
    work_->begin_epoch(epoch, first_sample);
}
std::optional<RawBatch> RawLoader::next() {
    return work_->next();
}

}  // namespace trainer
