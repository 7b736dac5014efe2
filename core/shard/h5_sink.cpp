#include "core/shard/h5_sink.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "core/base/bytes.h"

namespace core {
namespace {

// H5FD_t must be first: HDF5 knows the file by it.
struct OpenFile {
    H5FD_t base;
    H5Sink* sink;
    haddr_t allocated;
};
OpenFile& open_file(H5FD_t* file) {
    return *reinterpret_cast<OpenFile*>(file);
}
const OpenFile& open_file(const H5FD_t* file) {
    return *reinterpret_cast<const OpenFile*>(file);
}

struct Settings {
    H5Sink* sink;
};

H5FD_t* on_open(const char*, unsigned, hid_t access, haddr_t) {
    const auto* settings = static_cast<const Settings*>(H5Pget_driver_info(access));
    if (!settings) return nullptr;
    auto* const file = new (std::nothrow) OpenFile{};
    if (!file) return nullptr;
    file->sink = settings->sink;
    return &file->base;
}
herr_t on_close(H5FD_t* file) {
    delete &open_file(file);
    return 0;
}
herr_t on_query(const H5FD_t*, unsigned long* flags) {
    *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE |
             H5FD_FEAT_AGGREGATE_SMALLDATA;
    return 0;
}
haddr_t on_get_allocated(const H5FD_t* file, H5FD_mem_t) {
    return open_file(file).allocated;
}
herr_t on_set_allocated(H5FD_t* file, H5FD_mem_t, haddr_t end) {
    open_file(file).allocated = end;
    return 0;
}
haddr_t on_get_end(const H5FD_t* file, H5FD_mem_t) {
    return open_file(file).sink->end();
}
herr_t on_read(H5FD_t* file, H5FD_mem_t, hid_t, haddr_t at, size_t size, void* bytes) {
    open_file(file).sink->read(at, bytes, size);
    return 0;
}
herr_t on_write(H5FD_t* file, H5FD_mem_t type, hid_t, haddr_t at, size_t size, const void* bytes) {
    open_file(file).sink->write(type != H5FD_MEM_DRAW, at, bytes, size);
    return 0;
}
herr_t on_truncate(H5FD_t* file, hid_t, hbool_t) {
    OpenFile& open = open_file(file);
    if (open.allocated != open.sink->end()) open.sink->truncate(open.allocated);
    return 0;
}

// Registered once. Without HDF5's own work at exit: it would flush what a failure left open.
hid_t driver() {
    static const hid_t id = [] {
        H5dont_atexit();  // has no effect, and does no harm, where HDF5 runs already
        static H5FD_class_t kind{};
        kind.name = "aloft";
        kind.maxaddr = INT64_MAX;
        kind.fc_degree = H5F_CLOSE_STRONG;
        kind.fapl_size = sizeof(Settings);
        kind.open = on_open;
        kind.close = on_close;
        kind.query = on_query;
        kind.get_eoa = on_get_allocated;
        kind.set_eoa = on_set_allocated;
        kind.get_eof = on_get_end;
        kind.read = on_read;
        kind.write = on_write;
        kind.truncate = on_truncate;
        const H5FD_mem_t map[H5FD_MEM_NTYPES] = H5FD_FLMAP_DICHOTOMY;
        std::copy(std::begin(map), std::end(map), kind.fl_map);
        return H5FDregister(&kind);
    }();
    if (id < 0) fail_h5("register a driver");
    return id;
}

}  // namespace

H5File H5Sink::create(const H5Properties& creation, const H5Properties& access) {
    const Settings settings{this};
    check_h5(H5Pset_driver(access.get(), driver(), &settings), "choose a driver");
    H5File file(H5Fcreate("shard", H5F_ACC_TRUNC, creation.get(), access.get()), "create a shard");
    check();
    return file;
}

void H5Sink::check() const {
    if (!error_) return;
    const bool is_full = error_ == ENOSPC || error_ == EDQUOT;
    throw Error(Fault::system, with_errno("cannot write " + file_, error_) +
                                   (is_full ? ". Make room there, then run the same command again" : ""));
}

void H5Sink::watch(const void* bytes, std::size_t size) noexcept {
    watched_ = bytes;
    watched_bytes_ = size;
    found_ = UINT64_MAX;
}

std::uint64_t H5Sink::watched_at() const {
    check();
    if (found_ == UINT64_MAX) throw Error(Fault::bug, "HDF5 did not write a chunk as one piece");
    return found_;
}

void H5Sink::fail(int error) noexcept {
    if (!error_) error_ = error ? error : EIO;
}

void H5Sink::write(bool metadata, std::uint64_t at, const void* bytes, std::size_t size) noexcept {
    end_ = std::max(end_, at + size);
    if (bytes == watched_ && size == watched_bytes_) found_ = at;
    const auto* from = static_cast<const std::uint8_t*>(bytes);
    for (std::size_t done = 0; !error_ && done < size;) {
        const ssize_t put = env_.pwrite(fd_, from + done, size - done, static_cast<off_t>(at + done));
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) fail(put < 0 ? errno : ENOSPC);
        if (put > 0) done += static_cast<std::size_t>(put);
    }
    if (!error_ || !metadata) return;
    try {
        kept_[at].assign(from, from + size);
    } catch (const std::bad_alloc&) {  // then HDF5 reads what the disk has
    }
}

void H5Sink::read(std::uint64_t at, void* bytes, std::size_t size) noexcept {
    auto* to = static_cast<std::uint8_t*>(bytes);
    std::memset(to, 0, size);  // beyond the end of the file, as HDF5 expects
    for (std::size_t done = 0; done < size;) {
        const ssize_t got = ::pread(fd_, to + done, size - done, static_cast<off_t>(at + done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) fail(errno);
        if (got <= 0) break;
        done += static_cast<std::size_t>(got);
    }
    for (const auto& [begin, kept] : kept_) {
        const std::uint64_t from = std::max(begin, at), until = std::min(begin + kept.size(), at + size);
        if (from < until) std::memcpy(to + (from - at), kept.data() + (from - begin), until - from);
    }
}

void H5Sink::truncate(std::uint64_t size) noexcept {
    end_ = size;
    if (!error_ && env_.ftruncate(fd_, static_cast<off_t>(size))) fail(errno);
}

}  // namespace core
