#include "staging/deid/risk.h"

#include <catch2/catch.hpp>
#include <functional>

using namespace staging;

namespace {

using Change = std::function<void(Facts&)>;

// The reason for which a plain radiograph, changed, goes to quarantine; "" if it does not.
std::string judged(const Change& change, const PixelPolicy& policy = {}) {
    Facts facts;
    facts.sop_class = "1.2.840.10008.5.1.4.1.1.1.1";
    facts.modality = "DX";
    facts.image_type = "ORIGINAL\\PRIMARY";
    facts.body_part = "CHEST";
    change(facts);
    const auto rejection = pixel_risk(facts, policy);
    return rejection ? std::string(reason_name(rejection->reason)) : "";
}
Change tomography(const std::string& modality, const std::string& body_part) {
    return [=](Facts& f) { f.modality = modality, f.body_part = body_part; };
}

}  // namespace

TEST_CASE("a plain radiograph is no class at risk") {
    CHECK(judged([](Facts&) {}).empty());
    CHECK(judged([](Facts& f) { f.body_part = "SKULL"; }).empty());  // no volume: no face can be rebuilt
}

TEST_CASE("classes with text burned into their pixels go to quarantine, however they give themselves away") {
    const std::vector<Change> at_risk = {
        [](Facts& f) { f.burned_in_annotation = "YES"; },
        [](Facts& f) { f.burned_in_annotation = "yes "; },
        [](Facts& f) { f.modality = "US"; },
        [](Facts& f) { f.modality = "IVUS"; },
        [](Facts& f) {
            f.sop_class = "1.2.840.10008.5.1.4.1.1.3.1";
        },  // ultrasound, whatever the modality says
        [](Facts& f) { f.sop_class = "1.2.840.10008.5.1.4.1.1.7"; },
        [](Facts& f) { f.sop_class = "1.2.840.10008.5.1.4.1.1.7.2"; },
        [](Facts& f) { f.conversion_type = "WSD"; },
        [](Facts& f) { f.image_type = "DERIVED\\SECONDARY"; },
        [](Facts& f) { f.image_type = "ORIGINAL\\PRIMARY\\SCREEN SAVE"; },
        [](Facts& f) { f.image_type = "DERIVED\\PRIMARY\\DOSE_INFO"; },
    };
    for (std::size_t i = 0; i < at_risk.size(); ++i) {
        INFO("case " << i);
        CHECK(judged(at_risk[i]) == "risk_burned_in_text");
    }
    CHECK(judged([](Facts& f) { f.sop_class = "1.2.840.10008.5.1.4.1.1.77.1.6"; }).empty());  // begins alike
}

TEST_CASE("volumes that show a face go to quarantine") {
    const std::string modality = GENERATE("CT", "MR", "PT");
    for (const char* part :
         {"HEAD", "BRAIN", "Head and neck", "SINUSES", "L TMJ", "EAR", "WHOLEBODY", "skull "})
        CHECK(judged(tomography(modality, part)) == "risk_face");
    for (const char* part : {"HEART", "CHEST", "ABDOMEN", "KNEE", "PEARL"})
        CHECK(judged(tomography(modality, part)).empty());
    CHECK(judged(tomography(modality, "")) == "risk_face");
    CHECK(judged([](Facts& f) { f.recognizable_features = "YES"; }) == "risk_face");
}

TEST_CASE("a policy allows what it names and nothing beside it") {
    const Change ultrasound = [](Facts& f) { f.modality = "US"; };
    const Change captured = [](Facts& f) { f.conversion_type = "WSD"; };
    PixelPolicy policy;
    policy.allow_ultrasound = true;
    CHECK(judged(ultrasound, policy).empty());
    CHECK(judged(captured, policy) == "risk_burned_in_text");
    CHECK(judged([](Facts& f) { f.modality = "US", f.burned_in_annotation = "YES"; }, policy) ==
          "risk_burned_in_text");
    policy = {};
    policy.allow_secondary_capture = true;
    CHECK(judged(captured, policy).empty());
    CHECK(judged(ultrasound, policy) == "risk_burned_in_text");
    policy = {};
    policy.allow_unknown_anatomy = true;
    CHECK(judged(tomography("CT", ""), policy).empty());
    CHECK(judged(tomography("CT", "HEAD"), policy) == "risk_face");
    policy.allow_faces = true;
    CHECK(judged(tomography("CT", "HEAD"), policy).empty());
}
