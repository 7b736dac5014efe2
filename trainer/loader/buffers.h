#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

namespace trainer {

// Is told of each piece of memory that batches will lie in, before one does; what it returns is kept as long as that
// memory. For what a device wants of it: page-locking (engine/upload.h). Must not throw.
using MemoryHook = std::function<std::shared_ptr<void>(void* begin, std::size_t bytes)>;

// Memory for batches, used again and again: a fresh buffer costs four times the delivery of a warm one (page
// faults). On huge pages where the kernel gives them. Safe to use from many threads.
class Buffers {
public:
    explicit Buffers(std::size_t bytes, MemoryHook hook = {});
    // A buffer of `bytes`; it returns to the pool when the last owner lets go, also after the pool has died.
    std::shared_ptr<std::uint8_t> take();

private:
    struct Pool;
    std::shared_ptr<Pool> pool_;
};

}  // namespace trainer
