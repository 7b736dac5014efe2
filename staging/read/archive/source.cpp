#include "staging/read/archive/source.h"

#include <algorithm>
#include <cerrno>
#include <new>

#include "staging/read/codec/inflate.h"
#include "staging/read/delivery.h"
#include "staging/read/refused.h"

namespace staging {
namespace {

constexpr std::size_t kChunk = 256 << 10;

}  // namespace

ArchiveSource::ArchiveSource(ReadAt read, std::uint64_t bytes, const Limits& limits)
    : read_(std::move(read)),
      bytes_(bytes),
      most_((bytes + 65536) * limits.inflate_ratio),
      packed_(kChunk),
      out_(kChunk) {
    is_gzip_ = bytes_ >= 2 && staging::is_gzip(exactly(0, 2));
    if (is_gzip_ && inflateInit2(&z_, 16 + MAX_WBITS) != Z_OK) throw std::bad_alloc();
}

ArchiveSource::~ArchiveSource() {
    if (is_gzip_) inflateEnd(&z_);
}

core::Bytes ArchiveSource::exactly(std::uint64_t offset, std::size_t count) const {
    core::Bytes out(count);
    for (std::size_t done = 0; done < count;) {
        const ssize_t got = read_(out.data() + done, count - done, offset + done);
        if (got < 0) throw Refused(is_machines_fault(errno) ? Reason::io_error : Reason::unreadable);
        if (got == 0) throw Refused(Reason::changed_while_read);
        done += static_cast<std::size_t>(got);
    }
    return out;
}

// The file's next bytes into `packed_`; how many.
std::size_t ArchiveSource::fill() {
    const std::size_t count = std::min<std::uint64_t>(kChunk, bytes_ - std::min(bytes_, read_at_));
    if (count == 0) return 0;
    const ssize_t got = read_(packed_.data(), count, read_at_);
    if (got < 0) throw Refused(is_machines_fault(errno) ? Reason::io_error : Reason::unreadable);
    if (got == 0) throw Refused(Reason::changed_while_read);
    read_at_ += static_cast<std::uint64_t>(got);
    return static_cast<std::size_t>(got);
}

core::ByteView ArchiveSource::next() {
    core::ByteView given;
    if (!is_gzip_) {
        given = core::ByteView(packed_).first(fill());
    } else {
        z_.next_out = out_.data();
        z_.avail_out = static_cast<uInt>(out_.size());
        while (!ended_ && z_.avail_out != 0) {
            if (z_.avail_in == 0) {
                z_.next_in = packed_.data();
                z_.avail_in = static_cast<uInt>(fill());
                if (z_.avail_in == 0) throw Refused(Reason::truncated, "gzip");
            }
            const int status = ::inflate(&z_, Z_NO_FLUSH);
            if (status == Z_MEM_ERROR) throw std::bad_alloc();
            if (status == Z_STREAM_END) {
                // Another member may follow (RFC 1952, 2.2); zeros are padding; anything else is not the archive's.
                if (z_.avail_in == 0) {
                    z_.next_in = packed_.data();
                    z_.avail_in = static_cast<uInt>(fill());
                }
                ended_ = z_.avail_in == 0 || *z_.next_in == 0;
                if (!ended_ && inflateReset(&z_) != Z_OK) throw std::bad_alloc();
                while (ended_ && z_.avail_in != 0) {
                    if (std::any_of(z_.next_in, z_.next_in + z_.avail_in, [](Bytef b) { return b != 0; }))
                        throw Refused(Reason::malformed, "bytes behind the archive");
                    z_.next_in = packed_.data();
                    z_.avail_in = static_cast<uInt>(fill());
                }
            } else if (status != Z_OK && status != Z_BUF_ERROR) {
                throw Refused(Reason::malformed, "gzip");
            }
        }
        given = core::ByteView(out_).first(out_.size() - z_.avail_out);
        if (at_ + given.size() > most_) throw Refused(Reason::decompression_limit, "archive");
    }
    at_ += given.size();
    came_ += given.size();
    const auto last = std::find_if(given.rbegin(), given.rend(), [](std::uint8_t b) { return b != 0; });
    const auto trailing = static_cast<std::uint64_t>(last - given.rbegin());
    zeros_ = trailing == given.size() ? zeros_ + trailing : trailing;
    return given;
}

void ArchiveSource::seek(std::uint64_t to) noexcept {
    if (to != at_) zeros_ = 0;
    read_at_ = at_ = to;
}

}  // namespace staging
