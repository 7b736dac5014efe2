// What is measured of heads, and what becomes of them: bench_faces PROFILE FILE.nii[.gz]... One line of JSON for each.
#include <fmt/core.h>

#include <chrono>
#include <ctime>
#include <string>
#include <variant>

#include "core/base/error.h"
#include "staging/deid/profile.h"
#include "staging/face/align.h"
#include "staging/face/deface.h"

int main(int argc, char** argv) {
    using namespace staging;
    if (argc < 3) {
        fmt::print(stderr, "usage: bench_faces PROFILE FILE.nii...\n");
        return 2;
    }
    try {
        const Defacer defacer(Profile::load(argv[1]).pixels.face_template);
        for (int n = 2; n < argc; ++n) {
            const HeadVolume volume = read_nifti(argv[n]);
            const std::clock_t begin = std::clock();
            const FaceMeasures m = defacer.measure(volume);
            const double seconds = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
            const auto verdict = Defacer::verdict(m, HeaderSays::nothing);
            const auto* refused = std::get_if<Rejection>(&verdict);
            fmt::print(
                "{{\"file\":\"{}\",\"verdict\":\"{}\",\"similarity\":{:.3f},\"runner_up\":{:.3f},\"overlap\":"
                "{:.2f},"
                "\"scale\":[{:.2f},{:.2f}],\"apart_mm\":{:.1f},\"brain\":{},\"rays\":{},\"skin_left\":{:.4f},"
                "\"value\":{},\"planes\":[",
                argv[n], refused ? refused->detail : "cut_off", m.similarity, m.runner_up, m.overlap,
                m.scale_low, m.scale_high, m.apart_mm, m.brain, m.rays, m.skin_left, m.cut.value);
            for (const auto& p : m.cut.planes)
                fmt::print("{}[{:.6f},{:.6f},{:.6f},{:.4f}]", &p == m.cut.planes.data() ? "" : ",", p[0],
                           p[1], p[2], p[3]);
            fmt::print("],\"seconds\":{:.1f}}}\n", seconds);
            std::fflush(stdout);
        }
    } catch (const core::Error& e) {
        fmt::print(stderr, "{}\n", e.what());
        return 4;
    }
    return 0;
}
