// MPI over a job's nodes: a token around all ranks, and an allreduce of 4 MB five times. Rank 0 prints one
// line.
#include <mpi.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <set>
#include <string>
#include <vector>

int main(int argc, char** argv) {
    MPI_Init(&argc, &argv);
    int rank = 0, size = 0, token = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (rank == 0) MPI_Send(&(token = 1), 1, MPI_INT, 1 % size, 0, MPI_COMM_WORLD);
    MPI_Recv(&token, 1, MPI_INT, (rank + size - 1) % size, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    if (rank != 0) MPI_Send(&++token, 1, MPI_INT, (rank + 1) % size, 0, MPI_COMM_WORLD);
    std::vector<float> mine(1 << 20, static_cast<float>(rank + 1)), sum(mine.size());
    const double begin = MPI_Wtime();
    for (int i = 0; i < 5; ++i)
        MPI_Allreduce(mine.data(), sum.data(), static_cast<int>(mine.size()), MPI_FLOAT, MPI_SUM,
                      MPI_COMM_WORLD);
    const double seconds = MPI_Wtime() - begin;
    std::vector<char> hosts(static_cast<std::size_t>(size) * 64);
    char host[64] = {};
    gethostname(host, sizeof host - 1);
    MPI_Gather(host, 64, MPI_CHAR, hosts.data(), 64, MPI_CHAR, 0, MPI_COMM_WORLD);
    const bool right = sum[5] == static_cast<float>(size * (size + 1)) / 2;
    std::set<std::string> names;
    for (int i = 0; rank == 0 && i < size; ++i) names.insert(&hosts[static_cast<std::size_t>(i) * 64]);
    if (rank == 0)
        std::printf("ring ranks=%d hosts=%zu token=%d sum=%s seconds=%.3f\n", size, names.size(), token,
                    right ? "right" : "wrong", seconds);
    MPI_Finalize();
    return right ? 0 : 1;
}
