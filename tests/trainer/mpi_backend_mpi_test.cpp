#include "trainer/engine/mpi_backend.h"

#include <ATen/ATen.h>

#include <catch2/catch.hpp>

using core::Comm;
using trainer::MpiBackend;

namespace {

constexpr int kWhole = INT_MAX, kTiny = 3;  // tiny: every message is split

}  // namespace

TEST_CASE("allreduce sums every element, in one piece or many") {
    const Comm comm(MPI_COMM_WORLD);
    const auto type = GENERATE(at::kFloat, at::kDouble, at::kLong, at::kInt);
    const int largest = GENERATE(kWhole, kTiny);
    auto backend = c10::make_intrusive<MpiBackend>(comm, largest);
    std::vector<at::Tensor> tensors{at::arange(10, type) + comm.rank()};
    backend->allreduce(tensors, {})->wait();
    const int ranks = comm.size();
    CHECK(at::equal(tensors[0], at::arange(10, type) * ranks + ranks * (ranks - 1) / 2));
}

TEST_CASE("broadcast, allgather and alltoall carry any type, in one piece or many") {
    const Comm comm(MPI_COMM_WORLD);
    const auto type = GENERATE(at::kFloat, at::kBFloat16, at::kBool);
    const int largest = GENERATE(kWhole, kTiny);
    const int ranks = comm.size(), rank = comm.rank();
    auto backend = c10::make_intrusive<MpiBackend>(comm, largest);
    const auto of = [&](int r) { return (at::arange(7) + r).remainder(3).to(type); };

    std::vector<at::Tensor> one{of(rank)};
    c10d::BroadcastOptions from_last;
    from_last.rootRank = ranks - 1;
    backend->broadcast(one, from_last)->wait();
    CHECK(at::equal(one[0], of(ranks - 1)));

    at::Tensor mine = of(rank), all = at::empty({ranks, 7}, mine.options());
    backend->all_gather_single(all, mine, {})->wait();
    std::vector<std::vector<at::Tensor>> lists(1);
    for (int r = 0; r < ranks; ++r) lists[0].push_back(at::empty({7}, mine.options()));
    std::vector<at::Tensor> in{mine};
    backend->allgather(lists, in, {})->wait();
    for (int r = 0; r < ranks; ++r) {
        CHECK(at::equal(all[r], of(r)));
        CHECK(at::equal(lists[0][static_cast<std::size_t>(r)], of(r)));
    }

    at::Tensor send = (at::arange(ranks * 7).view({ranks, 7}) + rank).remainder(2).to(type);
    at::Tensor received = at::empty_like(send);
    std::vector<std::int64_t> equal;
    backend->all_to_all_single(received, send, equal, equal, {})->wait();
    for (int r = 0; r < ranks; ++r)
        CHECK(at::equal(received[r], (at::arange(rank * 7, rank * 7 + 7) + r).remainder(2).to(type)));
}

TEST_CASE("many collectives in flight end with their own results") {
    const Comm comm(MPI_COMM_WORLD);
    auto backend = c10::make_intrusive<MpiBackend>(comm);
    std::vector<std::vector<at::Tensor>> tensors;
    std::vector<c10::intrusive_ptr<c10d::Work>> works;
    for (int i = 0; i < 50; ++i) {
        tensors.push_back({at::full({1000}, i, at::kFloat)});
        works.push_back(backend->allreduce(tensors.back(), {}));
    }
    works.push_back(backend->barrier({}));
    for (auto& work : works) work->wait();
    for (int i = 0; i < 50; ++i)
        CHECK(at::equal(tensors[static_cast<std::size_t>(i)][0],
                        at::full({1000}, i * comm.size(), at::kFloat)));
}

TEST_CASE("bfloat16 sums are refused with a reason") {
    const Comm comm(MPI_COMM_WORLD);
    auto backend = c10::make_intrusive<MpiBackend>(comm);
    std::vector<at::Tensor> tensors{at::ones({4}, at::kBFloat16)};
    CHECK_THROWS_WITH(backend->allreduce(tensors, {}),
                      Catch::Contains("BFloat16") && Catch::Contains("float32"));
}

TEST_CASE("an MPI error ends in the exception of its work and of all later work, not in a hang") {
    const Comm comm(MPI_COMM_WORLD);
    auto backend = c10::make_intrusive<MpiBackend>(comm);
    std::vector<at::Tensor> tensors{at::ones({4})};
    c10d::BroadcastOptions from_nobody;
    from_nobody.rootRank = comm.size() + 5;
    auto failing = backend->broadcast(tensors, from_nobody);
    CHECK_THROWS_AS(failing->wait(), core::Error);
    CHECK(failing->isCompleted());
    CHECK_FALSE(failing->isSuccess());
    CHECK(failing->getFuture()->hasError());
    CHECK_THROWS_WITH(backend->allreduce(tensors, {})->wait(), Catch::Contains("cannot broadcast a tensor"));
}
