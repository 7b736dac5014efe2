#pragma once
#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

// What crosses the border between a program and its worker, in shared memory. Both ends are the same build on
// the same machine, so numbers are as they are in memory; but the program trusts nothing a worker writes: it
// copies first, then unpacks, and every length is checked.

namespace staging {

class Packer {
public:
    explicit Packer(std::span<std::uint8_t> room) : room_(room) {}
    // Throws std::length_error if it does not fit.
    template <class Number>
    requires std::is_arithmetic_v<Number> || std::is_enum_v<Number>
    void put(Number number) { raw(&number, sizeof number); }
    void put(std::string_view text) {
        put(static_cast<std::uint32_t>(text.size()));
        raw(text.data(), text.size());
    }
    void raw(const void* bytes, std::size_t count) {
        if (count > room_.size() - size_) throw std::length_error("does not fit");
        if (count) std::memcpy(room_.data() + size_, bytes, count);
        size_ += count;
    }
    std::size_t size() const { return size_; }
    void rewind(std::size_t size) { size_ = size; }

private:
    std::span<std::uint8_t> room_;
    std::size_t size_ = 0;
};

class Unpacker {
public:
    explicit Unpacker(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}
    // Each throws std::length_error if there is not as much left.
    template <class Number>
    requires std::is_arithmetic_v<Number> || std::is_enum_v<Number> Number get() {
        Number number;
        raw(&number, sizeof number);
        return number;
    }
    std::string text() {
        const auto count = get<std::uint32_t>();
        if (count > bytes_.size()) throw std::length_error("too short");
        std::string out(count, '\0');
        raw(out.data(), count);
        return out;
    }
    void raw(void* out, std::size_t count) {
        if (count > bytes_.size()) throw std::length_error("too short");
        if (count) std::memcpy(out, bytes_.data(), count);
        bytes_ = bytes_.subspan(count);
    }

private:
    std::span<const std::uint8_t> bytes_;
};

}  // namespace staging
