#pragma once
#include <optional>
#include <string>

#include "staging/read/dicom/walker.h"
#include "staging/read/record.h"

namespace staging {

// Collects the modality LUT where it is a table: the first item of ModalityLUTSequence (PS3.3 section C.11.1).
class ModalityCollector {
public:
    // Whether the sequence at the end of `path` is it.
    static bool wants(std::span<const Step> path);
    // Any element of the data set that the walker meets.
    void element(const Element& element);
    // Nothing if there is no such sequence. Throws Refused(pixel_format_unsupported) if it holds no table.
    std::optional<ModalityTable> finish(bool is_signed) const;
    // ModalityLUTType: the units of what it gives.
    const std::string& type() const noexcept { return type_; }

private:
    bool seen_ = false;
    core::Bytes descriptor_, data_;
    bool big_endian_ = false;
    std::string type_;
};

}  // namespace staging
