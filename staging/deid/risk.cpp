#include "staging/deid/risk.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace staging {
namespace {

using namespace std::string_view_literals;

// PS3.6 annex A. A name alone would miss files whose modality was typed wrongly.
constexpr std::array kUltrasound = {"1.2.840.10008.5.1.4.1.1.3"sv,   "1.2.840.10008.5.1.4.1.1.3.1"sv,
                                    "1.2.840.10008.5.1.4.1.1.6"sv,   "1.2.840.10008.5.1.4.1.1.6.1"sv,
                                    "1.2.840.10008.5.1.4.1.1.6.2"sv, "1.2.840.10008.5.1.4.1.1.6.3"sv};
constexpr auto kSecondaryCapture = "1.2.840.10008.5.1.4.1.1.7"sv;  // and its multi-frame kinds, .7.1 to .7.4
constexpr std::array kTomography = {
    "1.2.840.10008.5.1.4.1.1.2"sv,   "1.2.840.10008.5.1.4.1.1.2.1"sv, "1.2.840.10008.5.1.4.1.1.2.2"sv,
    "1.2.840.10008.5.1.4.1.1.4"sv,   "1.2.840.10008.5.1.4.1.1.4.1"sv, "1.2.840.10008.5.1.4.1.1.4.3"sv,
    "1.2.840.10008.5.1.4.1.1.4.4"sv, "1.2.840.10008.5.1.4.1.1.128"sv, "1.2.840.10008.5.1.4.1.1.130"sv};

// Body parts that show a face, whole or in part (PS3.16 CID 4, and what scanners write).
constexpr std::array kHead = {"HEAD"sv,  "BRAIN"sv, "SKULL"sv,   "FACE"sv,   "FACIAL"sv,
                              "ORBIT"sv, "SINUS"sv, "MAXILLA"sv, "MANDIB"sv, "NASAL"sv,
                              "NOSE"sv,  "NECK"sv,  "TEMPOR"sv,  "PITUIT"sv, "SELLA"sv,
                              "CRANI"sv, "DENT"sv,  "TEETH"sv,   "WHOLE"sv};
constexpr std::array kHeadWords = {"EAR"sv, "EYE"sv, "IAC"sv, "JAW"sv, "TMJ"sv};  // as words: HEART is none

bool one_of(std::string_view word, const auto& list) {
    return std::find(list.begin(), list.end(), word) != list.end();
}

bool shows_head(std::string_view part) {
    for (const std::string_view word : kHead)
        if (part.find(word) != std::string_view::npos) return true;
    while (!part.empty()) {
        const std::size_t end = std::min(part.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ"), part.size());
        if (one_of(part.substr(0, end), kHeadWords)) return true;
        part.remove_prefix(std::min(end + 1, part.size()));
    }
    return false;
}

}  // namespace

std::optional<Rejection> pixel_risk(const Facts& facts, const PixelPolicy& policy) {
    constexpr Reason burned_in = Reason::risk_burned_in_text;
    const std::string modality = folded(facts.modality);
    if (folded(facts.burned_in_annotation) == "YES") return Rejection{burned_in, "BurnedInAnnotation"};
    if (!policy.allow_ultrasound &&
        (modality == "US" || modality == "IVUS" || one_of(facts.sop_class, kUltrasound)))
        return Rejection{burned_in, "ultrasound"};
    if (!policy.allow_secondary_capture) {
        if (facts.sop_class.starts_with(kSecondaryCapture) &&
            (facts.sop_class.size() == kSecondaryCapture.size() ||
             facts.sop_class[kSecondaryCapture.size()] == '.'))
            return Rejection{burned_in, "secondary_capture"};
        // Any conversion type means that the pixels came from film, paper, video or a workstation (PS3.3
        // C.8.6.1).
        if (!folded(facts.conversion_type).empty()) return Rejection{burned_in, "ConversionType"};
        const std::string type = folded(facts.image_type);
        // The second value says whether the image was made in the examination or afterwards (PS3.3
        // C.7.6.1.1.2).
        if (const auto made = part(type, 1); made && *made == "SECONDARY")
            return Rejection{burned_in, "ImageType"};
        for (const auto word : {"SCREEN"sv, "SECONDARY CAPTURE"sv, "SCANNED"sv, "DOSE"sv, "REPORT"sv})
            if (type.find(word) != std::string::npos) return Rejection{burned_in, "ImageType"};
    }
    if (!policy.allow_faces) {
        if (folded(facts.recognizable_features) == "YES")
            return Rejection{Reason::risk_face, "RecognizableVisualFeatures"};
        const bool tomography =
            modality == "CT" || modality == "MR" || modality == "PT" || one_of(facts.sop_class, kTomography);
        const std::string body_part = folded(facts.body_part);
        if (tomography && shows_head(body_part))
            return Rejection{Reason::risk_face, "BodyPartExamined"};
        if (tomography && body_part.empty() && !policy.allow_unknown_anatomy)
            return Rejection{Reason::risk_face, "unknown_anatomy"};
    }
    return std::nullopt;
}

}  // namespace staging
