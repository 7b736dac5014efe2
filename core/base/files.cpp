#include "core/base/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "core/base/error.h"

namespace core {

std::string with_errno(const std::string& doing, int errno_value) {
    return doing + ": " + std::generic_category().message(errno_value);
}

namespace {
constexpr std::string_view kTemporary = ".tmp-";

[[noreturn]] void fail(const std::string& doing) {
    throw Error(Fault::system, with_errno(doing, errno));
}

// " PATH" of an open file, by what the kernel says of it; of an AtomicFile the name that it is to have. "" of what has
// no name: a pipe, a socket. `errno` stays.
std::string name_of(int fd) {
    const int before = errno;
    char path[4096];
    const ssize_t length = ::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), path, sizeof path);
    errno = before;
    if (length <= 0 || path[0] != '/') return "";
    const std::filesystem::path found(std::string(path, static_cast<std::size_t>(length)));
    std::string name = found.filename().string();
    if (const std::size_t end = name.rfind('-'); name.starts_with(kTemporary) && end > kTemporary.size())
        name = name.substr(kTemporary.size(), end - kTemporary.size());
    return ' ' + (found.parent_path() / name).string();
}
}  // namespace

Fd::~Fd() {
    if (fd_ >= 0) ::close(fd_);
}

Fd open_regular(const std::filesystem::path& path) {
    Fd fd(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
    if (!fd.is_open()) {
        if (errno == ELOOP) throw Error(Fault::data, path.string() + ": is a symbolic link");
        fail("cannot open " + path.string());
    }
    struct stat status {};
    if (::fstat(fd.get(), &status)) fail("cannot examine " + path.string());
    if (!S_ISREG(status.st_mode)) throw Error(Fault::data, path.string() + ": is not a regular file");
    return fd;
}

Bytes read_file(const std::filesystem::path& path, std::uint64_t limit_bytes) {
    const Fd fd = open_regular(path);
    struct stat status {};
    if (::fstat(fd.get(), &status)) fail("cannot examine " + path.string());
    if (static_cast<std::uint64_t>(status.st_size) > limit_bytes)
        throw Error(Fault::data, path.string() + ": larger than expected");
    Bytes bytes(static_cast<std::size_t>(status.st_size));
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t got = ::read(fd.get(), bytes.data() + done, bytes.size() - done);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) fail("cannot read " + path.string());
        if (got == 0) break;  // cut while we read: what is there is returned, and its checks will say so
        done += static_cast<std::size_t>(got);
    }
    bytes.resize(done);
    return bytes;
}

void read_pieces(const std::filesystem::path& path, const std::function<void(ByteView)>& take,
                 std::uint64_t limit_bytes) {
    const Fd fd = open_regular(path);
    Bytes piece(1 << 20);
    while (limit_bytes > 0) {
        const ssize_t got =
            ::read(fd.get(), piece.data(), std::min<std::uint64_t>(piece.size(), limit_bytes));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) fail("cannot read " + path.string());
        if (got == 0) break;
        take({piece.data(), static_cast<std::size_t>(got)});
        limit_bytes -= static_cast<std::uint64_t>(got);
    }
}

Digest file_sha256(const std::filesystem::path& path) {
    Sha256 hash;
    read_pieces(path, [&](ByteView piece) { hash.update(piece); });
    return hash.finish();
}

std::string read_text(const std::filesystem::path& path, std::uint64_t limit_bytes) {
    const Bytes bytes = read_file(path, limit_bytes);
    return std::string(text(bytes));
}

void write_all(int fd, ByteView bytes, Env& env) {
    while (!bytes.empty()) {
        const ssize_t written = env.write(fd, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) fail("cannot write" + name_of(fd));
        bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
}

AtomicFile::AtomicFile(std::filesystem::path path, mode_t mode, Env& env)
    : env_(env),
      path_(std::move(path)),
      temporary_(path_.parent_path() /
                 (std::string(kTemporary) + path_.filename().string() + "-" + random_id(6))) {
    fd_ = Fd(env.open(temporary_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
    if (!fd_.is_open()) fail("cannot create a file in " + path_.parent_path().string());
    if (::fchmod(fd_.get(), mode)) fail("cannot set the mode of " + path_.string());  // whatever the umask
}

AtomicFile::~AtomicFile() {
    if (!temporary_.empty()) env_.unlink(temporary_.c_str());
}

void AtomicFile::commit() {
    if (env_.fsync(fd_.get())) fail("cannot flush " + path_.string());
    if (env_.rename(temporary_.c_str(), path_.c_str())) fail("cannot name " + path_.string());
    temporary_.clear();
    sync_directory(path_.parent_path(), env_);
}

bool AtomicFile::commit_new() {
    if (env_.fsync(fd_.get())) fail("cannot flush " + path_.string());
    if (env_.link(temporary_.c_str(), path_.c_str())) {
        if (errno == EEXIST) return false;
        fail("cannot name " + path_.string());
    }
    if (env_.unlink(temporary_.c_str())) fail("cannot remove the temporary name of " + path_.string());
    temporary_.clear();
    sync_directory(path_.parent_path(), env_);
    return true;
}

void write_atomically(const std::filesystem::path& path, ByteView bytes, mode_t mode, Env& env) {
    AtomicFile file(path, mode, env);
    file.write(bytes);
    file.commit();
}

void write_atomically(const std::filesystem::path& path, std::string_view text, mode_t mode, Env& env) {
    write_atomically(path, view(text), mode, env);
}

void sync_directory(const std::filesystem::path& path, Env& env) {
    const std::filesystem::path folder = path.empty() ? "." : path;
    const Fd fd(env.open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0));
    if (!fd.is_open() || env.fsync(fd.get())) fail("cannot flush the folder " + folder.string());
}

void make_directories(const std::filesystem::path& path, mode_t mode) {
    if (path.empty() || ::access(path.c_str(), F_OK) == 0) return;
    make_directories(path.parent_path(), mode);
    if (::mkdir(path.c_str(), mode) == 0) {
        if (::chmod(path.c_str(), mode))
            fail("cannot set the mode of " + path.string());  // whatever the umask
    } else if (errno != EEXIST) {
        fail("cannot create the folder " + path.string());
    }
}

TemporaryFolder::TemporaryFolder(std::string_view name) {
    std::string path = (std::filesystem::temp_directory_path() / name).string() + "-XXXXXX";
    if (!::mkdtemp(path.data())) fail("cannot make a temporary folder");
    path_ = path;
}

TemporaryFolder::~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

}  // namespace core
