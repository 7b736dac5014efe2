#include "trainer/engine/owners.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_strided.h>

#include <algorithm>
#include <numeric>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/comm.hpp>

#include "core/mpi/comm.h"
#include "trainer/engine/results.h"
#include "trainer/engine/watch.h"

namespace trainer {
namespace {

constexpr int kTag = 7;

// `bytes` bytes at `data` in messages whose counts are int.
template <class Message>
void in_blocks(void* data, std::size_t bytes, const Message& message) {
    constexpr std::size_t kLargest = std::size_t{1} << 30;
    for (std::size_t at = 0; at < bytes; at += kLargest)
        message(static_cast<char*>(data) + at, static_cast<int>(std::min(bytes - at, kLargest)));
    Watch::alive();
}

// Dense in memory, and laid out alike at both ends.
void send(const at::Tensor& tensor, int to, const core::Comm& comm) {
    const at::Tensor here = tensor.detach().cpu();
    in_blocks(here.data_ptr(), here.nbytes(), [&](void* data, int count) {
        core::check_mpi(MPI_Send(data, count, MPI_BYTE, to, kTag, comm.get()), "send a tensor");
    });
}

void receive(const at::Tensor& here, int from, const core::Comm& comm) {
    in_blocks(here.data_ptr(), here.nbytes(), [&](void* data, int count) {
        core::check_mpi(MPI_Recv(data, count, MPI_BYTE, from, kTag, comm.get(), MPI_STATUS_IGNORE),
                        "receive a tensor");
    });
}

at::Tensor place_for(const at::Tensor& tensor) {
    return at::empty_strided(tensor.sizes(), tensor.strides(),
                             tensor.options().device(at::kCPU).requires_grad(false));
}

}  // namespace

std::vector<int> deal_out(const std::vector<std::int64_t>& sizes, int ranks) {
    std::vector<std::size_t> order(sizes.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return sizes[a] > sizes[b]; });
    std::vector<std::int64_t> has(static_cast<std::size_t>(ranks), 0);
    std::vector<int> out(sizes.size(), 0);
    for (const std::size_t each : order) {
        const auto least = std::min_element(has.begin(), has.end());
        *least += sizes[each];
        out[each] = static_cast<int>(least - has.begin());
    }
    return out;
}

Owners::Owners(c10::intrusive_ptr<c10d::ProcessGroup> group, const std::vector<std::int64_t>& bytes)
    : group_(std::move(group)),
      rank_(group_->getRank()),
      owners_(deal_out(bytes, group_->getSize())),
      bytes_(static_cast<std::size_t>(group_->getSize()), 0) {
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes_[static_cast<std::size_t>(owners_[i])] += bytes[i];
}

at::Tensor Owners::elsewhere(const at::Tensor& mine) {
    return at::empty_strided(mine.sizes(), mine.strides(),
                             mine.options().device(at::kMeta).requires_grad(false));
}

void Owners::share(const std::vector<Owned>& all) const {
    const at::NoGradGuard off;
    constexpr std::size_t kSmall = 256 << 10, kTogether = 25 << 20;
    std::vector<c10::intrusive_ptr<c10d::Work>> works;
    std::vector<std::vector<at::Tensor>> small(bytes_.size());
    for (const Owned& each : all) {
        if (each.tensor.nbytes() <= kSmall) {
            small[static_cast<std::size_t>(each.owner)].push_back(each.tensor.detach());
            continue;
        }
        std::vector<at::Tensor> one{each.tensor.detach()};
        c10d::BroadcastOptions options;
        options.rootRank = each.owner;
        works.push_back(group_->broadcast(one, options));
    }
    for (std::size_t owner = 0; owner < small.size(); ++owner)
        if (!small[owner].empty())
            c10d::broadcast_coalesced(group_, small[owner], kTogether, static_cast<int>(owner));
    for (const auto& work : works) work->wait();
}

std::vector<NamedTensor> collect(const Spread& spread, const core::Comm& comm) {
    std::vector<NamedTensor> out;
    for (std::size_t i = 0; i < spread.tensors.size(); ++i) {
        const NamedTensor& each = spread.tensors[i];
        const int owner = spread.owners.empty() ? 0 : spread.owners[i];
        if (!comm.is_root()) {
            if (owner == comm.rank()) send(each.tensor, 0, comm);
        } else if (owner == 0) {
            out.push_back({each.name, each.tensor.detach().to(at::kCPU, false, /*copy=*/true)});
        } else {
            out.push_back({each.name, place_for(each.tensor)});
            receive(out.back().tensor, owner, comm);
        }
    }
    return out;
}

void hand_out(const TensorFile* file, const std::string& prefix, const Spread& spread, const core::Comm& comm,
              c10d::ProcessGroup& group) {
    if (spread.owners.empty()) return broadcast_tensors(group, spread.tensors);
    const at::NoGradGuard off;
    for (std::size_t i = 0; i < spread.tensors.size(); ++i) {
        const NamedTensor& each = spread.tensors[i];
        const int owner = spread.owners[i];
        if (owner == 0 || (!comm.is_root() && owner != comm.rank())) continue;
        const at::Tensor here = place_for(each.tensor);
        if (comm.is_root()) {
            here.copy_(file->tensor(prefix + each.name));
            send(here, owner, comm);
        } else {
            receive(here, 0, comm);
            each.tensor.copy_(here);
        }
    }
}

}  // namespace trainer
