// Files per second of the reader, in the sandboxed worker and (parsers alone) in this process:
//   bench_source ROUNDS < names
// One JSON line per way and round. Called by run, in turns with pydicom.
#include <chrono>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "staging/read/delivery.h"
#include "staging/read/dicom/dicom.h"
#include "staging/read/worker.h"

using namespace staging;

namespace {

const std::vector<std::string> kPaths{"PatientID",    "PatientName",    "PatientBirthDate",
                                      "PatientSex",   "StudyDate",      "Manufacturer",
                                      "PixelSpacing", "SliceThickness", "InstanceNumber"};

template <class Work>
void time(const char* way, std::size_t files, Work work) {
    const auto start = std::chrono::steady_clock::now();
    const std::size_t read = work();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    std::cout
        << nlohmann::json{{"way", way}, {"files", files}, {"read", read}, {"seconds", seconds.count()}}.dump()
        << std::endl;
}

}  // namespace

int main(int argc, char** argv) {
    const Readers server;
    if (argc != 2) return 2;
    const std::vector<std::string> names{std::istream_iterator<std::string>(std::cin), {}};
    Worker worker(server, Wanted::attributes(kPaths));
    const Wanted wanted = Wanted::attributes(kPaths);
    const Limits limits;
    std::vector<std::uint8_t> room(limits.pixel_bytes);
    const auto by_worker = [&](Depth depth) {
        std::size_t read = 0;
        for (const std::string& name : names) {
            const std::filesystem::path path(name);
            read += worker.read(Delivery(path.parent_path()).open(path.filename()), depth).ok();
        }
        return read;
    };
    for (int round = 0; round < std::stoi(argv[1]); ++round) {
        time("worker, header", names.size(), [&] { return by_worker(Depth::header); });
        time("worker, pixels", names.size(), [&] { return by_worker(Depth::pixels); });
        time("in process, pixels", names.size(), [&] {
            std::size_t read = 0;
            for (const std::string& name : names)
                read += read_dicom(core::read_file(name), wanted, limits, Depth::pixels, room).ok();
            return read;
        });
    }
}
