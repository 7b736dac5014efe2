#pragma once
#include <filesystem>
#include <future>
#include <optional>
#include <string>

#include "trainer/model/safetensors.h"

namespace trainer {

// The folder that a run's checkpoints lie in: step-000000001200.safetensors, the newest `keep` of them.
// Written by a thread while training goes on, each complete under its name or not there.
// One rank uses it.
class Checkpoints {
public:
    Checkpoints(std::filesystem::path folder, int keep);
    ~Checkpoints();  // waits for what is being written; an error is then an event

    // Waits for the checkpoint that was saved last. That it could not be written is the event checkpoint_failed: the run
    // goes on, and the next one may find room again.
    void settle();
    // Settles, and returns while it is being written: nobody may change the tensors any more, which are on the CPU.
    void save(std::int64_t step, TensorFile state);
    // Throws core::Error if the checkpoint that was saved last could not be written.
    void wait();

    // The newest that is whole; a damaged one is renamed to damaged-..., with the event checkpoint_damaged.
    // Sweeps what a killed run left half written.
    std::optional<TensorFile> newest();

    // The newest in `folder` that is whole, of a run that may be going on: nothing is renamed or swept.
    static std::optional<TensorFile> look(const std::filesystem::path& folder);

private:
    std::filesystem::path folder_;
    int keep_;
    std::future<void> writing_;
};

}  // namespace trainer
