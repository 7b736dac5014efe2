// libFuzzer's entry: any bytes are a file, of the kind that the program is called after: dicom_fuzz, nifti_fuzz,
// raster_fuzz, table_fuzz, archive_fuzz. One program, so that the readers are compiled once.
#include <cstdlib>
#include <memory>

#include "staging/read/archive/archive.h"
#include "staging/read/format.h"
#include "staging/read/messages.h"
#include "staging/read/refused.h"
#include "staging/read/table/csv.h"

namespace {

using namespace staging;

const Limits& limits() {
    static const Limits small = [] {
        Limits out;
        out.pixel_bytes = 1 << 18;
        out.file_bytes = out.inflated_bytes = 1 << 20;
        out.archive_members = 100;
        return out;
    }();
    return small;
}

// A file read whole: both depths must agree about it.
void read_file(const Format& format, core::ByteView data) {
    static const Wanted wanted = Wanted::of(
        format,
        format.name == "dicom"
            ? std::vector<std::string>{"PatientID", "PatientName", "AnatomicRegionSequence[0].CodeValue",
                                       "Rows", "ImagePositionPatient", "(0019,xx0C) SIEMENS MR HEADER"}
            : std::vector<std::string>{});
    static const std::unique_ptr<std::uint8_t[]> room(new std::uint8_t[limits().pixel_bytes]);
    const std::span<std::uint8_t> pixels(room.get(), limits().pixel_bytes);
    const Record record = format.read(data, wanted, limits(), Depth::pixels, pixels);
    if (record.ok() && record.pixels.bytes.size() != record.pixels.byte_count()) std::abort();
    if (record.ok() && !format.read(data, wanted, limits(), Depth::header, {}).ok()) std::abort();
    if (!format.read_pair || data.empty()) return;
    const std::size_t cut = std::min<std::size_t>(data.size(), 348);
    const Record pair =
        format.read_pair(data.first(cut), data.subspan(cut), wanted, limits(), Depth::pixels, pixels);
    if (pair.ok() && pair.pixels.bytes.size() != pair.pixels.byte_count()) std::abort();
}

// The first byte says how the table is written.
void read_table(core::ByteView data) {
    if (data.empty()) return;
    static const std::unique_ptr<std::uint8_t[]> room(new std::uint8_t[kMessageBytes]);
    static const char* const encodings[] = {"utf-8", "utf-16", "big5", "gb18030", "shift_jis"};
    TableForm form;
    form.separator = ",;\t"[data[0] % 3];
    form.encoding = encodings[data[0] / 3 % 5];
    form.title_rows = data[0] / 15 % 3;
    const Wanted wanted = Wanted::columns({"id", "radius"}).in_form(form);
    const core::ByteView table = data.subspan(1);
    CsvReader reader(read_at(table), table.size(), wanted, limits());
    for (bool ended = false; !ended;) {
        Packer message({room.get(), kMessageBytes});
        reader.pack_rows(message);
        Unpacker in({room.get(), message.size()});
        while (in.get<std::uint8_t>()) unpack_record(in, wanted, {});
        ended = in.get<std::uint8_t>() != 0;
    }
}

void read_archive(core::ByteView data) {
    static const bool prepared = [] {
        ArchiveReader::prepare();
        return true;
    }();
    (void)prepared;
    try {
        ArchiveReader reader(read_at(data), data.size(), limits());
        Member member;
        core::Bytes bytes;
        while (reader.next(member)) {
            if (member.reason != Reason::none) continue;
            if (member.name.empty() || member.name.front() == '/' || member.name.starts_with("../"))
                std::abort();
            try {
                reader.load(bytes);
                if (bytes.size() != member.bytes || bytes.size() > limits().file_bytes) std::abort();
            } catch (const Refused&) {
            }
        }
    } catch (const Refused&) {
    }
}

std::string kind;

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char*** argv) {
    kind = **argv;
    kind = kind.substr(kind.rfind('/') + 1);
    kind = kind.substr(0, kind.find('_'));
    if (kind != "table" && kind != "archive" && !find_format(kind)) std::abort();
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (kind == "table")
        read_table({data, size});
    else if (kind == "archive")
        read_archive({data, size});
    else
        read_file(*find_format(kind), {data, size});
    if (kind == "raster") read_file(*find_format("raster-indices"), {data, size});
    return 0;
}
