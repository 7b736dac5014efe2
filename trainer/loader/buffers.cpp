#include "trainer/loader/buffers.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <mutex>
#include <vector>

#include "core/base/error.h"

namespace trainer {
namespace {

constexpr std::size_t kHugePage = 2 << 20, kLine = 64;
constexpr std::size_t kSlab = 16 << 20;  // small buffers are cut from one mapping: several to a huge page

}  // namespace

struct Buffers::Pool {
    const MemoryHook hook;
    std::size_t bytes, slab_bytes;
    std::mutex mutex;
    struct Slab {
        std::uint8_t* begin;
        std::shared_ptr<void> held;  // by the hook
    };
    std::vector<std::uint8_t*> free;
    std::vector<Slab> slabs;

    Pool(std::size_t wanted, MemoryHook told)
        : hook(std::move(told)),
          bytes((wanted + kLine - 1) / kLine * kLine),
          slab_bytes((std::max(bytes, std::min(bytes * 8, kSlab)) + kHugePage - 1) / kHugePage * kHugePage) {}
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;
    ~Pool() {
        for (Slab& slab : slabs) {
            slab.held.reset();
            ::munmap(slab.begin, slab_bytes);
        }
    }

    // One mapping of whole huge pages, aligned: what sticks out at either end is given back.
    void grow() {
        void* const mapped = ::mmap(nullptr, slab_bytes + kHugePage, PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (mapped == MAP_FAILED)
            throw core::Error(core::Fault::system, core::with_errno("cannot take memory for a batch", errno));
        auto* const begin = static_cast<std::uint8_t*>(mapped);
        const std::size_t before =
            (kHugePage - reinterpret_cast<std::uintptr_t>(begin) % kHugePage) % kHugePage;
        std::uint8_t* const slab = begin + before;
        if (before > 0) ::munmap(begin, before);
        ::munmap(slab + slab_bytes, kHugePage - before);
        ::madvise(slab, slab_bytes, MADV_HUGEPAGE);  // a wish: without it, small pages
        ::madvise(slab, slab_bytes, MADV_DONTDUMP);  // decrypted: in no core file
        slabs.push_back({slab, hook ? hook(slab, slab_bytes) : nullptr});
        free.reserve(slabs.size() * (slab_bytes / bytes));  // so that giving back never allocates
        for (std::size_t at = slab_bytes / bytes; at-- > 0;) free.push_back(slab + at * bytes);
    }
};

Buffers::Buffers(std::size_t bytes, MemoryHook hook)
    : pool_(std::make_shared<Pool>(std::max<std::size_t>(bytes, 1), std::move(hook))) {}

std::shared_ptr<std::uint8_t> Buffers::take() {
    const std::lock_guard lock(pool_->mutex);
    if (pool_->free.empty()) pool_->grow();
    std::uint8_t* const buffer = pool_->free.back();  // the one given back last: it may still be in the cache
    pool_->free.pop_back();
    return {buffer, [pool = pool_](std::uint8_t* p) {
                const std::lock_guard giving_back(pool->mutex);
                pool->free.push_back(p);
            }};
}

}  // namespace trainer
