#include "staging/face/deface.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/error.h"

using namespace staging;

namespace {

// What becomes of a head that was cut well, changed: the failure's name, "cut_off" or "none_found".
std::string verdict(const std::function<void(FaceMeasures&)>& change, HeaderSays header = HeaderSays::face) {
    FaceMeasures m;
    m.similarity = 0.8, m.runner_up = 0.85, m.overlap = 0.7, m.scale_low = 1.0, m.scale_high = 1.1;
    m.is_laid_again = true, m.apart_mm = 2, m.rays = 1000, m.cut.is_made = 1;
    change(m);
    const auto found = Defacer::verdict(m, header);
    if (const auto* refused = std::get_if<Rejection>(&found)) {
        CHECK(refused->reason == Reason::face_not_removed);
        return refused->detail;
    }
    return std::get<Cut>(found).is_made ? "cut_off" : "none_found";
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
        {"agreement", [](FaceMeasures& m) { m.is_laid_again = false; }},
        {"agreement", [](FaceMeasures& m) { m.apart_mm = 12; }},
        {"agreement", [](FaceMeasures& m) { m.apart_mm = std::nan(""); }},
        {"brain", [](FaceMeasures& m) { m.brain = 1; }},
        {"surface", [](FaceMeasures& m) { m.skin_left = 0.1; }},
        {"surface", [](FaceMeasures& m) { m.skin_left = std::nan(""); }},
    };
    for (const auto& [name, change] : failures)
        for (const HeaderSays header : {HeaderSays::nothing, HeaderSays::face})
            CHECK(verdict(change, header) == name);
}

TEST_CASE("a header that names another part is believed unless the volume is like a head") {
    const auto unlike = [](FaceMeasures& m) { m = {}; };
    CHECK(verdict(unlike, HeaderSays::no_face) == "none_found");
    CHECK(verdict([](FaceMeasures& m) { m.apart_mm = 30; }, HeaderSays::no_face) == "none_found");
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
