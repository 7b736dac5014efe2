#include "staging/face/deface.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "staging/face/align.h"

using namespace staging;

namespace {

// What becomes of a head that was cut well, changed: the failure's name, "cut_off" or "header_only".
std::string verdict(const std::function<void(FaceMeasures&)>& change, HeaderSays header = HeaderSays::face) {
    FaceMeasures m;
    m.similarity = 0.8, m.runner_up = 0.85, m.overlap = 0.7, m.scale_low = 1.0, m.scale_high = 1.1;
    m.is_laid_again = true, m.apart_mm = 2, m.expected = 1000, m.rays = 950, m.cut.is_made = 1;
    m.determinant = 1.1, m.turned = 20, m.body = 1e5, m.removed = 3e4;
    change(m);
    const auto found = Defacer::verdict(m, header);
    if (const auto* refused = std::get_if<Rejection>(&found)) {
        CHECK(refused->reason == Reason::face_not_removed);
        return refused->detail;
    }
    return std::get<Cut>(found).is_made ? "cut_off" : "header_only";
}

}  // namespace

TEST_CASE("a face counts as cut off only if nothing speaks against it") {
    CHECK(verdict([](FaceMeasures&) {}) == "cut_off");
    const std::vector<std::pair<std::string, std::function<void(FaceMeasures&)>>> failures = {
        {"alignment", [](FaceMeasures& m) { m.similarity = 0; }},
        {"alignment", [](FaceMeasures& m) { m.similarity = std::nan(""); }},
        {"alignment", [](FaceMeasures& m) { m.runner_up = 0.99; }},
        {"alignment", [](FaceMeasures& m) { m.overlap = 0.1; }},
        {"alignment", [](FaceMeasures& m) { m.scale_low = 0.5; }},
        {"alignment", [](FaceMeasures& m) { m.scale_high = 2; }},
        {"alignment", [](FaceMeasures& m) { m.runner_up = FaceMeasures{}.runner_up; }},  // there was none
        {"alignment", [](FaceMeasures& m) { m.determinant = 0; }},
        {"alignment", [](FaceMeasures& m) { m.determinant = std::nan(""); }},
        {"alignment", [](FaceMeasures& m) { m.turned = 90; }},
        {"alignment", [](FaceMeasures& m) { m.turned = std::nan(""); }},
        {"size", [](FaceMeasures& m) { m.is_too_large = true; }},
        {"agreement", [](FaceMeasures& m) { m.is_laid_again = false; }},
        {"agreement", [](FaceMeasures& m) { m.apart_mm = 12; }},
        {"agreement", [](FaceMeasures& m) { m.apart_mm = std::nan(""); }},
        {"brain", [](FaceMeasures& m) { m.brain = 1; }},
        {"surface", [](FaceMeasures& m) { m.skin_left = 0.1; }},
        {"surface", [](FaceMeasures& m) { m.skin_left = 1 / m.rays; }},
        {"surface", [](FaceMeasures& m) { m.rays = 0; }},
        {"surface", [](FaceMeasures& m) { m.rays = 0, m.expected = 0; }},
        {"surface", [](FaceMeasures& m) { m.rays = 700; }},
        {"surface", [](FaceMeasures& m) { m.rays = 100, m.expected = 100; }},
        {"surface", [](FaceMeasures& m) { m.removed = 0; }},
        {"body", [](FaceMeasures& m) { m.removed = 0.7 * m.body; }},
        {"surface", [](FaceMeasures& m) { m.skin_left = std::nan(""); }},
    };
    for (const auto& [name, change] : failures)
        for (const HeaderSays header : {HeaderSays::nothing, HeaderSays::face})
            CHECK(verdict(change, header) == name);
}

TEST_CASE("a header that names another part is believed unless the volume is like a head") {
    const auto unlike = [](FaceMeasures& m) { m = {}; };
    CHECK(verdict(unlike, HeaderSays::no_face) == "header_only");
    CHECK(verdict([](FaceMeasures& m) { m.apart_mm = 30; }, HeaderSays::no_face) == "header_only");
    CHECK(verdict([](FaceMeasures& m) { m.turned = 180; }, HeaderSays::no_face) == "alignment");
    CHECK(verdict([](FaceMeasures& m) { m.is_too_large = true; }, HeaderSays::no_face) == "size");
    CHECK(verdict([](FaceMeasures& m) { m.apart_mm = 12; }, HeaderSays::no_face) == "agreement");
    CHECK(verdict(unlike, HeaderSays::nothing) == "alignment");
    CHECK(verdict(unlike, HeaderSays::face) == "alignment");
    CHECK(verdict([](FaceMeasures&) {}, HeaderSays::no_face) == "cut_off");
    CHECK(verdict([](FaceMeasures& m) { m.brain = 5; }, HeaderSays::no_face) == "brain");
}

TEST_CASE("a template that is not there is the machine's fault") {
    const auto fault = [](const FaceTemplate& files) {
        try {
            Defacer defacer(files);
        } catch (const core::Error& e) {
            return e.fault();
        }
        return core::Fault::bug;
    };
    CHECK(fault({"/nowhere/head.nii.gz", std::string(64, '0'), "/nowhere/brain.nii.gz",
                 std::string(64, '0')}) == core::Fault::system);
    CHECK(fault({"/etc/passwd", std::string(64, '0'), "/etc/passwd", std::string(64, '0')}) ==
          core::Fault::system);
}

namespace {

// The template's files as Debian has them, and so the test's head.
FaceTemplate files() {
    const std::string folder = "/usr/share/mricron/templates/";
    return {folder + "ch2.nii.gz", "a009051127f64dc3dd554d5f5b589870ea72106d9642c21b4e7093e478cfc309",
            folder + "ch2bet.nii.gz", "592a2d20abdf36eefcb540ca8958428040edffc1bc1a18ba1dcfbabac77c5dd1"};
}

// At 2 mm, what lies in front of it made `more` voxels longer, of the value `front`, or shorter.
HeadVolume colin(std::int64_t more, float front = 0) {
    const HeadVolume whole = read_nifti(files().head);
    const Lattice half = coarser(whole, 2);
    HeadVolume out;
    out.grid.affine = whole.grid.affine;
    for (std::size_t row = 0; row < 3; ++row)
        for (std::size_t axis = 0; axis < 3; ++axis) {
            out.grid.affine[row * 4 + axis] *= 2;
            out.grid.affine[row * 4 + 3] += whole.grid.affine[row * 4 + axis] / 2;
        }
    REQUIRE(whole.grid.affine[5] < 0);  // j grows to the front
    const auto [columns, rows, slices] = half.size;
    out.grid.size = {slices, rows + more, columns};
    for (std::int64_t k = 0; k < slices; ++k)
        for (std::int64_t j = 0; j < rows + more; ++j)
            for (std::int64_t i = 0; i < columns; ++i)
                out.values.push_back(
                    j < rows ? half.values[static_cast<std::size_t>((k * rows + j) * columns + i)] : front);
    return out;
}

std::string detail(const FaceMeasures& measures) {
    const auto found = Defacer::verdict(measures, HeaderSays::face);
    const auto* refused = std::get_if<Rejection>(&found);
    return refused ? refused->detail : "cut_off";
}

// A head takes minutes under the sanitizers; the other build lays them.
#ifdef __SANITIZE_ADDRESS__
constexpr bool kLaysHeads = false;
#else
constexpr bool kLaysHeads = true;
#endif

}  // namespace

TEST_CASE("what is left of a face, or lost of a brain, is seen on a head") {
    if (!kLaysHeads) return;
    const Defacer defacer(files());
    const FaceMeasures good = defacer.measure(colin(16));
    CHECK(detail(good) == "cut_off");
    CHECK(good.rays > 500);
    CHECK(good.skin_left == 0);
    CHECK(good.turned < 5);
    const FaceMeasures too_little = defacer.measure(colin(16), 20);
    CHECK(too_little.skin_left > 0.1);
    CHECK(detail(too_little) == "surface");
    const FaceMeasures too_much = defacer.measure(colin(16), -20);
    CHECK(too_much.brain > 0);
    CHECK(detail(too_much) == "brain");
}

TEST_CASE("a face that something stands before, or that is not whole, does not count as gone") {
    if (!kLaysHeads) return;
    const Defacer defacer(files());
    const FaceMeasures hidden = defacer.measure(colin(20, 60));
    CHECK(hidden.skin_left > 0.1);
    CHECK(detail(hidden) != "cut_off");
    const FaceMeasures nose = defacer.measure(colin(-12));
    CHECK(nose.skin_left > 0);
    CHECK(detail(nose) != "cut_off");
}

TEST_CASE("a volume of more voxels than can be compared in minutes is not laid onto anything") {
    const Defacer defacer(files());
    HeadVolume large;
    large.grid = {{7, 0, 0, 0, 0, 7, 0, 0, 0, 0, 7, 0}, {96, 96, 96}};
    large.values.resize(96 * 96 * 96);
    CHECK(detail(defacer.measure(std::move(large))) == "size");
}

TEST_CASE("a volume of which nothing can be known is not laid, and no fault of the machine") {
    const Defacer defacer(files());
    HeadVolume none;
    none.grid = {{2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0}, {60, 60, 60}};
    none.values.assign(60 * 60 * 60, std::nanf(""));
    CHECK(detail(defacer.measure(none)) == "alignment");
    none.values.assign(60 * 60 * 60, 7);
    CHECK(detail(defacer.measure(none)) == "alignment");
    for (std::size_t n = 0; n < none.values.size(); ++n) none.values[n] = static_cast<float>(n % 97);
    none.grid.affine = {2, 2, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0};  // two axes along one line
    CHECK(detail(defacer.measure(none)) == "alignment");
}
