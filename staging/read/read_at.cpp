#include "staging/read/read_at.h"

#include <unistd.h>

#include <algorithm>
#include <memory>

namespace staging {

ReadAt read_at(core::Fd file) {
    return [shared = std::make_shared<core::Fd>(std::move(file))](std::uint8_t* out, std::size_t count,
                                                                  std::uint64_t offset) {
        return ::pread(shared->get(), out, count, static_cast<off_t>(offset));
    };
}

ReadAt read_at(core::ByteView memory) {
    return [memory](std::uint8_t* out, std::size_t count, std::uint64_t offset) {
        if (offset >= memory.size()) return ssize_t{0};
        count = std::min<std::uint64_t>(count, memory.size() - offset);
        std::copy_n(memory.begin() + static_cast<std::ptrdiff_t>(offset), count, out);
        return static_cast<ssize_t>(count);
    };
}

}  // namespace staging
