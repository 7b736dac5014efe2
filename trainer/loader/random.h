#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace trainer {

// SplitMix64 (Steele, Lea, Flood 2014). std::shuffle is not the same in every library; this is.
class Random {
public:
    Random(std::uint64_t seed, std::uint64_t epoch, std::uint64_t stream) : state_(seed) {
        state_ = next() ^ epoch;
        state_ = next() ^ stream;
    }
    std::uint64_t next() {
        std::uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
        return z ^ (z >> 31);
    }
    // Uniform in [0, bound), without bias (Lemire 2019).
    std::uint64_t below(std::uint64_t bound) {
        __extension__ using Wide = unsigned __int128;
        Wide product = static_cast<Wide>(next()) * bound;
        if (static_cast<std::uint64_t>(product) < bound) {
            const std::uint64_t least = -bound % bound;
            while (static_cast<std::uint64_t>(product) < least) product = static_cast<Wide>(next()) * bound;
        }
        return static_cast<std::uint64_t>(product >> 64);
    }
    template <class T>
    void shuffle(std::vector<T>& items) {
        for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
    }

private:
    std::uint64_t state_;
};

}  // namespace trainer
