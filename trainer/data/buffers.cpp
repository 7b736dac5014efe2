#include "trainer/data/buffers.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <vector>

#include "core/base/error.h"

namespace trainer {
namespace {

constexpr std::size_t kHugePage = 2 << 20;

}  // namespace

struct Buffers::Pool {
    std::size_t bytes;
    std::mutex mutex;
    std::vector<std::uint8_t*> free;

    explicit Pool(std::size_t wanted) : bytes((wanted + kHugePage - 1) / kHugePage * kHugePage) {}
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;
    ~Pool() {
        for (std::uint8_t* const buffer : free) ::munmap(buffer, bytes);
    }

    // One mapping of whole huge pages, aligned: what sticks out at either end is given back.
    std::uint8_t* make() const {
        void* const mapped =
            ::mmap(nullptr, bytes + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (mapped == MAP_FAILED)
            throw core::Error(core::Fault::system, core::with_errno("cannot take memory for a batch", errno));
        auto* const begin = static_cast<std::uint8_t*>(mapped);
        const std::size_t before =
            (kHugePage - reinterpret_cast<std::uintptr_t>(begin) % kHugePage) % kHugePage;
        if (before > 0) ::munmap(begin, before);
        ::munmap(begin + before + bytes, kHugePage - before);
        ::madvise(begin + before, bytes, MADV_HUGEPAGE);  // a wish: without it, small pages
        return begin + before;
    }
};

Buffers::Buffers(std::size_t bytes) : pool_(std::make_shared<Pool>(std::max<std::size_t>(bytes, 1))) {}

std::shared_ptr<std::uint8_t> Buffers::take() {
    std::uint8_t* buffer = nullptr;
    {
        const std::lock_guard lock(pool_->mutex);
        if (!pool_->free.empty()) {  // the one given back last: its lines may still be in the cache
            buffer = pool_->free.back();
            pool_->free.pop_back();
        }
        pool_->free.reserve(pool_->free.size() + 1);
    }
    if (!buffer) buffer = pool_->make();
    return {buffer, [pool = pool_](std::uint8_t* p) {
                const std::lock_guard lock(pool->mutex);
                pool->free.push_back(p);
            }};
}

}  // namespace trainer
