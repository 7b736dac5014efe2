// Reads the DICOM files named on stdin, one per line, through the sandboxed worker, and prints what it got as
// JSON lines: for the comparison with pydicom (compare.py), which needs the bytes themselves. A test program,
// never installed: it prints values.
//   dump header|pixels FOLDER PATH... < names        the wanted attributes' paths; pixels go into files of FOLDER
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "staging/read/delivery.h"
#include "staging/read/worker.h"

int main(int argc, char** argv) {
    const staging::Readers server;
    if (argc < 3) return 2;
    const auto depth =
        argv[1] == std::string_view("header") ? staging::Depth::header : staging::Depth::pixels;
    try {
        staging::Worker worker(server, staging::Wanted::attributes({argv + 3, argv + argc}));
        std::size_t count = 0;
        for (std::string name; std::getline(std::cin, name);) {
            const std::filesystem::path path(name);
            const staging::Delivery folder(path.parent_path());
            const staging::Record record = worker.read(folder.open(path.filename()), depth);
            nlohmann::json line{{"file", name},
                                {"reason", staging::reason_name(record.reason)},
                                {"detail", record.detail},
                                {"file_sha256", core::to_hex(record.file_sha256)}};
            if (record.ok()) {
                const staging::Pixels& pixels = record.pixels;
                line["shape"] = {pixels.frames, pixels.rows, pixels.columns, pixels.samples};
                line["type"] = staging::pixel_type_name(pixels.type);
                line["photometric"] = pixels.photometric;
                line["sha256"] = core::to_hex(pixels.sha256);
                const std::filesystem::path pixels_file =
                    std::filesystem::path(argv[2]) / std::to_string(count++);
                std::ofstream(pixels_file, std::ios::binary)
                    .write(reinterpret_cast<const char*>(pixels.bytes.data()),
                           static_cast<std::streamsize>(pixels.bytes.size()));
                line["pixels"] = pixels_file;
                line["deviations"] = record.deviations;
                line["again"] = core::to_hex(core::sha256(pixels.bytes));
                for (const auto& value : record.values)
                    line["values"].push_back(value ? nlohmann::json(core::to_hex(core::view(value->bytes)))
                                                   : nullptr);
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
