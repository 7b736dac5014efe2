#pragma once
#include <c10/core/Device.h>

#include <memory>

#include "trainer/data/loader.h"

namespace trainer {

// A batch's way to the device while the batch before it is computed. On the CPU nothing moves. On a GPU the inputs
// are copied on a stream of their own, out of the loader's page-locked memory, which goes back to the loader when
// the copy has ended; labels stay in main memory (a step looks at them before it begins).
// Not collective; one thread uses it.
class Upload {
public:
    explicit Upload(c10::Device device);
    Upload(const Upload&) = delete;
    Upload& operator=(const Upload&) = delete;
    ~Upload();  // waits for the copies

    // For LoaderOptions::memory_hook: locks the memory's pages, empty on the CPU. Where the system allows no more
    // locked memory, copies wait for what was queued before them, and the event not_pinned says so, once.
    MemoryHook memory_hook() const;

    // `batch.inputs` becomes a tensor on the device, to be used after `arrived` only.
    void begin(Batch& batch);
    // What is queued on the device from now on, by this thread, finds the inputs of `batch` there.
    void arrived(const Batch& batch);

private:
    struct Stream;
    std::unique_ptr<Stream> stream_;  // null on the CPU
};

}  // namespace trainer
