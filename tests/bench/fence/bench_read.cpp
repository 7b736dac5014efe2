// bench_read FILE: reads a file that lies in the page cache, in the ways a job does, and prints one line of
// JSON: the best of several passes. MB/s for whole-file reads, microseconds for open + read of 4 KB + close.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <vector>

namespace {

constexpr std::size_t kBlock = 1 << 20, kPage = 4096;
constexpr int kPasses = 9, kOpens = 2000;

void must(bool held, const char* doing) {
    if (held) return;
    std::perror(doing);
    std::exit(4);
}

template <class Pass>
double best_seconds(Pass pass) {
    double least = std::numeric_limits<double>::max();
    for (int i = -1; i < kPasses; ++i) {  // the first fills the page cache
        const auto begin = std::chrono::steady_clock::now();
        pass();
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
        if (i >= 0) least = std::min(least, took.count());
    }
    return least;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    struct stat status {};
    must(::stat(argv[1], &status) == 0, "stat");
    const auto bytes = static_cast<std::size_t>(status.st_size);
    std::vector<char> buffer(kBlock);
    volatile std::uint64_t sink = 0;

    const double sequential = best_seconds([&] {
        const int fd = ::open(argv[1], O_RDONLY | O_CLOEXEC);
        must(fd >= 0, "open");
        ssize_t got = 0;
        while ((got = ::read(fd, buffer.data(), buffer.size())) > 0) sink = sink + buffer[0];
        must(got == 0, "read");
        ::close(fd);
    });
    const double mapped = best_seconds([&] {
        const int fd = ::open(argv[1], O_RDONLY | O_CLOEXEC);
        void* at = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, 0);
        must(at != MAP_FAILED, "mmap");
        std::uint64_t sum = 0;
        for (std::size_t i = 0; i + sizeof sum <= bytes; i += sizeof sum) {
            std::uint64_t word = 0;
            std::memcpy(&word, static_cast<const char*>(at) + i, sizeof word);
            sum += word;
        }
        sink = sink + sum;
        ::munmap(at, bytes);
        ::close(fd);
    });
    const double opened = best_seconds([&] {
        for (int i = 0; i < kOpens; ++i) {
            const int fd = ::open(argv[1], O_RDONLY | O_CLOEXEC);
            must(fd >= 0 && ::read(fd, buffer.data(), kPage) > 0, "read");
            ::close(fd);
        }
    });
    const double megabytes = 1e-6 * static_cast<double>(bytes);
    std::printf("{\"read\": %.1f, \"mmap\": %.1f, \"open\": %.3f}\n", megabytes / sequential,
                megabytes / mapped, 1e6 * opened / kOpens);
    return 0;
}
