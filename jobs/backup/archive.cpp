#include "jobs/backup/archive.h"

#include <sodium.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <vector>

#include "core/base/error.h"
#include "core/base/json.h"
#include "core/base/split.h"

namespace jobs {

using core::Error;
using core::Fault;
using nlohmann::json;

namespace {

constexpr std::size_t kPieceBytes = 64 << 10;
constexpr std::size_t kOverhead = crypto_secretstream_xchacha20poly1305_ABYTES;
// Secretstream's tag is authenticated with the message, and says what it is.
constexpr unsigned char kBytes = crypto_secretstream_xchacha20poly1305_TAG_MESSAGE,
                        kName = crypto_secretstream_xchacha20poly1305_TAG_PUSH,
                        kEnd = crypto_secretstream_xchacha20poly1305_TAG_FINAL;

// A stream's state holds its key.
struct Stream {
    crypto_secretstream_xchacha20poly1305_state state;
    ~Stream() { sodium_memzero(&state, sizeof state); }
};

void start_sodium() {
    if (sodium_init() < 0) throw Error(Fault::system, "libsodium: cannot start");
}

}  // namespace

bool is_archived_name(std::string_view name) {
    if (!name.starts_with("state/") && !name.starts_with("config/")) return false;
    if (name.find('\0') != std::string_view::npos || name.ends_with('/')) return false;
    for (const std::string& part : core::split(std::string(name), '/'))
        if (part.empty() || part == "." || part == "..") return false;
    return true;
}

struct ArchiveWriter::Inside {
    core::AtomicFile file;
    Stream stream;
    core::Sha256 hash;
    core::Digest sha256{};
    std::uint64_t files = 0, bytes = 0;

    explicit Inside(const std::filesystem::path& path) : file(path, 0600) {}
    void put(core::ByteView some) {
        file.write(some);
        hash.update(some);
        bytes += some.size();
    }
    void push(core::ByteView plain, unsigned char tag) {
        std::vector<std::uint8_t> sealed(4 + plain.size() + kOverhead);
        const std::size_t length = plain.size() + kOverhead;
        for (int i = 0; i < 4; ++i) sealed[i] = static_cast<std::uint8_t>(length >> (8 * i));
        crypto_secretstream_xchacha20poly1305_push(&stream.state, sealed.data() + 4, nullptr, plain.data(),
                                                   plain.size(), nullptr, 0, tag);
        put({sealed.data(), sealed.size()});
    }
};

ArchiveWriter::ArchiveWriter(const std::filesystem::path& file, const core::SecretKey& key) {
    start_sodium();
    inside_ = std::make_unique<Inside>(file);
    std::array<std::uint8_t, crypto_secretstream_xchacha20poly1305_HEADERBYTES> header;
    crypto_secretstream_xchacha20poly1305_init_push(&inside_->stream.state, header.data(),
                                                    key.bytes().data());
    inside_->put({header.data(), header.size()});
}

ArchiveWriter::~ArchiveWriter() = default;

void ArchiveWriter::begin(const Archived& next) {
    if (!is_archived_name(next.name))
        throw Error(Fault::bug, "a backup holds files of state and config only");
    inside_->push(core::view(json{{"name", next.name}, {"mode", next.mode}}.dump()), kName);
    ++inside_->files;
}

void ArchiveWriter::write(core::ByteView bytes) {
    while (!bytes.empty()) {
        const std::size_t now = std::min(bytes.size(), kPieceBytes);
        inside_->push(bytes.subspan(0, now), kBytes);
        bytes = bytes.subspan(now);
    }
}

void ArchiveWriter::finish() {
    inside_->push({}, kEnd);
    inside_->sha256 = inside_->hash.finish();
    if (!inside_->file.commit_new())
        throw Error(Fault::usage, "there is a backup in this folder already; name another");
}

std::uint64_t ArchiveWriter::files() const {
    return inside_->files;
}
std::uint64_t ArchiveWriter::bytes() const {
    return inside_->bytes;
}
core::Digest ArchiveWriter::sha256() const {
    return inside_->sha256;
}

struct ArchiveReader::Inside {
    std::string path;
    core::Fd fd;
    Stream stream;
    std::optional<Archived> named;  // met, and not yet given to anybody
    bool has_ended = false, has_begun = false;
    std::vector<std::uint8_t> sealed, plain;

    [[noreturn]] void fail() const {
        throw Error(Fault::data, path +
                                     ": not whole, changed, or encrypted with another key. Take another "
                                     "copy of this backup, or an older one");
    }
    void get(std::uint8_t* to, std::size_t count) {
        while (count > 0) {
            const ssize_t got = ::read(fd.get(), to, count);
            if (got < 0 && errno == EINTR) continue;
            if (got < 0) throw Error(Fault::system, core::with_errno("cannot read " + path, errno));
            if (got == 0) fail();
            to += got;
            count -= static_cast<std::size_t>(got);
        }
    }
    // The next message of bytes; false at the end of a file.
    bool pull() {
        if (named || has_ended) return false;
        std::uint8_t raw[4];
        get(raw, 4);
        std::size_t length = 0;
        for (int i = 0; i < 4; ++i) length |= static_cast<std::size_t>(raw[i]) << (8 * i);
        if (length < kOverhead || length > kPieceBytes + kOverhead) fail();
        sealed.resize(length);
        get(sealed.data(), length);
        plain.resize(length - kOverhead);
        unsigned char tag = 0;
        if (crypto_secretstream_xchacha20poly1305_pull(&stream.state, plain.data(), nullptr, &tag,
                                                       sealed.data(), sealed.size(), nullptr, 0) != 0)
            fail();
        if (tag == kBytes && has_begun) return true;
        if (tag == kEnd) {
            std::uint8_t more;
            if (::read(fd.get(), &more, 1) != 0) fail();
            has_ended = true;
            return false;
        }
        if (tag != kName) fail();
        try {
            const json header = core::parse_json(core::text(plain));
            named = Archived{header.at("name").get<std::string>(),
                             header.at("mode").get<mode_t>() & mode_t{0777}};
        } catch (const json::exception&) {
            fail();
        }
        if (!is_archived_name(named->name)) fail();
        has_begun = true;
        return false;
    }
};

ArchiveReader::ArchiveReader(const std::filesystem::path& file, const core::SecretKey& key)
    : inside_(std::make_unique<Inside>()) {
    start_sodium();
    inside_->path = file.string();
    inside_->fd = core::open_regular(file);
    std::array<std::uint8_t, crypto_secretstream_xchacha20poly1305_HEADERBYTES> header;
    inside_->get(header.data(), header.size());
    if (crypto_secretstream_xchacha20poly1305_init_pull(&inside_->stream.state, header.data(),
                                                        key.bytes().data()) != 0)
        inside_->fail();
}

ArchiveReader::~ArchiveReader() = default;

std::optional<Archived> ArchiveReader::next() {
    while (inside_->pull()) {
    }
    return std::exchange(inside_->named, std::nullopt);
}

void ArchiveReader::read(const std::function<void(core::ByteView)>& take) {
    while (inside_->pull()) take({inside_->plain.data(), inside_->plain.size()});
}

}  // namespace jobs
