#include "core/shard/mapping.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <mutex>
#include <utility>

#include "core/base/error.h"
#include "core/base/files.h"

namespace core {
namespace {

struct sigaction before;

void on_sigbus(int signal, siginfo_t* info, void* context) {
    if (sigjmp_buf* const there = std::exchange(sigbus_return, nullptr)) siglongjmp(*there, 1);
    if (before.sa_flags & SA_SIGINFO) {
        before.sa_sigaction(signal, info, context);
    } else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
        before.sa_handler(signal);
    } else {  // as if we were not there: the fault comes again and ends the process
        ::sigaction(SIGBUS, &before, nullptr);
    }
}

}  // namespace

thread_local sigjmp_buf* sigbus_return = nullptr;

void install_sigbus_handler() noexcept {
    static std::once_flag once;
    std::call_once(once, [] {
        struct sigaction action {};
        action.sa_sigaction = on_sigbus;
        action.sa_flags = SA_SIGINFO | SA_NODEFER;  // the jump leaves the handler without unblocking
        sigemptyset(&action.sa_mask);
        ::sigaction(SIGBUS, &action, &before);
    });
}

Mapping::Mapping(const std::filesystem::path& path) {
    const Fd fd = open_regular(path);
    struct stat status {};
    if (::fstat(fd.get(), &status))
        throw Error(Fault::system, with_errno("cannot examine " + path.string(), errno));
    size_ = static_cast<std::uint64_t>(status.st_size);
    if (size_ == 0) return;
    void* const mapped = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, fd.get(), 0);
    if (mapped == MAP_FAILED) throw Error(Fault::system, with_errno("cannot map " + path.string(), errno));
    data_ = static_cast<const std::uint8_t*>(mapped);
    install_sigbus_handler();
}

Mapping::Mapping(Mapping&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
Mapping& Mapping::operator=(Mapping&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
}
Mapping::~Mapping() {
    if (data_) ::munmap(const_cast<std::uint8_t*>(data_), size_);
}

}  // namespace core
