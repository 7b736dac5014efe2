#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch.hpp>

#include "staging/read/reason.h"

namespace test {

// Writes DICOM for tests: right by default, and as wrong as a test asks for.
class Dicom {
public:
    explicit Dicom(std::string_view syntax = "1.2.840.10008.1.2.1")
        : syntax_(syntax), explicit_(syntax != "1.2.840.10008.1.2"), big_(syntax == "1.2.840.10008.1.2.2") {}

    Dicom& raw(std::string_view bytes) {
        out_ += bytes;
        return *this;
    }
    // An element with `length` as given, or as it is.
    Dicom& element(std::uint32_t tag, std::string_view vr, std::string_view value, std::int64_t length = -1) {
        head(tag, vr,
             length < 0 ? static_cast<std::uint32_t>(value.size()) : static_cast<std::uint32_t>(length));
        return raw(value);
    }
    Dicom& text(std::uint32_t tag, std::string_view vr, std::string value) {
        if (value.size() % 2) value += vr == "UI" ? '\0' : ' ';
        return element(tag, vr, value);
    }
    Dicom& u16(std::uint32_t tag, std::uint16_t value) { return element(tag, "US", word(value)); }
    Dicom& sequence(std::uint32_t tag, const std::vector<std::string>& items, bool defined = false) {
        std::string inside;
        for (const std::string& item : items) {
            inside +=
                item_head(0xfffee000, defined ? static_cast<std::uint32_t>(item.size()) : 0xffffffff) + item;
            if (!defined) inside += item_head(0xfffee00d, 0);
        }
        if (!defined) inside += item_head(0xfffee0dd, 0);
        return element(tag, "SQ", inside, defined ? std::int64_t{-1} : std::int64_t{0xffffffff});
    }
    Dicom& fragments(const std::vector<std::string>& parts, std::string_view table = {}) {
        head(0x7fe00010, "OB", 0xffffffff);
        out_ += item_head(0xfffee000, static_cast<std::uint32_t>(table.size())) + std::string(table);
        for (const std::string& part : parts)
            out_ += item_head(0xfffee000, static_cast<std::uint32_t>(part.size())) + part;
        out_ += item_head(0xfffee0dd, 0);
        return *this;
    }
    // Image pixel module; call in order of tags.
    Dicom& image(unsigned rows, unsigned columns, unsigned allocated = 8, unsigned stored = 0,
                 bool is_signed = false, unsigned samples = 1, std::string photometric = "MONOCHROME2",
                 int planar = 0, std::string frames = "") {
        if (!stored) stored = allocated;
        u16(0x00280002, static_cast<std::uint16_t>(samples));
        text(0x00280004, "CS", photometric);
        if (samples > 1) u16(0x00280006, static_cast<std::uint16_t>(planar));
        if (!frames.empty()) text(0x00280008, "IS", frames);
        u16(0x00280010, static_cast<std::uint16_t>(rows))
            .u16(0x00280011, static_cast<std::uint16_t>(columns));
        u16(0x00280100, static_cast<std::uint16_t>(allocated))
            .u16(0x00280101, static_cast<std::uint16_t>(stored));
        u16(0x00280102, static_cast<std::uint16_t>(stored - 1)).u16(0x00280103, is_signed);
        return *this;
    }
    Dicom& pixels(std::string_view bytes, std::string_view vr = "OW") {
        return element(0x7fe00010, vr, bytes);
    }

    std::string word(std::uint16_t value) const {
        const char low = static_cast<char>(value & 0xff), high = static_cast<char>(value >> 8);
        return big_ ? std::string{high, low} : std::string{low, high};
    }
    std::string item_head(std::uint32_t tag, std::uint32_t length) const {
        return word(static_cast<std::uint16_t>(tag >> 16)) + word(static_cast<std::uint16_t>(tag)) +
               dword(length);
    }
    const std::string& data_set() const { return out_; }
    // Preamble, file meta information, data set.
    std::string file() const {
        Dicom meta;
        meta.text(0x00020010, "UI", std::string(syntax_));
        return std::string(128, '\0') + "DICM" + meta.out_ + out_;
    }

private:
    std::string dword(std::uint32_t value) const {
        const auto low = static_cast<std::uint16_t>(value), high = static_cast<std::uint16_t>(value >> 16);
        return big_ ? word(high) + word(low) : word(low) + word(high);
    }
    void head(std::uint32_t tag, std::string_view vr, std::uint32_t length) {
        out_ += word(static_cast<std::uint16_t>(tag >> 16)) + word(static_cast<std::uint16_t>(tag));
        if (!explicit_) {
            out_ += dword(length);
            return;
        }
        out_ += vr;
        static constexpr std::string_view kLong = "OB OD OF OL OV OW SQ SV UC UN UR UT UV";
        if (kLong.find(vr) != std::string_view::npos)
            out_ += std::string(2, '\0') + dword(length);
        else
            out_ += word(static_cast<std::uint16_t>(length));
    }

    std::string syntax_, out_;
    bool explicit_, big_;
};

}  // namespace test

template <>
struct Catch::StringMaker<staging::Reason> {
    static std::string convert(staging::Reason reason) { return std::string(staging::reason_name(reason)); }
};
