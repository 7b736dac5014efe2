#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/files.h"

namespace jobs {

// Why a file may not leave: what a check throws, and what becomes a finding.
struct Unfit {
    std::string code;  // stable: "hidden-payload", "architecture", ...
    std::string text;  // what, where and what to do; never a value
};

struct SafeTensor {
    std::string name, dtype;
    std::vector<std::int64_t> shape;
    std::uint64_t begin = 0, end = 0;  // bytes behind the header
};

// A safetensors file (8 bytes length, JSON header, tensors), read strictly: every byte is accounted for, by
// names, shapes, metadata or one tensor.
class SafeTensors {
public:
    // Throws Unfit for whatever is not exactly the format, Error(system) if it cannot be read.
    explicit SafeTensors(const std::filesystem::path& file);

    const std::vector<SafeTensor>& tensors() const noexcept { return tensors_; }  // in order of name
    const std::map<std::string, std::string>& metadata() const noexcept { return metadata_; }
    std::uint64_t bytes() const noexcept { return size_; }
    // `count` bytes of the tensors, from `at` (as SafeTensor::begin counts).
    void read(std::uint64_t at, std::uint8_t* into, std::size_t count) const;
    // The SHA-256 of the file with the 64 characters of metadata aloft.sha256 as '0', as aloft-train makes it.
    std::string own_digest() const;

private:
    void read_at(std::uint64_t at, std::uint8_t* into, std::size_t count) const;
    void parse(std::uint64_t data_bytes);

    core::Fd fd_;
    std::uint64_t size_ = 0, data_at_ = 0;
    std::string header_;
    std::vector<SafeTensor> tensors_;
    std::map<std::string, std::string> metadata_;
};

// The header of a file that holds these tensors one behind the other, in the order given, with its length before
// it. Sorted keys, no spaces but those that make it a multiple of 8.
std::string safetensors_header(const std::vector<SafeTensor>& tensors,
                               const std::map<std::string, std::string>& metadata);

}  // namespace jobs
