#pragma once
#include <c10/util/intrusive_ptr.h>

#include <cstdint>
#include <string>
#include <vector>

#include "trainer/model/safetensors.h"

namespace c10d {
class ProcessGroup;
}
namespace core {
class Comm;
}

namespace trainer {

// Each of what is so large to one of `ranks`: the largest first, to who has least so far, the lowest of several. The
// same on every rank; nobody has more than the mean and one of them.
std::vector<int> deal_out(const std::vector<std::int64_t>& sizes, int ranks);

// Whose the state of each parameter is, where the ranks divide it (ZeRO's first stage, Rajbhandari et al. 2020): what
// the optimizer remembers, and the average of the weights. Its owner moves the parameter and tells the others. A
// parameter is one rank's as a whole, so that each bit is the one that it is where all ranks move all, also by LAMB,
// which takes norms.
class Owners {
public:
    // `bytes`: of each parameter's state.
    Owners(c10::intrusive_ptr<c10d::ProcessGroup> group, const std::vector<std::int64_t>& bytes);

    int rank() const { return rank_; }
    int of(std::size_t parameter) const { return owners_.at(parameter); }
    bool is_mine(std::size_t parameter) const { return of(parameter) == rank_; }
    const std::vector<std::int64_t>& bytes() const { return bytes_; }  // of each rank

    // A tensor like `mine`, of another rank's state: shape and layout without memory (device meta).
    static at::Tensor elsewhere(const at::Tensor& mine);

    struct Owned {
        at::Tensor tensor;
        int owner;
    };
    // Collective: the same tensors in the same order on every rank, which then has the owners' values in them.
    void share(const std::vector<Owned>& all) const;

private:
    c10::intrusive_ptr<c10d::ProcessGroup> group_;
    int rank_;
    std::vector<int> owners_;          // of each parameter
    std::vector<std::int64_t> bytes_;  // of each rank
};

// Tensors of each of which one rank alone has the values; `owners` is empty where all have all.
struct Spread {
    std::vector<NamedTensor> tensors;
    std::vector<int> owners;
};

// Collective. Copies on the CPU, on rank 0; nothing elsewhere. They come one after the other: no other rank holds more
// than one that is not its own.
std::vector<NamedTensor> collect(const Spread& spread, const core::Comm& comm);

// Collective. What rank 0 has in `file`, and has checked against `spread` (copy_tensors), to who is to have it.
void hand_out(const TensorFile* file, const std::string& prefix, const Spread& spread, const core::Comm& comm,
              c10d::ProcessGroup& group);

}  // namespace trainer
