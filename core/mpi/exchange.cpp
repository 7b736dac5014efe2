#include "core/mpi/exchange.h"

#include <algorithm>
#include <climits>
#include <deque>

namespace core {
namespace {

// What waits for one rank: the sends one after another, and how long each is.
struct Waiting {
    Bytes bytes;
    std::size_t gone = 0;  // of `bytes`
    std::deque<std::size_t> lengths;
};

// Moves what goes in this round to the end of `out`: whole sends, at most `limit` bytes. Their number of bytes.
std::size_t take(Waiting& waiting, std::size_t limit, Bytes& out) {
    std::size_t count = 0;
    while (!waiting.lengths.empty() && count + waiting.lengths.front() <= limit) {
        count += waiting.lengths.front();
        waiting.lengths.pop_front();
    }
    const auto begin = waiting.bytes.begin(), from = begin + static_cast<std::ptrdiff_t>(waiting.gone);
    out.insert(out.end(), from, from + static_cast<std::ptrdiff_t>(count));
    waiting.gone += count;
    if (waiting.lengths.empty()) {
        waiting = {};
    } else if (waiting.gone >= waiting.bytes.size() / 2) {
        // Something may wait for ever, so what is gone must make room. On average no byte moves twice.
        waiting.bytes.erase(begin, begin + static_cast<std::ptrdiff_t>(waiting.gone));
        waiting.gone = 0;
    }
    return count;
}

}  // namespace

void exchange(const Comm& comm, std::uint64_t memory_bytes, const std::function<bool(const Send&)>& step,
              const std::function<void(int from, ByteView bytes)>& receive) {
    const auto ranks = static_cast<std::size_t>(comm.size());
    // No rank can be sent more than this in a round, whoever sends: counts of MPI are int.
    const std::size_t limit = std::min<std::uint64_t>(memory_bytes, INT_MAX) / ranks;
    std::vector<Waiting> waiting(ranks);
    std::size_t held = 0;
    const Send send = [&](int rank, ByteView bytes) {
        if (bytes.size() > limit) throw Error(Fault::bug, "a record is too long for an exchange");
        Waiting& to = waiting[static_cast<std::size_t>(rank)];
        to.bytes.insert(to.bytes.end(), bytes.begin(), bytes.end());
        to.lengths.push_back(bytes.size());
        held += bytes.size();
    };
    std::vector<int> out(ranks), out_at(ranks), in(ranks), in_at(ranks);
    Bytes sent, received;
    for (bool more = true, any = true; any;) {
        together(comm, [&] {
            while (more && held < memory_bytes) more = step(send);
        });
        sent.clear();
        for (std::size_t i = 0; i < ranks; ++i) {
            out_at[i] = static_cast<int>(sent.size());
            const std::size_t count = take(waiting[i], limit, sent);
            out[i] = static_cast<int>(count);
            held -= count;
        }
        check_mpi(MPI_Alltoall(out.data(), 1, MPI_INT, in.data(), 1, MPI_INT, comm.get()),
                  "tell how much is exchanged");
        int total = 0;
        for (std::size_t i = 0; i < ranks; ++i) {
            in_at[i] = total;
            total += in[i];
        }
        received.resize(static_cast<std::size_t>(total));
        check_mpi(MPI_Alltoallv(sent.data(), out.data(), out_at.data(), MPI_BYTE, received.data(), in.data(),
                                in_at.data(), MPI_BYTE, comm.get()),
                  "exchange");
        together(comm, [&] {
            for (std::size_t i = 0; i < ranks; ++i)
                if (in[i])
                    receive(static_cast<int>(i),
                            ByteView(received).subspan(static_cast<std::size_t>(in_at[i]),
                                                       static_cast<std::size_t>(in[i])));
        });
        any = comm.max(std::int64_t{more || held > 0}) != 0;
    }
}

}  // namespace core
