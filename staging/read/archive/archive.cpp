#include "staging/read/archive/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>
#include <stdlib.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "staging/read/archive/source.h"
#include "staging/read/format.h"
#include "staging/read/refused.h"

namespace staging {
namespace {

constexpr std::uint64_t kBlock = 512;  // of a tar file

// libarchive turns names into the locale's signs: in any but UTF-8, those of most languages would be lost.
locale_t utf8_locale = nullptr;

class InUtf8 {
public:
    InUtf8() : before_(::uselocale(utf8_locale)) {}
    InUtf8(const InUtf8&) = delete;
    InUtf8& operator=(const InUtf8&) = delete;
    ~InUtf8() { ::uselocale(before_); }

private:
    locale_t before_;
};

// A name that stays below the folder that the archive is read as, whoever looks at it.
bool is_safe(std::string_view name) {
    if (name.empty() || name.size() > 4096) return false;
    for (std::size_t from = 0;;) {
        const std::size_t end = std::min(name.find_first_of("/\\", from), name.size());
        const std::string_view part = name.substr(from, end - from);
        if (part.empty() || part == "." || part == "..") return false;
        if (end == name.size()) return true;
        from = end + 1;
    }
}

std::uint64_t little_endian(core::ByteView bytes, std::size_t at, std::size_t count) {
    std::uint64_t out = 0;
    for (std::size_t i = count; i-- > 0;) out = out << 8 | bytes[at + i];
    return out;
}

// How many entries the end of a zip file says there are (APPNOTE.TXT, 4.3.14 to 4.3.16).
std::uint64_t entries_of_zip(const ArchiveSource& source) {
    constexpr std::size_t kEnd = 22, kLocator = 20, kEnd64 = 56;
    const auto tail = static_cast<std::size_t>(std::min<std::uint64_t>(source.bytes(), 65535 + kEnd));
    const core::Bytes bytes = source.exactly(source.bytes() - tail, tail);
    for (std::size_t at = tail < kEnd ? 0 : tail - kEnd + 1; at-- > 0;) {
        if (core::text(bytes).substr(at, 4) != "PK\5\6") continue;
        const std::uint64_t count = little_endian(bytes, at + 10, 2);
        if (count != 0xffff || at < kLocator || core::text(bytes).substr(at - kLocator, 4) != "PK\6\7")
            return count;
        const std::uint64_t end64 = little_endian(bytes, at - kLocator + 8, 8);
        if (end64 > source.bytes() || source.bytes() - end64 < kEnd64) break;
        return little_endian(source.exactly(end64, kEnd64), 32, 8);
    }
    throw Refused(Reason::truncated, "archive");
}

}  // namespace

struct ArchiveReader::State {
    State(ReadAt read, std::uint64_t bytes, const Limits& limits_)
        : limits(limits_), source(std::move(read), bytes, limits_) {}
    ~State() {
        if (handle) archive_read_free(handle);
    }

    const Limits& limits;
    ArchiveSource source;
    struct archive* handle = nullptr;
    archive_entry* entry = nullptr;
    bool is_zip = false, has_entry = false, at_end = false;
    std::uint64_t entries = 0, members = 0, declared = 0, end_of_data = 0;
    std::optional<Refused> failed;  // what a callback, or an earlier call, found

    // Nothing may be thrown through libarchive.
    template <class Work>
    auto guarded(Work work) noexcept -> decltype(work()) {
        try {
            return work();
        } catch (const Refused& refused) {
            failed = refused;
        } catch (const std::bad_alloc&) {
            failed = Refused(Reason::memory_limit);
        }
        return -1;
    }
    [[noreturn]] void fail(const Refused& refused) {
        if (!failed) failed = refused;
        throw *failed;
    }
    // What libarchive says of a call; a warning is a fault of the file, too.
    void check(int status) {
        if (status == ARCHIVE_OK || status == ARCHIVE_EOF || status == ARCHIVE_WARN) return;
        if (archive_errno(handle) == ENOMEM) throw std::bad_alloc();
        fail(Refused(Reason::malformed, "archive"));
    }

    static la_ssize_t on_read(struct archive*, void* self, const void** buffer) {
        State& state = *static_cast<State*>(self);
        return state.guarded([&]() -> la_ssize_t {
            const core::ByteView given = state.source.next();
            *buffer = given.data();
            return static_cast<la_ssize_t>(given.size());
        });
    }
    static la_int64_t on_skip(struct archive*, void* self, la_int64_t count) {
        State& state = *static_cast<State*>(self);
        if (state.source.is_compressed() || count <= 0) return 0;
        const std::uint64_t left = state.source.bytes() - std::min(state.source.bytes(), state.source.at());
        const std::uint64_t step = std::min<std::uint64_t>(left, static_cast<std::uint64_t>(count));
        state.source.seek(state.source.at() + step);
        return static_cast<la_int64_t>(step);
    }
    static la_int64_t on_seek(struct archive*, void* self, la_int64_t offset, int whence) {
        State& state = *static_cast<State*>(self);
        const auto base = static_cast<la_int64_t>(whence == SEEK_SET   ? 0
                                                  : whence == SEEK_CUR ? state.source.at()
                                                                       : state.source.bytes());
        if (offset < -base || base + offset > static_cast<la_int64_t>(state.source.bytes()))
            return ARCHIVE_FATAL;
        state.source.seek(static_cast<std::uint64_t>(base + offset));
        return base + offset;
    }

    void open() {
        is_zip =
            !source.is_compressed() && source.bytes() >= 4 &&
            (core::text(source.exactly(0, 4)) == "PK\3\4" || core::text(source.exactly(0, 4)) == "PK\5\6");
        handle = archive_read_new();
        if (!handle) throw std::bad_alloc();
        check(is_zip ? archive_read_support_format_zip_seekable(handle)
                     : archive_read_support_format_tar(handle));
        archive_read_set_callback_data(handle, this);
        archive_read_set_read_callback(handle, on_read);
        if (is_zip)
            archive_read_set_seek_callback(handle, on_seek);
        else
            archive_read_set_skip_callback(handle, on_skip);
        check(archive_read_open1(handle));
    }

    // Behind the last entry: nothing was cut off, and nothing stands there that nobody reads.
    void check_end() {
        if (is_zip) {
            if (entries != entries_of_zip(source)) fail(Refused(Reason::malformed, "archive"));
            return;
        }
        while (!source.next().empty()) {
        }
        // POSIX pax(1): two blocks of zeros end a tar file; writers fill it up with more.
        if (source.at() < end_of_data + 2 * kBlock) fail(Refused(Reason::truncated, "archive"));
        if (source.zeros() < source.at() - end_of_data)
            fail(Refused(Reason::malformed, "bytes behind the archive"));
    }

    bool next(Member& member) {
        for (;;) {
            if (has_entry && !is_zip) {
                check(archive_read_data_skip(handle));
                end_of_data = static_cast<std::uint64_t>(archive_filter_bytes(handle, 0));
            }
            has_entry = false;
            const int status = archive_read_next_header(handle, &entry);
            check(status);
            if (status == ARCHIVE_EOF) {
                check_end();
                at_end = true;
                return false;
            }
            has_entry = true;
            ++entries;
            const auto type = archive_entry_filetype(entry);
            if (type == AE_IFDIR) continue;
            if (++members > limits.archive_members) fail(Refused(Reason::too_many_elements, "archive"));
            describe(member, status == ARCHIVE_WARN, type);
            return true;
        }
    }

    void describe(Member& member, bool warned, unsigned type) {
        const char* name = archive_entry_pathname(entry);
        std::string_view path = name ? name : "";
        while (path.starts_with("./")) path.remove_prefix(2);
        member.name = path;
        member.bytes = archive_entry_size_is_set(entry)
                           ? static_cast<std::uint64_t>(std::max<la_int64_t>(0, archive_entry_size(entry)))
                           : 0;
        // What each file says it grows to, before one of them does: load() holds them to it.
        if (member.bytes > source.most() - declared) fail(Refused(Reason::decompression_limit, "archive"));
        declared += member.bytes;
        member.reason = archive_entry_hardlink(entry) || type == AE_IFLNK ? Reason::symlink
                        : type != AE_IFREG                                ? Reason::not_regular
                        : archive_entry_is_encrypted(entry)               ? Reason::encrypted
                        : !is_safe(path)                                  ? Reason::unsafe_name
                        : warned || !archive_entry_size_is_set(entry)     ? Reason::malformed
                        : !is_method_read()                ? Reason::transfer_syntax_unsupported
                        : member.bytes > limits.file_bytes ? Reason::too_large
                                                           : Reason::none;
    }

    // Of zip files stored and deflated entries alone: LZMA and PPMd allocate what an entry says they need.
    bool is_method_read() const {
        const std::string_view name = is_zip ? archive_format_name(handle) : "";
        return !is_zip || name.ends_with("(uncompressed)") || name.ends_with("(deflation)");
    }

    void load(core::Bytes& out) {
        const auto size = static_cast<std::size_t>(archive_entry_size(entry));
        out.clear();
        // Growth is by what has come out, never by what is declared.
        constexpr std::size_t kStep = 1 << 20;
        for (;;) {
            const std::size_t have = out.size();
            const std::size_t room = std::min(size - have, std::max(kStep, have / 2));
            out.resize(have + std::max<std::size_t>(room, 1));  // at the end: whether there is more
            const la_ssize_t got = archive_read_data(handle, out.data() + have, out.size() - have);
            if (failed) throw *failed;
            out.resize(have + static_cast<std::size_t>(std::max<la_ssize_t>(got, 0)));
            if (got < 0) {
                if (archive_errno(handle) == ENOMEM) throw std::bad_alloc();
                throw Refused(Reason::malformed, "archive");
            }
            if (out.size() > size) throw Refused(Reason::malformed, "archive");
            if (got == 0) break;
        }
        if (out.size() != size) throw Refused(Reason::truncated, "archive");
    }
};

bool is_archive_name(std::string_view name) {
    const auto ends = [&](std::string_view suffix) {
        return name.size() > suffix.size() && ends_with_folded(name, suffix);
    };
    const std::string_view plain = decompressed_name(name);
    return ends(".zip") || (plain.size() > 4 && ends_with_folded(plain, ".tar")) ||
           std::ranges::any_of(compressions(), [&](const Compression& one) { return ends(one.tar_suffix); });
}

void ArchiveReader::prepare() noexcept {
    utf8_locale = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
    // Times in zip files are local ones: mktime(3) would look at /etc/localtime.
    ::setenv("TZ", "UTC0", 1);
    ::tzset();
}

ArchiveReader::ArchiveReader(ReadAt read, std::uint64_t bytes, const Limits& limits)
    : state_(std::make_unique<State>(std::move(read), bytes, limits)) {
    const InUtf8 names;
    state_->open();
}

ArchiveReader::~ArchiveReader() = default;

bool ArchiveReader::next(Member& member) {
    if (state_->failed) throw *state_->failed;
    if (state_->at_end) return false;
    const InUtf8 names;
    return state_->next(member);
}

void ArchiveReader::load(core::Bytes& out) {
    if (state_->failed) throw *state_->failed;
    state_->load(out);
}

std::uint64_t ArchiveReader::work() const noexcept {
    return state_->source.came();
}

}  // namespace staging
