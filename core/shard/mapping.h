#pragma once
#include <setjmp.h>

#include <cstdint>
#include <filesystem>

#include "core/base/bytes.h"

namespace core {

// A file in memory, read-only. Its pages may fail when they are touched: the file is cut by someone, the
// storage has an error. The kernel then sends SIGBUS, which guarded() turns into `false`.
class Mapping {
public:
    Mapping() = default;
    // Throws Error(system) if it cannot be opened or mapped, Error(data) if it is not a regular file.
    explicit Mapping(const std::filesystem::path& path);
    Mapping(Mapping&& other) noexcept;
    Mapping& operator=(Mapping&& other) noexcept;
    ~Mapping();
    const std::uint8_t* data() const noexcept { return data_; }
    std::uint64_t size() const noexcept { return size_; }  // when it was opened

private:
    const std::uint8_t* data_ = nullptr;
    std::uint64_t size_ = 0;
};

// Where this thread continues after SIGBUS; null outside guarded().
extern thread_local sigjmp_buf* sigbus_return;
// Installs the handler, once per process; a SIGBUS outside guarded() goes where it went before.
void install_sigbus_handler() noexcept;

// Runs `work`; false if the memory it touched failed. `work` must not own anything (no destructors run), take
// locks or allocate: copy and decrypt only.
template <class Work>
[[nodiscard]] bool guarded(Work&& work) noexcept {
    sigjmp_buf here;
    if (sigsetjmp(here, 0)) {  // 0: leave the signal mask alone, which costs a system call
        sigbus_return = nullptr;
        return false;
    }
    sigbus_return = &here;
    work();
    sigbus_return = nullptr;
    return true;
}

}  // namespace core
