// libFuzzer's entry: any bytes are a file. Walker, codecs and the plan of pixels are all behind it.
#include <cstdlib>
#include <memory>

#include "staging/read/dicom/dicom.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace staging;
    static const Wanted wanted =
        Wanted::attributes({"PatientID", "PatientName", "AnatomicRegionSequence[0].CodeValue", "Rows", "ImagePositionPatient"});
    static const Limits limits = [] {
        Limits small;
        small.pixel_bytes = 1 << 18;
        small.inflated_bytes = 1 << 20;
        return small;
    }();
    static const std::unique_ptr<std::uint8_t[]> room(new std::uint8_t[limits.pixel_bytes]);
    const Record record =
        read_dicom({data, size}, wanted, limits, Depth::pixels, {room.get(), limits.pixel_bytes});
    if (record.ok() && record.pixels.bytes.size() != record.pixels.byte_count()) std::abort();
    return 0;
}
