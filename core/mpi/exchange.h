#pragma once
#include <cstdint>
#include <functional>

#include "core/mpi/comm.h"

namespace core {

// Sends bytes to a rank. What is sent to one rank by one call of `step` arrives in the order of its calls.
using Send = std::function<void(int rank, ByteView bytes)>;

// Collective. All ranks to all ranks in rounds: `step` is called until it returns false and sends what it has,
// a piece at a time; `receive` is called with what came from each rank, whole sends only, possibly several
// joined. A rank holds at most about twice `memory_bytes` and what one `step` sends, however much is sent and
// however many ranks there are (each send must be shorter than memory_bytes / ranks). If either function
// throws on any rank, every rank throws the same AgreedError in the same round.
void exchange(const Comm& comm, std::uint64_t memory_bytes, const std::function<bool(const Send&)>& step,
              const std::function<void(int from, ByteView bytes)>& receive);

}  // namespace core
