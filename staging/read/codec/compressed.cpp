#include "staging/read/codec/compressed.h"

#include <archive.h>
#include <archive_entry.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <optional>

#include "staging/read/delivery.h"
#include "staging/read/format.h"
#include "staging/read/refused.h"

namespace staging {
namespace {

constexpr std::size_t kChunk = 256 << 10;

// RFC 1952; bzip2's format, in two rows: before its first block, and of nothing; the .xz file format, 2.1.1.1; RFC 8878,
// 3.1.1. No text begins so.
constexpr Compression kCompressions[] = {
    {".gz", ".tgz", "\x1f\x8b", "gzip"},
    {".bz2", ".tbz2", "BZh?\x31\x41\x59\x26\x53\x59", "bzip2", archive_read_support_filter_bzip2},
    {".bz2", ".tbz", "BZh?\x17\x72\x45\x38\x50\x90", "bzip2", archive_read_support_filter_bzip2},
    {".xz", ".txz", std::string_view("\xfd\x37zXZ\0", 6), "xz", archive_read_support_filter_xz},
    {".zst", ".tzst", "\x28\xb5\x2f\xfd", "zstd", archive_read_support_filter_zstd},
};
static_assert(std::ranges::all_of(kCompressions, [](const Compression& one) {
    return one.begins.size() <= kCompressionHead;
}));

}  // namespace

std::span<const Compression> compressions() noexcept {
    return kCompressions;
}

const Compression* compression_of(core::ByteView head) noexcept {
    const auto begins_so = [&](const Compression& one) {
        if (head.size() < one.begins.size()) return false;
        return std::ranges::equal(
            one.begins, core::text(head).substr(0, one.begins.size()),
            [](char pattern, char c) { return pattern == '?' ? c >= '1' && c <= '9' : pattern == c; });
    };
    const auto found = std::ranges::find_if(kCompressions, begins_so);
    return found == std::end(kCompressions) ? nullptr : found;
}

std::string_view decompressed_name(std::string_view name) noexcept {
    for (const Compression& one : kCompressions)
        if (ends_with_folded(name, one.suffix)) return name.substr(0, name.size() - one.suffix.size());
    return name;
}

std::uint64_t most_decompressed(std::uint64_t file_bytes, const Limits& limits) noexcept {
    return (file_bytes + 65536) * limits.inflate_ratio;
}

std::size_t read_next(const ReadAt& file, std::uint64_t bytes, std::uint64_t& at,
                      std::span<std::uint8_t> out) {
    const std::size_t count = std::min<std::uint64_t>(out.size(), bytes - std::min(bytes, at));
    if (count == 0) return 0;
    const ssize_t got = file(out.data(), count, at);
    if (got < 0) throw Refused(is_machines_fault(errno) ? Reason::io_error : Reason::unreadable);
    if (got == 0) throw Refused(Reason::changed_while_read);
    at += static_cast<std::uint64_t>(got);
    return static_cast<std::size_t>(got);
}

class Decompressor::Engine {
public:
    Engine(const Compression& how, ReadAt file, std::uint64_t bytes)
        : how_(how), bytes_(bytes), file_(std::move(file)), packed_(kChunk) {}
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;
    virtual ~Engine() = default;
    virtual std::size_t read(std::span<std::uint8_t> out) = 0;

protected:
    // The file's next bytes, valid until the next call.
    std::span<std::uint8_t> next() {
        return std::span(packed_).first(read_next(file_, bytes_, at_, packed_));
    }
    const Compression& how_;
    const std::uint64_t bytes_;

private:
    const ReadAt file_;
    core::Bytes packed_;
    std::uint64_t at_ = 0;
};

namespace {

class Gzip final : public Decompressor::Engine {
public:
    Gzip(const Compression& how, ReadAt file, std::uint64_t bytes) : Engine(how, std::move(file), bytes) {
        if (inflateInit2(&z_, 16 + MAX_WBITS) != Z_OK) throw std::bad_alloc();
    }
    ~Gzip() override { inflateEnd(&z_); }

    std::size_t read(std::span<std::uint8_t> out) override {
        z_.next_out = out.data();
        z_.avail_out = static_cast<uInt>(out.size());
        while (!ended_ && z_.avail_out != 0) {
            if (z_.avail_in == 0) fill();
            if (z_.avail_in == 0) throw Refused(Reason::truncated, how_.word);
            const int status = ::inflate(&z_, Z_NO_FLUSH);
            if (status == Z_MEM_ERROR) throw std::bad_alloc();
            if (status == Z_STREAM_END)
                end_member();
            else if (status != Z_OK && status != Z_BUF_ERROR)
                throw Refused(Reason::malformed, how_.word);
        }
        return out.size() - z_.avail_out;
    }

private:
    void fill() {
        const auto given = next();
        z_.next_in = given.data();
        z_.avail_in = static_cast<uInt>(given.size());
    }
    // Another member may follow (RFC 1952, 2.2); zeros are padding; anything else is not the file's.
    void end_member() {
        if (z_.avail_in == 0) fill();
        ended_ = z_.avail_in == 0 || *z_.next_in == 0;
        if (!ended_ && inflateReset(&z_) != Z_OK) throw std::bad_alloc();
        for (; ended_ && z_.avail_in != 0; fill())
            if (std::any_of(z_.next_in, z_.next_in + z_.avail_in, [](Bytef b) { return b != 0; }))
                throw Refused(Reason::malformed, how_.word);
    }
    z_stream z_{};
    bool ended_ = false;
};

// One of libarchive's filters, alone: its "raw" archive has one file, which is what the filter gives.
class Filtered final : public Decompressor::Engine {
public:
    Filtered(const Compression& how, ReadAt file, std::uint64_t bytes)
        : Engine(how, std::move(file), bytes), handle_(archive_read_new()) {
        if (!handle_) throw std::bad_alloc();
        try {
            open();
        } catch (...) {
            archive_read_free(handle_);
            throw;
        }
    }
    ~Filtered() override { archive_read_free(handle_); }

    std::size_t read(std::span<std::uint8_t> out) override {
        if (ended_) return 0;
        const la_ssize_t got = archive_read_data(handle_, out.data(), out.size());
        check(got < 0 ? ARCHIVE_FATAL : ARCHIVE_OK);
        if (got == 0) end();
        return static_cast<std::size_t>(got);
    }

private:
    void open() {
        // Without its library libarchive would start a program in its place.
        if (how_.filter(handle_) != ARCHIVE_OK) throw Refused(Reason::transfer_syntax_unsupported, how_.word);
        check(archive_read_support_format_raw(handle_));
        check(archive_read_support_format_empty(handle_));
        archive_read_set_callback_data(handle_, this);
        archive_read_set_read_callback(handle_, on_read);
        check(archive_read_open1(handle_));
        // The filter and the file: what is compressed twice is not looked into.
        if (archive_filter_count(handle_) != 2) throw Refused(Reason::malformed, how_.word);
        archive_entry* entry = nullptr;
        const int status = archive_read_next_header(handle_, &entry);
        if (status == ARCHIVE_EOF)
            end();
        else
            check(status);
    }
    void end() {
        ended_ = true;
        if (static_cast<std::uint64_t>(archive_filter_bytes(handle_, -1)) != bytes_)
            throw Refused(Reason::malformed, how_.word);
    }
    void check(int status) {
        if (failed_) throw *failed_;
        if (status == ARCHIVE_OK) return;
        // Of memory that a filter's library does not get, or would not take, only libarchive's text tells.
        const char* said = archive_error_string(handle_);
        if (archive_errno(handle_) == ENOMEM ||
            (said && std::string_view(said).find("memory") != std::string_view::npos))
            throw std::bad_alloc();
        throw Refused(Reason::malformed, how_.word);
    }
    // Nothing may be thrown through libarchive.
    static la_ssize_t on_read(struct archive*, void* self, const void** buffer) {
        Filtered& engine = *static_cast<Filtered*>(self);
        try {
            const auto given = engine.next();
            *buffer = given.data();
            return static_cast<la_ssize_t>(given.size());
        } catch (const Refused& refused) {
            engine.failed_ = refused;
            return -1;
        }
    }
    struct archive* const handle_;
    std::optional<Refused> failed_;  // what reading the file gave
    bool ended_ = false;
};

std::unique_ptr<Decompressor::Engine> engine_of(const Compression& how, ReadAt file, std::uint64_t bytes) {
    if (how.filter) return std::make_unique<Filtered>(how, std::move(file), bytes);
    return std::make_unique<Gzip>(how, std::move(file), bytes);
}

}  // namespace

Decompressor::Decompressor(const Compression& how, ReadAt file, std::uint64_t file_bytes,
                           const Limits& limits)
    : most_(most_decompressed(file_bytes, limits)), engine_(engine_of(how, std::move(file), file_bytes)) {}

Decompressor::~Decompressor() = default;

std::size_t Decompressor::read(std::span<std::uint8_t> out) {
    const std::size_t count = engine_->read(out);
    came_ += count;
    if (came_ > most_) throw Refused(Reason::decompression_limit, "inflate_ratio");
    return count;
}

}  // namespace staging
