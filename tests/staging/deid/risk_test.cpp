#include "staging/deid/risk.h"

#include <catch2/catch.hpp>
#include <functional>
#include <set>

#include "staging/deid/anatomy.h"

using namespace staging;

namespace {

using Change = std::function<void(Facts&)>;

// A policy that lists every class of our table and three parts of the body.
PixelPolicy listing() {
    PixelPolicy policy;
    for (const SopClass& row : sop_classes()) policy.sop_classes.push_back(&row);
    policy.body_parts = {"CHEST", "ABDOMEN", "HEART", "KNEE", "PELVIS", "LSPINE"};
    return policy;
}

// The reason for which a plain radiograph, changed, goes to quarantine; "" if it does not.
std::string judged(const Change& change, const PixelPolicy& policy = listing(),
                   Declared declared = Declared::nothing) {
    Facts facts;
    facts.sop_class = "1.2.840.10008.5.1.4.1.1.1.1";
    facts.modality = "DX";
    facts.image_type = "ORIGINAL\\PRIMARY";
    facts.body_part = "CHEST";
    change(facts);
    const auto rejection = pixel_risk(facts, policy, declared);
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
        [](Facts& f) { f.image_type = "ORIGINAL\\PRIMARY\\LABEL\\NONE"; },
        [](Facts& f) { f.image_type = "DERIVED\\PRIMARY\\OVERVIEW\\NONE"; },
        [](Facts& f) { f.specimen_label = "YES"; },
        [](Facts& f) { f.modality = "OT"; },
        [](Facts& f) { f.image_type = "ORIGINAL\\PRIMARY\\SCREEN SAVE"; },
        [](Facts& f) { f.image_type = "DERIVED\\PRIMARY\\DOSE_INFO"; },
    };
    for (std::size_t i = 0; i < at_risk.size(); ++i) {
        INFO("case " << i);
        CHECK(judged(at_risk[i]) == "risk_burned_in_text");
    }
    // A derived image is none of them: reformats, ADC maps, resampled series.
    CHECK(judged([](Facts& f) { f.image_type = "DERIVED\\SECONDARY"; }).empty());
    CHECK(judged([](Facts& f) {
              f.sop_class = "1.2.840.10008.5.1.4.1.1.77.1.6";  // begins as a capture's does
              f.image_type = "ORIGINAL\\PRIMARY\\VOLUME\\NONE";
          }).empty());
}

TEST_CASE("of a whole slide passes what says that it is the volume, or a thumbnail without the label") {
    const auto slide = [](const std::string& type, const std::string& label = "") {
        return judged([&](Facts& f) {
            f.sop_class = "1.2.840.10008.5.1.4.1.1.77.1.6", f.image_type = type, f.specimen_label = label;
        });
    };
    CHECK(slide("DERIVED\\PRIMARY\\VOLUME\\RESAMPLED").empty());
    CHECK(slide("DERIVED\\PRIMARY\\THUMBNAIL\\RESAMPLED", "NO").empty());
    for (const char* type : {"DERIVED\\PRIMARY\\THUMBNAIL\\RESAMPLED", "ORIGINAL\\PRIMARY\\MACRO",
                             "ORIGINAL\\PRIMARY", "", "VOLUME"})
        CHECK(slide(type) == "risk_burned_in_text");
    CHECK(slide("ORIGINAL\\PRIMARY\\VOLUME\\NONE", "YES") == "risk_burned_in_text");
}

TEST_CASE("ultrasound of a head is told by what it names, and what names nothing passes") {
    const auto sound = [](const std::string& part, const std::string& series = "") {
        PixelPolicy policy = listing();
        policy.allow_ultrasound = true;
        return judged(
            [&](Facts& f) {
                f.sop_class = "1.2.840.10008.5.1.4.1.1.6.1", f.modality = "US", f.body_part = part,
                f.series_description = series;
            },
            policy);
    };
    for (const char* part : {"", "ABDOMEN", "THYROID", "OB"}) CHECK(sound(part).empty());
    for (const char* part : {"HEAD", "FETAL HEAD", "頭部"}) CHECK(sound(part) == "risk_face");
    CHECK(sound("", "Fetal face 3D") == "risk_face");
    // The neck's vessels and glands are what ultrasound looks at.
    for (const char* neck : {"NECK", "CAROTID", "CSPINE", "HALS", "NEURO", "頸動脈", "HWS"}) {
        CHECK(sound(neck).empty());
        CHECK(sound("", neck).empty());
        CHECK(judged(tomography("CT", neck)) == "risk_face");
    }
    for (const char* both : {"HEADNECK", "頭頸部", "NECK HEAD"}) CHECK(sound(both) == "risk_face");
}

TEST_CASE("a description names a head in whatever letters it is typed, and nothing else does") {
    for (const char* text : {"HEAD", "T1_BRAIN", "ＢＲＡＩＮ", "BRAIN平掃", "頭部CT",
                             "Scha\xCC\x88"
                             "del",
                             "Schädel",
                             "he\xC2\xAD"
                             "ad",
                             "HeadNeck", "C-Spine", "whole body", "SKULLBASE"})
        CHECK(names_a_head(text));
    for (const char* text :
         {"", "HEART", "AHEAD", "incidental", "surface", "superficial", "axilla", "cervical cancer",
          "craniocaudal", "子宮頸", "股骨頭", "胸部", "spine C3", "\xFF\xFE"})
        CHECK_FALSE(names_a_head(text));
}

TEST_CASE("words of a description end where its letters do, whatever stands between") {
    for (const char* text : {"CT HEAD–NECK", "“HEAD” CT", "HEAD·NECK", "EYES—ORBITS", "HEAD’S", "Face™",
                             "CT•HEAD", "HEAD1", "B R A I N", "B.R.A.I.N.", "CT H E A D", "BRAİN", "Ⓗⓔⓐⓓ"})
        CHECK(names_a_head(text));
    for (const char* text : {"HEART–LUNG", "“CHEST” CT", "A B D O M E N", "CHEST™", "L R", "T·H·O·R·A·X"})
        CHECK_FALSE(names_a_head(text));
}

TEST_CASE("heads are found in words that are joined, and in other languages") {
    for (const char* text : {"CTHEAD",
                             "HEADCT",
                             "FACES",
                             "IAM",
                             "IAMS",
                             "PNS",
                             "CTA H&N",
                             "HEADNECKCHEST",
                             "SPINE CERVICAL",
                             "HWS nativ",
                             "Kiefer",
                             "Auge",
                             "Nase",
                             "Zähne",
                             "Felsenbein",
                             "Schläfenbein",
                             "Hirnstamm",
                             "Kleinhirn",
                             "Kopfhals",
                             "Kopf-Hals",
                             "Schadel",
                             "Schaedel",
                             "VISAGE",
                             "COU",
                             "oreille",
                             "CRANE",
                             "crâne",
                             "rachis cervical",
                             "CUELLO",
                             "CARA",
                             "ojos",
                             "orbita",
                             "órbita",
                             "CRANEO SIMPLE",
                             "columna cervical",
                             "顳骨",
                             "颞骨",
                             "內聽道",
                             "垂体",
                             "眶",
                             "頚部造影",
                             "頚椎",
                             "下垂体",
                             "歯科",
                             "顔",
                             "두개골",
                             "경추",
                             "부비동",
                             "안와",
                             "치아"}) {
        INFO(text);
        CHECK(names_a_head(text));
    }
}

TEST_CASE("other parts that sound like a head are none, and hide none beside them") {
    for (const char* text : {"乳頭",
                             "橈骨頭",
                             "骨頭",
                             "大腿骨頭",
                             "膵頭部",
                             "頭尾方向",
                             "全身麻醉",
                             "자궁경부",
                             "股骨頭頸部",
                             "metatarsal heads",
                             "humeral head",
                             "Femoral Head L",
                             "radial-head",
                             "head of pancreas",
                             "femoral neck",
                             "Hüftkopf",
                             "Schenkelhals",
                             "Humeruskopf",
                             "cranéo-caudal",
                             "coronary sinus",
                             "bull's eye",
                             "surfaces",
                             "header check",
                             "years",
                             "wear",
                             "nuclear",
                             "linear",
                             "headrest",
                             "facet joints",
                             "Übersicht",
                             "Lendenwirbelsäule",
                             "Bauchhöhle",
                             "épaule gauche",
                             "tórax",
                             "columna lumbar",
                             "incidental"}) {
        INFO(text);
        CHECK_FALSE(names_a_head(text));
    }
    for (const char* text :
         {"CT HUMERAL HEAD, HEAD", "femoral head and neck", "head: femoral neck", "胸骨頭部", "顳骨頭部",
          "乳頭 頭部", "全身麻醉 全身", "子宮頸 頸部", "craniocaudal, cranial"}) {
        INFO(text);
        CHECK(names_a_head(text));
    }
}

TEST_CASE("a description whose encoding is not known is judged in each that it may have") {
    // 頭部CT in Big5 and GB 18030, 頭部 in Shift JIS, Schädel in Latin-1.
    for (const char* text : {"\xC0\x59\xB3\xA1\x43\x54", "\xEE\x5E\xB2\xBF\x43\x54", "\x93\xAA\x95\x94",
                             "Sch\xE4"
                             "del"})
        CHECK(names_a_head(text));
    // 胸部CT in Big5, 胸部 in Shift JIS, Übersicht and Hüfte in Latin-1.
    for (const char* text : {"\xAF\xDD\xB3\xA1\x43\x54", "\x8B\xB9\x95\x94",
                             "\xDC"
                             "bersicht",
                             "H\xFC"
                             "fte"})
        CHECK_FALSE(names_a_head(text));
}

TEST_CASE("a class that the profile does not list does not pass, nor does one that nobody knows") {
    PixelPolicy policy = listing();
    policy.sop_classes = {find_sop_class("CTImageStorage")};
    CHECK(judged([](Facts&) {}, policy) == "unlisted_sop_class");
    CHECK(judged([](Facts& f) { f.sop_class = ""; }) == "unlisted_sop_class");
    CHECK(judged([](Facts& f) { f.sop_class = "1.3.12.2.1107.5.9.1"; }) == "unlisted_sop_class");
    policy.other_sop_classes = {"1.3.12.2.1107.5.9.1"};
    // Listed by its UID: what it shows is not known, so it is held to what a volume is held to.
    CHECK(judged([](Facts& f) { f.sop_class = "1.3.12.2.1107.5.9.1"; }, policy).empty());
    CHECK(judged([](Facts& f) { f.sop_class = "1.3.12.2.1107.5.9.1", f.body_part = ""; }, policy) ==
          "unlisted_anatomy");
}

TEST_CASE("reports, documents, waveforms and plans are not the hospital's fault") {
    for (const char* uid :
         {"1.2.840.10008.5.1.4.1.1.88.11", "1.2.840.10008.5.1.4.1.1.104.1", "1.2.840.10008.5.1.4.1.1.11.1",
          "1.2.840.10008.5.1.4.1.1.9.1.1", "1.2.840.10008.5.1.4.1.1.481.5", "1.2.840.10008.1.3.10"})
        CHECK(judged([&](Facts& f) { f.sop_class = uid; }) == "not_selected");
    CHECK(side_of(Reason::not_selected) == Side::not_wanted);
}

TEST_CASE("volumes that show a face go to quarantine, and so does what does not say what it shows") {
    const std::string modality = GENERATE("CT", "MR", "PT");
    for (const char* part : {"HEAD", "BRAIN", "Head and neck", "SINUSES", "L TMJ", "EAR", "WHOLEBODY",
                             "skull ", "Schädel", "CSPINE", "頭部", "CHEST\\HEAD"})
        CHECK(judged(tomography(modality, part)) == "risk_face");
    for (const char* part :
         {"HEART", "CHEST", "ABDOMEN", "KNEE", "Thorax", "CHEST/ABD/PELVIS", "LEFT KNEE", "CHEST_TO_PELVIS"})
        CHECK(judged(tomography(modality, part)).empty());
    for (const char* part : {"PEARL", "LIVER", "CHEST PEARL", "THYROID", "13", ""})
        CHECK(judged(tomography(modality, part)) == "unlisted_anatomy");
    CHECK(judged([](Facts& f) { f.recognizable_features = "YES"; }) == "risk_face");
}

TEST_CASE("coded regions and descriptions count as much as the body part") {
    const auto enhanced = [](std::vector<std::string> anatomy, const std::string& series = "") {
        return [=](Facts& f) {
            f.sop_class = "1.2.840.10008.5.1.4.1.1.4.1", f.modality = "MR", f.body_part = "";
            f.anatomy = anatomy, f.series_description = series;
        };
    };
    CHECK(judged(enhanced({"69536005", "Head"})) == "risk_face");
    CHECK(judged(enhanced({"T-A0100", "Gehirn"})) == "risk_face");
    CHECK(judged(enhanced({"51185008", "Thorax"})).empty());
    CHECK(judged(enhanced({"T-D4000", "Bauch"})).empty());
    CHECK(judged(enhanced({"T-D4000", "²³¹"})).empty());  // a name in Big5 that is said to be Latin-1
    CHECK(judged(enhanced({"51185008", "T-D3000", "69536005"})) == "risk_face");
    CHECK(judged(enhanced({"51185008", "99999"})) == "unlisted_anatomy");
    CHECK(judged(enhanced({})) == "unlisted_anatomy");
    CHECK(judged(enhanced({"51185008"}, "HEAD/NECK CTA")) == "risk_face");
    CHECK(judged(enhanced({"51185008"}, "incidental finding, temporal resolution")).empty());
}

TEST_CASE("a format that names no class passes only if somebody answers for it") {
    PixelPolicy policy;
    policy.by_class = false;
    CHECK(pixel_risk({}, policy)->reason == Reason::unlisted_anatomy);
    CHECK_FALSE(pixel_risk({}, policy, Declared::defaced));
    policy.allow_unknown_anatomy = true;
    CHECK_FALSE(pixel_risk({}, policy));
}

TEST_CASE("cone-beam volumes of the face are no radiographs") {
    CHECK(judged([](Facts& f) { f.sop_class = "1.2.840.10008.5.1.4.1.1.13.1.2", f.body_part = ""; }) ==
          "unlisted_anatomy");
}

TEST_CASE("what the hospital answers for is not looked at for faces, but for text") {
    CHECK(judged(tomography("MR", "BRAIN"), listing(), Declared::defaced).empty());
    CHECK(judged(tomography("CT", ""), listing(), Declared::phantom).empty());
    CHECK(judged([](Facts& f) { f.burned_in_annotation = "YES"; }, listing(), Declared::phantom) ==
          "risk_burned_in_text");
}

TEST_CASE("a policy allows what it names and nothing beside it") {
    const Change ultrasound = [](Facts& f) { f.modality = "US"; };
    const Change converted = [](Facts& f) { f.conversion_type = "WSD"; };
    const Change captured = [](Facts& f) { f.sop_class = "1.2.840.10008.5.1.4.1.1.7"; };
    const Change screen = [](Facts& f) { f.image_type = "DERIVED\\SECONDARY\\SCREEN SAVE"; };
    const Change other = [](Facts& f) { f.modality = "OT"; };
    const std::vector<std::pair<bool PixelPolicy::*, Change>> signs = {
        {&PixelPolicy::allow_ultrasound, ultrasound},
        {&PixelPolicy::allow_conversion_type, converted},
        {&PixelPolicy::allow_secondary_capture, captured},
        {&PixelPolicy::allow_screen, screen},
        {&PixelPolicy::allow_other_modality, other}};
    for (const auto& [allowed, ignored] : signs) {
        PixelPolicy policy = listing();
        policy.*allowed = true;
        for (const auto& [sign, change] : signs)
            CHECK(judged(change, policy) == (sign == allowed ? "" : "risk_burned_in_text"));
        CHECK(judged([](Facts& f) { f.burned_in_annotation = "YES"; }, policy) == "risk_burned_in_text");
    }
    PixelPolicy policy = listing();
    policy.need_burned_in_no = true;
    CHECK(judged([](Facts&) {}, policy) == "risk_burned_in_text");
    CHECK(judged([](Facts& f) { f.burned_in_annotation = "NO"; }, policy).empty());
    policy = listing();
    policy.allow_unknown_anatomy = true;
    CHECK(judged(tomography("CT", ""), policy).empty());
    CHECK(judged(tomography("CT", "HEAD"), policy) == "risk_face");
    policy.faces = FacePolicy::allow;
    CHECK(judged(tomography("CT", "HEAD"), policy).empty());
}

TEST_CASE("where faces are cut off volumes, heads go on to be looked at, with what the header says of them") {
    PixelPolicy policy = listing();
    policy.faces = FacePolicy::deface;
    const auto of = [&](const Change& change, Declared declared, bool is_volume) {
        Facts facts;
        facts.sop_class = "1.2.840.10008.5.1.4.1.1.4";
        facts.image_type = "ORIGINAL\\PRIMARY";
        change(facts);
        const auto rejection = pixel_risk(facts, policy, declared, is_volume);
        return std::pair(rejection ? std::string(reason_name(rejection->reason)) : "",
                         header_says(facts, policy, declared));
    };
    const auto none = Declared::nothing;
    using Found = std::pair<std::string, HeaderSays>;
    CHECK(of(tomography("MR", "HEAD"), none, true) == Found("", HeaderSays::face));
    CHECK(of(tomography("MR", "ELSEWHERE"), none, true) == Found("", HeaderSays::face));
    CHECK(of(tomography("MR", ""), none, true) == Found("", HeaderSays::nothing));
    CHECK(of(tomography("MR", "CHEST"), none, true) == Found("", HeaderSays::no_face));
    CHECK(of(tomography("MR", "HEAD"), Declared::defaced, true) == Found("", HeaderSays::answered));
    policy.allow_unknown_anatomy = true;  // it makes no finding of what says nothing
    CHECK(of(tomography("MR", ""), none, true) == Found("", HeaderSays::nothing));
    CHECK(of(tomography("MR", "CHEST"), none, true) == Found("", HeaderSays::no_face));
    policy.allow_unknown_anatomy = false;
    // Of a slice by itself nothing can be cut off.
    CHECK(of(tomography("MR", "HEAD"), none, false).first == "risk_face");
    CHECK(of(tomography("MR", ""), none, false).first == "unlisted_anatomy");
    // Text is refused as ever.
    CHECK(of([](Facts& f) { f.modality = "MR", f.burned_in_annotation = "YES"; }, none, true).first ==
          "risk_burned_in_text");
}

TEST_CASE("every class and every part of our tables is there once, and no head can be listed") {
    std::set<std::string_view> seen;
    for (const SopClass& row : sop_classes()) {
        CHECK(seen.insert(row.uid).second);
        CHECK(seen.insert(row.name).second);
        CHECK(row.shows != Shows::no_image);
    }
    PixelPolicy every = listing();
    every.body_parts.clear();
    for (const BodyPart& part : body_parts()) every.body_parts.emplace_back(part.term);
    for (const BodyPart& part : body_parts()) {
        CHECK_FALSE(names_a_head(part.term));
        CHECK(judged(tomography("CT", std::string(part.term)), every).empty());
        for (const std::string_view code : part.codes)
            if (!code.empty()) CHECK(find_body_part(code) != nullptr);
    }
}
