#include "staging/work/sealed_file.h"

#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/base/error.h"

namespace staging {
namespace {

// length of the plain block (8 bytes, little endian), nonce, sealed bytes with their tag
constexpr std::size_t kLength = 8, kNonce = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
                      kTag = crypto_aead_xchacha20poly1305_ietf_ABYTES, kExtra = kLength + kNonce + kTag;

std::string place(const std::string& purpose, std::uint64_t offset, std::uint64_t length) {
    return purpose + '\0' + std::to_string(offset) + '\0' + std::to_string(length);
}

[[noreturn]] void damaged() {
    throw core::Error(core::Fault::data, "the work folder is damaged. Remove it and run the build again");
}

}  // namespace

SealedWriter::SealedWriter(const std::filesystem::path& path, const core::SecretKey& key, std::string purpose,
                           Disk& disk)
    : disk_(disk),
      fd_(disk.open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600)),
      key_(key),
      purpose_(std::move(purpose)) {
    if (!fd_.is_open())
        throw core::Error(core::Fault::system, core::with_errno("cannot write into the work folder", errno));
    end_ = size_of(fd_, disk_);
}

std::uint64_t SealedWriter::append(core::ByteView block) {
    core::Bytes out(kExtra + block.size());
    const std::uint64_t length = block.size(), begin = end_;
    std::memcpy(out.data(), &length, kLength);
    randombytes_buf(out.data() + kLength, kNonce);
    const std::string bound = place(purpose_, begin, length);
    crypto_aead_xchacha20poly1305_ietf_encrypt(
        out.data() + kLength + kNonce, nullptr, block.data(), block.size(),
        reinterpret_cast<const unsigned char*>(bound.data()), bound.size(), nullptr, out.data() + kLength,
        key_.bytes().data());
    core::write_all(fd_.get(), out, disk_);
    end_ += out.size();
    return begin;
}

void SealedWriter::sync() {
    if (disk_.fdatasync(fd_.get()))
        throw core::Error(core::Fault::system, core::with_errno("cannot flush the work folder", errno));
}

SealedReader::SealedReader(const std::filesystem::path& path, const core::SecretKey& key, std::string purpose,
                           Disk& disk)
    : disk_(disk),
      fd_(open_to_read(path, disk)),
      key_(key),
      purpose_(std::move(purpose)),
      size_(size_of(fd_, disk)) {}

core::Bytes SealedReader::at(std::uint64_t offset) const {
    const auto read = [&](void* to, std::size_t count, std::uint64_t from) {
        if (!read_at(fd_, to, count, from, disk_)) damaged();
    };
    std::uint64_t length = 0;
    read(&length, kLength, offset);
    if (offset > size_ || length > size_ || size_ - offset < kExtra + length) damaged();
    core::Bytes sealed(kNonce + length + kTag), plain(length);
    read(sealed.data(), sealed.size(), offset + kLength);
    const std::string bound = place(purpose_, offset, length);
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(plain.data(), nullptr, nullptr, sealed.data() + kNonce,
                                                   length + kTag,
                                                   reinterpret_cast<const unsigned char*>(bound.data()),
                                                   bound.size(), sealed.data(), key_.bytes().data()) != 0)
        damaged();
    return plain;
}

std::uint64_t SealedReader::after(std::uint64_t offset, std::uint64_t plain_bytes) noexcept {
    return offset + kExtra + plain_bytes;
}

std::optional<core::Bytes> SealedReader::next() {
    if (position_ == size_) return std::nullopt;
    core::Bytes block = at(position_);
    position_ = after(position_, block.size());
    return block;
}

}  // namespace staging
