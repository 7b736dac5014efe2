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

std::uint64_t size_of(const core::Fd& fd) {
    struct stat status {};
    if (::fstat(fd.get(), &status))
        throw core::Error(core::Fault::system, core::with_errno("cannot examine a work file", errno));
    return static_cast<std::uint64_t>(status.st_size);
}

}  // namespace

SealedWriter::SealedWriter(const std::filesystem::path& path, const core::SecretKey& key, std::string purpose)
    : fd_(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600)),
      key_(key),
      purpose_(std::move(purpose)) {
    if (!fd_.is_open())
        throw core::Error(core::Fault::system, core::with_errno("cannot write into the work folder", errno));
    end_ = size_of(fd_);
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
    core::write_all(fd_.get(), out);
    end_ += out.size();
    return begin;
}

void SealedWriter::sync() {
    if (::fdatasync(fd_.get()))
        throw core::Error(core::Fault::system, core::with_errno("cannot flush the work folder", errno));
}

SealedReader::SealedReader(const std::filesystem::path& path, const core::SecretKey& key, std::string purpose)
    : fd_(core::open_regular(path)), key_(key), purpose_(std::move(purpose)), size_(size_of(fd_)) {}

core::Bytes SealedReader::at(std::uint64_t offset) const {
    const auto read = [&](std::uint8_t* to, std::size_t count, std::uint64_t from) {
        while (count > 0) {
            const ssize_t got = ::pread(fd_.get(), to, count, static_cast<off_t>(from));
            if (got < 0 && errno == EINTR) continue;
            if (got < 0)
                throw core::Error(core::Fault::system,
                                  core::with_errno("cannot read the work folder", errno));
            if (got == 0) damaged();
            to += got;
            from += static_cast<std::uint64_t>(got);
            count -= static_cast<std::size_t>(got);
        }
    };
    std::uint64_t length = 0;
    read(reinterpret_cast<std::uint8_t*>(&length), kLength, offset);
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
