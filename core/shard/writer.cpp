#include "core/shard/writer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <exception>
#include <limits>
#include <mutex>
#include <system_error>
#include <thread>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/shard/chunk.h"
#include "core/shard/container.h"
#include "core/shard/crypto.h"
#include "core/shard/tiles.h"

namespace core {
namespace {

constexpr std::uint64_t kJobBytes = 256 << 10;  // what one thread takes at a time

std::uint64_t product(const std::vector<std::int64_t>& shape, std::uint64_t element_bytes) {
    std::uint64_t bytes = element_bytes;
    for (const std::int64_t extent : shape) {
        if (extent <= 0 || extent > std::numeric_limits<std::uint32_t>::max() ||
            static_cast<std::uint64_t>(extent) > kMaxRaggedBytes / bytes)
            return 0;
        bytes *= static_cast<std::uint64_t>(extent);
    }
    return bytes;
}

void check_array(const Array& array, const Field& field) {
    const auto refuse = [&](const char* why) {
        throw Error(Fault::usage, "field " + field.name + ": " + why);
    };
    if (!field.ragged() && !array.shape.empty() && array.shape != field.shape)
        refuse("the sample's shape is not the schema's");
    if (field.ragged() && (array.shape.empty() || array.shape.size() > 4))
        refuse("a shape has 1 to 4 dimensions");
    const std::uint64_t bytes =
        field.ragged() ? product(array.shape, bytes_of(field.dtype)) : field.sample_bytes();
    if (bytes == 0) refuse("a dimension is not positive, or the sample is larger than 1 TiB");
    if (bytes != array.bytes.size()) refuse("the sample's bytes do not fit its shape");
}

template <class T>
void append_value(Bytes& bytes, const T& value) {
    const auto* from = reinterpret_cast<const std::uint8_t*>(&value);
    bytes.insert(bytes.end(), from, from + sizeof value);
}

// Appends one value to a column's bytes. False if it is of another type or category.
bool append_cell(Bytes& bytes, const Column& column, const Cell& cell) {
    const bool missing = std::holds_alternative<std::monostate>(cell);
    switch (column.type) {
        case ColumnType::i64: {
            const auto* value = std::get_if<std::int64_t>(&cell);
            if (value || missing) append_value(bytes, value ? *value : kMissingInteger);
            return value || missing;
        }
        case ColumnType::f64: {
            const auto* value = std::get_if<double>(&cell);
            if (value || missing)
                append_value(bytes, value ? *value : std::numeric_limits<double>::quiet_NaN());
            return value || missing;
        }
        case ColumnType::id16: {
            const auto* value = std::get_if<Id16>(&cell);
            if (value || missing) append_value(bytes, value ? *value : Id16{});
            return value || missing;
        }
        case ColumnType::category:
            break;
    }
    const auto* name = std::get_if<std::string>(&cell);
    const std::int32_t code = name ? column.code_of(*name) : kMissingCategory;
    if (code < 0 && !missing) return false;
    append_value(bytes, code);
    return true;
}

// From storage, not from the buffers that were written: the pages are dropped first.
Digest read_back(int fd, std::uint64_t& size) {
    ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    Sha256 sha;
    Bytes buffer(1 << 20);
    size = 0;
    for (;;) {
        const ssize_t got = ::pread(fd, buffer.data(), buffer.size(), static_cast<off_t>(size));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) throw Error(Fault::system, with_errno("cannot read a shard back", errno));
        if (got == 0) return sha.finish();
        sha.update({buffer.data(), static_cast<std::size_t>(got)});
        size += static_cast<std::uint64_t>(got);
    }
}

}  // namespace

class ShardWriter::Work {
public:
    Work(const std::filesystem::path& path, Schema schema, std::string dataset, std::int64_t number,
         const SecretKey& dataset_key, WriterOptions options)
        : schema_((schema.check(), std::move(schema))),
          options_(options),
          number_(number),
          id_(shard_id(dataset, number)),
          keys_(dataset_key, id_),
          env_(options.env ? *options.env : Env::real()),
          file_(path, 0640, env_),
          container_(file_.fd(), env_, path.string(), schema_, dataset, number),
          columns_(schema_.columns.size()),
          split_(schema_.column("split")) {
        try {
            for (int i = 0; i < std::max(1, options_.threads); ++i)
                threads_.emplace_back([this] { encode(); });
            threads_.emplace_back([this] { write(); });
        } catch (const std::system_error& e) {
            end(std::make_exception_ptr(
                Error(Fault::bug, "a shard was given up")));  // those that were started
            throw Error(Fault::system, "cannot start a thread: " + e.code().message());
        }
    }

    ~Work() { end(std::make_exception_ptr(Error(Fault::bug, "a shard was given up"))); }

    void append(Sample sample) {
        check(sample);
        std::uint64_t bytes = 0;
        for (const Array& array : sample.fields) bytes += array.bytes.size();
        if (!gathering_) gathering_ = std::make_unique<Job>();
        if (gathering_->samples.empty()) gathering_->first = samples_;
        gathering_->samples.push_back(std::move(sample.fields));
        const auto* split = std::get_if<std::string>(&sample.columns[split_]);
        gathering_->splits.push_back(split ? *split : "");
        gathering_->bytes += bytes;
        ++samples_;
        bytes_ += bytes;
        if (gathering_->bytes >= kJobBytes) hand_over();
    }

    std::int64_t samples() const noexcept { return samples_; }
    std::uint64_t bytes() const noexcept { return bytes_; }

    ShardEntry finish() {
        if (samples_ == 0) throw Error(Fault::usage, "a shard without samples is not written");
        if (gathering_) hand_over();
        end({});
        if (failure_) std::rethrow_exception(failure_);
        for (std::size_t i = 0; i < columns_.size(); ++i) {
            ChunkHeader header = head(i, 0, element_of(schema_.columns[i]));
            container_.put_column(i, samples_, seal_chunk(header, options_.codec, columns_[i], keys_));
        }
        ShardEntry entry;
        const Container::Index index = container_.finish();
        if (env_.fsync(file_.fd()))
            throw Error(Fault::system, with_errno("cannot flush " + shard_file(number_), errno));
        entry.file = shard_file(number_);
        entry.sha256 = read_back(file_.fd(), entry.bytes);
        entry.samples = samples_;
        entry.index_offset = index.offset;
        entry.index_bytes = index.bytes;
        entry.index_sha256 = index.sha256;
        entry.counts = counts();
        entry.moments = std::move(moments_);
        file_.commit();
        return entry;
    }

private:
    struct Job {
        std::int64_t first = 0;
        std::uint64_t bytes = 0;
        std::vector<std::vector<Array>> samples;  // their bytes are given up as they are encoded
        std::vector<std::string> splits;          // of each sample
        struct Encoded {
            std::vector<Bytes> chunks;  // one, or one for each tile
            Moments moments;
        };
        std::vector<std::vector<Encoded>> encoded;  // of each sample, each field
        bool done = false;
    };

    // Waits for room, then gives what was gathered to the threads.
    void hand_over() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] {
            return failure_ || pending_.empty() ||
                   pending_bytes_ + gathering_->bytes <= options_.memory_bytes;
        });
        if (failure_) std::rethrow_exception(failure_);
        pending_bytes_ += gathering_->bytes;
        pending_.push_back(std::move(gathering_));
        changed_.notify_all();
    }

    // Lets the threads finish what is pending, or, with a failure, drop it; joins them.
    void end(std::exception_ptr failure) noexcept {
        {
            const std::lock_guard lock(mutex_);
            stop_ = true;
            if (failure && !failure_) failure_ = failure;
        }
        changed_.notify_all();
        for (auto& thread : threads_)
            if (thread.joinable()) thread.join();
    }

    void check(const Sample& sample) {
        if (sample.fields.size() != schema_.fields.size() || sample.columns.size() != schema_.columns.size())
            throw Error(Fault::usage, "a sample has not as many fields and columns as the schema");
        for (std::size_t i = 0; i < sample.fields.size(); ++i)
            check_array(sample.fields[i], schema_.fields[i]);
        for (std::size_t i = 0; i < sample.columns.size(); ++i) {
            if (append_cell(columns_[i], schema_.columns[i], sample.columns[i])) continue;
            for (std::size_t j = 0; j < i; ++j)  // nothing of a refused sample stays
                columns_[j].resize(columns_[j].size() - bytes_of(schema_.columns[j].type));
            throw Error(Fault::usage,
                        "column " + schema_.columns[i].name +
                            ": the value is of another type, or a category the schema does not name");
        }
    }

    ChunkHeader head(std::size_t dataset, std::int64_t index, std::uint8_t element) const {
        ChunkHeader header;
        header.element = element;
        header.shard = id_;
        header.index = static_cast<std::uint64_t>(index);
        header.dataset = static_cast<std::uint32_t>(dataset);
        return header;
    }

    void encode_job(Job& job) const {
        for (std::size_t k = 0; k < job.samples.size(); ++k) {
            auto& encoded = job.encoded.emplace_back();
            for (std::size_t i = 0; i < schema_.fields.size(); ++i) {
                const Field& field = schema_.fields[i];
                Array& array = job.samples[k][i];
                ChunkHeader header = head(schema_.columns.size() + i,
                                          job.first + static_cast<std::int64_t>(k), element_of(field));
                header.shape = packed_shape(field.ragged() ? array.shape : field.shape);
                Job::Encoded& out = encoded.emplace_back();
                out.moments = moments_of(array.bytes, field.dtype);
                if (field.ragged())
                    encode_tiles(array, bytes_of(field.dtype), header, out.chunks);
                else
                    out.chunks.push_back(seal_chunk(header, options_.codec, array.bytes, keys_));
                array.bytes = Bytes();
            }
        }
    }

    void encode_tiles(const Array& array, std::size_t element_bytes, ChunkHeader header,
                      std::vector<Bytes>& chunks) const {
        const Tiling tiles = Tiling::of(array.shape, element_bytes);
        if (tiles.count() == 1) {
            chunks.push_back(seal_chunk(header, options_.codec, array.bytes, keys_));
            return;
        }
        Bytes tile;
        for (std::uint64_t number = 0; number < tiles.count(); ++number) {
            const Box part = tiles.shared(number, {{}, tiles.shape});
            tile.assign(static_cast<std::size_t>(tiles.tile_bytes()), 0);  // beyond the sample's edge: zeros
            copy_box(tile.data(), tiles.tile, {}, array.bytes.data(), tiles.shape, part.origin, part.extent,
                     element_bytes);
            header.tile = static_cast<std::uint32_t>(number);
            chunks.push_back(seal_chunk(header, options_.codec, tile, keys_));
        }
    }

    void fail(std::exception_ptr failure) noexcept {
        const std::lock_guard lock(mutex_);
        if (!failure_) failure_ = failure;
        changed_.notify_all();
    }

    void encode() noexcept {
        try {
            for (;;) {
                Job* job = nullptr;
                {
                    std::unique_lock lock(mutex_);
                    changed_.wait(lock, [&] { return stop_ || failure_ || taken_ < pending_.size(); });
                    if (failure_ || taken_ == pending_.size()) return;
                    job = pending_[taken_++].get();
                }
                encode_job(*job);
                const std::lock_guard lock(mutex_);
                job->done = true;
                changed_.notify_all();
            }
        } catch (...) {
            fail(std::current_exception());
        }
    }

    void write() noexcept {
        try {
            for (;;) {
                Job* job = nullptr;
                {
                    std::unique_lock lock(mutex_);
                    changed_.wait(lock, [&] {
                        return failure_ || (pending_.empty() ? stop_ : pending_.front()->done);
                    });
                    if (failure_ || pending_.empty()) return;
                    job = pending_.front().get();
                }
                for (std::size_t k = 0; k < job->samples.size(); ++k)
                    for (std::size_t i = 0; i < schema_.fields.size(); ++i) {
                        const Job::Encoded& encoded = job->encoded[k][i];
                        container_.put_field(i, job->first + static_cast<std::int64_t>(k),
                                             job->samples[k][i].shape, encoded.chunks);
                        moments_[job->splits[k]][schema_.fields[i].name].merge(encoded.moments);
                    }
                const std::lock_guard lock(mutex_);
                pending_bytes_ -= job->bytes;
                pending_.pop_front();
                --taken_;
                changed_.notify_all();
            }
        } catch (...) {
            fail(std::current_exception());
        }
    }

    std::map<std::string, std::map<std::string, std::int64_t>> counts() const {
        std::map<std::string, std::map<std::string, std::int64_t>> all;
        for (std::size_t i = 0; i < columns_.size(); ++i) {
            const Column& column = schema_.columns[i];
            if (column.type != ColumnType::category) continue;
            auto& mine = all[column.name];
            for (std::size_t at = 0; at < columns_[i].size(); at += sizeof(std::int32_t)) {
                std::int32_t code = 0;
                std::memcpy(&code, columns_[i].data() + at, sizeof code);
                ++mine[code < 0 ? "" : column.names[static_cast<std::size_t>(code)]];
            }
        }
        return all;
    }

    const Schema schema_;
    const WriterOptions options_;
    const std::int64_t number_;
    const ShardId id_;
    const ShardKeys keys_;
    Env& env_;
    AtomicFile file_;
    Container container_;
    std::vector<Bytes> columns_;
    const std::size_t split_;  // that column
    SplitMoments moments_;     // the writing thread's until it has ended
    std::int64_t samples_ = 0;
    std::uint64_t bytes_ = 0;

    std::unique_ptr<Job> gathering_;  // small samples travel together

    std::mutex mutex_;  // of what follows
    std::condition_variable changed_;
    std::deque<std::unique_ptr<Job>> pending_;  // in the order of samples
    std::size_t taken_ = 0;                     // how many of them, from the front, have an encoder
    std::uint64_t pending_bytes_ = 0;
    std::exception_ptr failure_;
    bool stop_ = false;
    std::vector<std::thread> threads_;
};

ShardWriter::ShardWriter(std::filesystem::path path, Schema schema, std::string dataset, std::int64_t number,
                         const SecretKey& dataset_key, WriterOptions options)
    : work_(std::make_unique<Work>(std::move(path), std::move(schema), std::move(dataset), number,
                                   dataset_key, options)) {}
ShardWriter::~ShardWriter() = default;
void ShardWriter::append(Sample sample) {
    work_->append(std::move(sample));
}
std::int64_t ShardWriter::samples() const noexcept {
    return work_->samples();
}
std::uint64_t ShardWriter::bytes() const noexcept {
    return work_->bytes();
}
ShardEntry ShardWriter::finish() {
    return work_->finish();
}

}  // namespace core
