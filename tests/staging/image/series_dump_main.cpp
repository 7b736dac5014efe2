// Reads the DICOM files named on stdin, one per line, through the sandboxed worker, sorts their frames into volumes as
// a build does, and writes each volume's array: for the comparison with dcm2niix (dcm2niix_equal.py). A test program,
// never installed: it writes values.
//   series_dump OUT < names
// OUT/N.bin holds [C, D, H, W] of the volume's type; stdout one JSON line for each volume and each file left out.
#include <fstream>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "staging/image/pixels.h"
#include "staging/image/series.h"
#include "staging/read/delivery.h"
#include "staging/read/worker.h"

using namespace staging;

namespace {

struct Origin {
    std::string file;
    std::uint32_t frame;
    core::Bytes values;  // float64: exact for what files hold
};

}  // namespace

int main(int argc, char** argv) {
    const Readers server;
    if (argc != 2) return 2;
    try {
        Worker worker(server, Wanted::attributes({"SeriesInstanceUID"}));
        std::map<std::string, std::pair<std::vector<Slice>, std::vector<Origin>>> series;
        FieldChoice choice;
        choice.field = {"image", core::DType::f64, {}, ""};
        choice.padding = 0;
        for (std::string name; std::getline(std::cin, name);) {
            const std::filesystem::path path(name);
            const Delivery folder(path.parent_path());
            Record record = worker.read(folder.open(path.filename()), Depth::pixels);
            record.padding.reset();  // dcm2niix leaves padding as it is
            if (record.pixels.photometric == "MONOCHROME1")
                record.pixels.photometric = "MONOCHROME2";  // so it does here
            if (!record.ok() || !record.values[0]) {
                std::cout << nlohmann::json{{"left", name}, {"reason", reason_name(record.reason)}}.dump()
                          << '\n';
                continue;
            }
            const auto array = pixels_to_array(record, choice, true);
            if (!std::holds_alternative<core::Array>(array)) {
                std::cout << nlohmann::json{{"left", name},
                                            {"reason", reason_name(std::get<Rejection>(array).reason)}}
                          << '\n';
                continue;
            }
            const core::Bytes& all = std::get<core::Array>(array).bytes;
            const Pixels& pixels = record.pixels;
            auto& [slices, origins] = series[std::string(trimmed(record.values[0]->bytes))];
            for (std::uint32_t frame = 0; frame < pixels.frames; ++frame) {
                Slice slice;
                if (record.frames.size() == pixels.frames) slice.frame = record.frames[frame];
                slice.rows = pixels.rows, slice.columns = pixels.columns, slice.samples = pixels.samples;
                slice.localizer = record.facts.image_type.find("LOCALIZER") != std::string::npos;
                slice.order = origins.size();
                const std::size_t bytes = pixels.bytes.size() / pixels.frames;
                const core::Digest digest = core::sha256(pixels.bytes.subspan(frame * bytes, bytes));
                std::copy_n(digest.begin(), slice.content.size(), slice.content.begin());
                slices.push_back(slice);
                Origin origin{name, frame, {}};
                const std::size_t plane = std::size_t{pixels.rows} * pixels.columns * 8;
                for (std::uint32_t c = 0; c < pixels.samples; ++c) {
                    const auto* at = all.data() + (std::size_t{c} * pixels.frames + frame) * plane;
                    origin.values.insert(origin.values.end(), at, at + plane);
                }
                origins.push_back(std::move(origin));
            }
        }
        int number = 0;
        for (const auto& [uid, both] : series) {
            const auto& [slices, origins] = both;
            const Series sorted = sort_series(slices);
            for (const LeftOver& one : sorted.left)
                std::cout << nlohmann::json{{"left", origins[one.slice].file},
                                            {"frame", origins[one.slice].frame},
                                            {"reason", reason_name(one.reason)}}
                                 .dump()
                          << '\n';
            for (const Stack& stack : sorted.stacks) {
                const Slice& first = slices[stack.slices.front()];
                std::ofstream out(std::filesystem::path(argv[1]) / (std::to_string(number) + ".bin"),
                                  std::ios::binary);
                const std::size_t plane = std::size_t{first.rows} * first.columns * 8;
                for (std::uint32_t c = 0; c < first.samples; ++c)
                    for (const std::size_t i : stack.slices)
                        out.write(reinterpret_cast<const char*>(origins[i].values.data() + c * plane),
                                  static_cast<std::streamsize>(plane));
                if (!out.flush()) throw std::runtime_error("cannot write");
                std::set<std::string> files;
                for (const std::size_t i : stack.slices) files.insert(origins[i].file);
                std::cout << nlohmann::json{{"volume", number++},
                                            {"file", origins[stack.slices.front()].file},
                                            {"shape",
                                             {first.samples, stack.slices.size(), first.rows, first.columns}},
                                            {"affine", stack.affine},
                                            {"files", files},
                                            {"part", stack.part},
                                            {"parts", stack.parts},
                                            {"orientation", orientation_name(stack.affine)}}
                                 .dump()
                          << '\n';
            }
        }
        return 0;
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
