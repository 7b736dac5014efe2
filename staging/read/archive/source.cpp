#include "staging/read/archive/source.h"

#include <algorithm>
#include <cerrno>

#include "staging/read/delivery.h"
#include "staging/read/refused.h"

namespace staging {
namespace {

constexpr std::size_t kChunk = 256 << 10;

}  // namespace

ArchiveSource::ArchiveSource(ReadAt read, std::uint64_t bytes, const Limits& limits)
    : read_(std::move(read)), bytes_(bytes), most_(most_decompressed(bytes, limits)), out_(kChunk) {
    if (const auto* how = compression_of(exactly(0, std::min<std::uint64_t>(bytes_, kCompressionHead))))
        decompressor_.emplace(*how, read_, bytes_, limits);
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

core::ByteView ArchiveSource::next() {
    std::uint64_t at = at_;
    const core::ByteView given = core::ByteView(out_).first(
        decompressor_ ? decompressor_->read(out_) : read_next(read_, bytes_, at, out_));
    at_ += given.size();
    came_ += given.size();
    const auto last = std::find_if(given.rbegin(), given.rend(), [](std::uint8_t b) { return b != 0; });
    const auto trailing = static_cast<std::uint64_t>(last - given.rbegin());
    zeros_ = trailing == given.size() ? zeros_ + trailing : trailing;
    return given;
}

void ArchiveSource::seek(std::uint64_t to) noexcept {
    if (to != at_) zeros_ = 0;
    at_ = to;
}

}  // namespace staging
