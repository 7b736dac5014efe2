#pragma once
#include <string>
#include <vector>

namespace test {

// Small DICOM files that are right, one of each kind the reader knows: what mutations start from.
std::vector<std::string> seeds();

// About 200 KB with the structure of a real file: meta information, sequences in sequences of both kinds,
// private elements, 16-bit pixels.
std::string large_seed();

// A raw deflate stream of `bytes` zeros.
std::string deflated_zeros(std::size_t bytes);
std::string deflated(const std::string& plain);

}  // namespace test
