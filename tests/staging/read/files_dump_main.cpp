// Reads the files named on stdin, one per line, through the sandboxed worker, and prints what it got as JSON
// lines: for tests of formats that are not DICOM (pictures_test.py, nifti_test.py). A test program.
//   files_dump FORMAT header|pixels NAME... < names        the wanted values' names
// Of a pair the header's name is given; the data lie beside it.
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "staging/read/delivery.h"
#include "staging/read/format.h"
#include "staging/read/worker.h"

namespace {

template <class T>
nlohmann::json json_of(const std::optional<T>& value) {
    return value ? nlohmann::json(*value) : nlohmann::json();
}

nlohmann::json json_of(const staging::Frame& frame) {
    return {{"position", json_of(frame.position)}, {"orientation", json_of(frame.orientation)},
            {"spacing", json_of(frame.spacing)},   {"slice_spacing", json_of(frame.slice_spacing)},
            {"slope", json_of(frame.slope)},       {"intercept", json_of(frame.intercept)},
            {"temporal", json_of(frame.temporal)}};
}

}  // namespace

int main(int argc, char** argv) {
    const staging::Readers server;
    if (argc < 3) return 2;
    const auto depth =
        argv[2] == std::string_view("header") ? staging::Depth::header : staging::Depth::pixels;
    try {
        const staging::Format* format = staging::find_format(argv[1]);
        if (!format) return 2;
        staging::Worker worker(server, staging::Wanted::of(*format, {argv + 3, argv + argc}));
        for (std::string name; std::getline(std::cin, name);) {
            const std::filesystem::path path(name);
            const staging::Delivery folder(path.parent_path());
            const staging::Opened file = folder.open(path.filename());
            const auto pair = staging::pair_of(*format, path.filename().string());
            const staging::Record record = pair && pair->is_first
                                               ? worker.read_pair(file, folder.open(pair->other), depth)
                                               : worker.read(file, depth);
            nlohmann::json line{{"reason", staging::reason_name(record.reason)}, {"detail", record.detail}};
            if (record.ok()) {
                const staging::Pixels& pixels = record.pixels;
                line["shape"] = {pixels.frames, pixels.rows, pixels.columns, pixels.samples};
                line["type"] = staging::pixel_type_name(pixels.type);
                line["bits"] = pixels.bits_stored;
                line["photometric"] = pixels.photometric;
                line["sha256"] = core::to_hex(core::sha256(pixels.bytes));
                line["deviations"] = record.deviations;
                for (const staging::Frame& frame : record.frames) line["frames"].push_back(json_of(frame));
                for (const auto& value : record.values)
                    line["values"].push_back(value ? nlohmann::json(value->bytes) : nullptr);
            }
            std::cout << line.dump() << '\n';
        }
        std::cerr << worker.replaced() << " workers replaced\n";
        return worker.replaced() ? 1 : 0;
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
