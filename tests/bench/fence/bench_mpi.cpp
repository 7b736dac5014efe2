// bench_mpi pairs | allreduce: MPI as the OSU micro-benchmarks measure it, in one job: two ranks on different
// nodes and two on the same node, or allreduce over all. Of each it tells the best of many short batches:
// other load on the machine only ever adds. Rank 0 prints one line of JSON: times in microseconds, bandwidths
// in MB/s.
#include <mpi.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

namespace {

constexpr int kSmallBytes = 8, kLargeBytes = 4 << 20, kWindow = 16;

// Without the spinning of MPI_Barrier: ranks that wait must leave the cores to those that are measured.
void wait_for_all() {
    MPI_Request request;
    MPI_Ibarrier(MPI_COMM_WORLD, &request);
    for (int done = 0; !done; usleep(500)) MPI_Test(&request, &done, MPI_STATUS_IGNORE);
}

// Seconds per call in the best batch.
template <class Call>
double best(int batches, int calls, Call call) {
    double least = std::numeric_limits<double>::max();
    for (int batch = -1; batch < batches; ++batch) {  // the first warms up
        const double begin = MPI_Wtime();
        for (int i = 0; i < calls; ++i) call();
        if (batch >= 0) least = std::min(least, (MPI_Wtime() - begin) / calls);
    }
    return least;
}

double latency_us(bool first, int other, std::vector<char>& buffer) {
    const auto send = [&] { MPI_Send(buffer.data(), kSmallBytes, MPI_CHAR, other, 1, MPI_COMM_WORLD); };
    const auto receive = [&] {
        MPI_Recv(buffer.data(), kSmallBytes, MPI_CHAR, other, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    };
    return 0.5e6 * best(40, 100, [&] {
               first ? send() : receive();
               first ? receive() : send();
           });
}

double bandwidth_mb(bool first, int other, std::vector<char>& buffer) {
    std::vector<MPI_Request> requests(kWindow);
    char answer = 0;
    const double seconds = best(12, 1, [&] {
        for (auto& request : requests)
            first ? MPI_Isend(buffer.data(), kLargeBytes, MPI_CHAR, other, 2, MPI_COMM_WORLD, &request)
                  : MPI_Irecv(buffer.data(), kLargeBytes, MPI_CHAR, other, 2, MPI_COMM_WORLD, &request);
        MPI_Waitall(kWindow, requests.data(), MPI_STATUSES_IGNORE);
        first ? MPI_Recv(&answer, 1, MPI_CHAR, other, 3, MPI_COMM_WORLD, MPI_STATUS_IGNORE)
              : MPI_Send(&answer, 1, MPI_CHAR, other, 3, MPI_COMM_WORLD);
    });
    return 1e-6 * kWindow * kLargeBytes / seconds;
}

struct Pair {
    double latency = 0, bandwidth = 0;
};

// Rank 0 and `other`; the rest sleep.
Pair measure_pair(int rank, int other, std::vector<char>& buffer) {
    Pair pair;
    if (rank == 0 || rank == other) {
        const int partner = rank == 0 ? other : 0;
        pair.latency = latency_us(rank == 0, partner, buffer);
        pair.bandwidth = bandwidth_mb(rank == 0, partner, buffer);
    }
    wait_for_all();
    return pair;
}

double allreduce_us(int bytes, int batches, int calls) {
    const auto count = static_cast<std::size_t>(bytes) / sizeof(float);
    std::vector<float> mine(count, 1.0F), sum(count);
    return 1e6 * best(batches, calls, [&] {
               MPI_Allreduce(mine.data(), sum.data(), static_cast<int>(count), MPI_FLOAT, MPI_SUM,
                             MPI_COMM_WORLD);
           });
}

// The first rank on rank 0's node (or, `same` false, on another); 0 if there is none.
int find_partner(int size, bool same) {
    constexpr int kName = 64;
    char host[kName] = {};
    gethostname(host, sizeof host - 1);
    std::vector<char> hosts(static_cast<std::size_t>(size) * kName);
    MPI_Allgather(host, kName, MPI_CHAR, hosts.data(), kName, MPI_CHAR, MPI_COMM_WORLD);
    for (int rank = 1; rank < size; ++rank)
        if ((std::strcmp(hosts.data(), &hosts[static_cast<std::size_t>(rank) * kName]) == 0) == same)
            return rank;
    return 0;
}

void measure_pairs(int rank, int size) {
    const int far = find_partner(size, false), near = find_partner(size, true);
    if (far == 0 || near == 0) {
        if (rank == 0) std::fprintf(stderr, "bench_mpi needs two nodes with two ranks each\n");
        MPI_Abort(MPI_COMM_WORLD, 2);
    }
    std::vector<char> buffer(kLargeBytes, 'x');
    const Pair between = measure_pair(rank, far, buffer), within = measure_pair(rank, near, buffer);
    if (rank == 0)
        std::printf(
            "{\"between_latency\": %.3f, \"between_bandwidth\": %.1f, \"within_latency\": %.3f, "
            "\"within_bandwidth\": %.1f}\n",
            between.latency, between.bandwidth, within.latency, within.bandwidth);
}

void measure_allreduce(int rank) {
    const double small = allreduce_us(1 << 10, 40, 20), large = allreduce_us(16 << 20, 10, 1);
    if (rank == 0) std::printf("{\"allreduce_1k\": %.2f, \"allreduce_16m\": %.1f}\n", small, large);
}

}  // namespace

int main(int argc, char** argv) {
    const std::string what = argc == 2 ? argv[1] : "";
    if (what != "pairs" && what != "allreduce") return 2;
    MPI_Init(&argc, &argv);
    int rank = 0, size = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (what == "pairs")
        measure_pairs(rank, size);
    else
        measure_allreduce(rank);
    MPI_Finalize();
    return 0;
}
