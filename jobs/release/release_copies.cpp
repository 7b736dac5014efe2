#include "jobs/release/release_copies.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <set>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/message.h"
#include "core/policy/names.h"

namespace jobs {

using core::Error;
using core::failure;
using core::Fault;

namespace {

constexpr std::size_t kChunkBytes = 1 << 20;

struct stat examine(int fd) {
    struct stat status {};
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0 || (flags & O_ACCMODE) == O_WRONLY || (flags & O_PATH) || ::fstat(fd, &status) ||
        !S_ISREG(status.st_mode))
        throw Error(Fault::usage, "a file that was handed over is not a regular file open for reading");
    return status;
}

// Reads at offsets of its own: the caller shares the descriptor's position.
std::size_t read_chunk(int fd, std::uint64_t at, std::uint8_t* buffer, std::size_t size) {
    for (;;) {
        const ssize_t got = ::pread(fd, buffer, size, static_cast<off_t>(at));
        if (got >= 0) return static_cast<std::size_t>(got);
        if (errno != EINTR)
            throw Error(Fault::system, core::with_errno("cannot read a file that was handed over", errno));
    }
}

}  // namespace

void check_names(const std::vector<std::string>& names) {
    for (const std::string& name : names) core::check_plain_name(name, "a file's name");
    if (std::set<std::string>(names.begin(), names.end()).size() != names.size())
        throw failure(Fault::usage, "two files have the same name; rename one");
}

std::string read_descriptor(int fd, std::uint64_t limit_bytes) {
    examine(fd);
    std::string out;
    core::Bytes chunk(kChunkBytes);
    while (const std::size_t got = read_chunk(fd, out.size(), chunk.data(), chunk.size())) {
        out.append(reinterpret_cast<const char*>(chunk.data()), got);
        if (out.size() > limit_bytes) throw Error(Fault::usage, "a file that was handed over is too large");
    }
    return out;
}

std::vector<QuarantinedFile> copy_in(const std::vector<core::Fd>& descriptors,
                                     const std::vector<std::string>& names,
                                     const std::filesystem::path& folder,
                                     std::optional<std::uint64_t> workspace_device,
                                     const ReleaseRules& rules) {
    core::make_directories(folder, 0700);
    std::vector<QuarantinedFile> files;
    core::Bytes chunk(kChunkBytes);
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < descriptors.size(); ++i) {
        if (const auto device = examine(descriptors[i].get()).st_dev;
            workspace_device && device != *workspace_device)
            throw failure(Fault::refused, "{}: does not lie in the workspace; only its files can be released",
                          names[i]);
        QuarantinedFile file;
        file.name = names[i];
        core::Sha256 hash;
        core::AtomicFile copy(folder / names[i], 0600);
        while (const std::size_t got =
                   read_chunk(descriptors[i].get(), file.bytes, chunk.data(), chunk.size())) {
            const core::ByteView bytes(chunk.data(), got);
            hash.update(bytes);
            copy.write(bytes);
            file.bytes += got;
            total += got;
            if (file.bytes > rules.file_bytes || total > rules.request_bytes)
                throw failure(Fault::refused, "{}: larger than a release may be at this site", names[i]);
        }
        copy.commit();
        file.sha256 = core::to_hex(hash.finish());
        files.push_back(std::move(file));
    }
    return files;
}

}  // namespace jobs
