#include "staging/deid/risk.h"

#include <algorithm>
#include <string_view>

#include "staging/deid/anatomy.h"

namespace staging {
namespace {

bool one_of(std::string_view word, std::initializer_list<std::string_view> list) {
    return std::find(list.begin(), list.end(), word) != list.end();
}

// The image type's values (PS3.3 C.7.6.1.1.2) that say where the pixels come from.
bool has_value(std::string_view image_type, std::initializer_list<std::string_view> wanted) {
    for (std::size_t n = 0;; ++n) {
        const auto value = part(image_type, n);
        if (!value) return false;
        if (one_of(*value, wanted)) return true;
    }
}

bool is_whole_slide(const SopClass* row) {
    return row && row->name == "VLWholeSlideMicroscopyImageStorage";
}

// Of a whole slide only what says so: the volume, or a thumbnail of it that is said to be without the label.
bool shows_specimen(std::string_view type, const Facts& facts) {
    const auto flavour = part(type, 2);
    return flavour == "VOLUME" || (flavour == "THUMBNAIL" && folded(facts.specimen_label) == "NO");
}

std::optional<Rejection> class_risk(const SopClass* row, const Facts& facts, const PixelPolicy& policy) {
    if (row && row->shows == Shows::no_image) return Rejection{Reason::not_selected, "SOPClassUID"};
    const bool listed =
        row ? std::find(policy.sop_classes.begin(), policy.sop_classes.end(), row) != policy.sop_classes.end()
            : std::find(policy.other_sop_classes.begin(), policy.other_sop_classes.end(), facts.sop_class) !=
                  policy.other_sop_classes.end();
    if (listed) return std::nullopt;
    // The name is one of our table's.
    return Rejection{Reason::unlisted_sop_class, row ? std::string(row->name) : "SOPClassUID"};
}

std::optional<Rejection> text_risk(const SopClass* row, const Facts& facts, const PixelPolicy& policy) {
    const auto risk = [](const char* sign) { return Rejection{Reason::risk_burned_in_text, sign}; };
    const std::string modality = folded(facts.modality), type = folded(facts.image_type);
    const std::string burned_in = folded(facts.burned_in_annotation);
    if (burned_in == "YES") return risk("BurnedInAnnotation");
    if (policy.need_burned_in_no && burned_in != "NO") return risk("BurnedInAnnotation");
    // The photographed label of a slide: the patient's name is printed on it (PS3.3 C.8.12.4.1.1).
    if (has_value(type, {"LABEL", "OVERVIEW"}) || (is_whole_slide(row) && !shows_specimen(type, facts)))
        return risk("ImageType");
    if (folded(facts.specimen_label) == "YES") return risk("SpecimenLabelInImage");
    if (!policy.allow_ultrasound &&
        (one_of(modality, {"US", "IVUS"}) || (row && row->shows == Shows::ultrasound)))
        return risk("ultrasound");
    if (!policy.allow_secondary_capture && row && row->shows == Shows::secondary)
        return risk("secondary_capture");
    // Any conversion type means film, paper, video or a workstation (PS3.3 C.8.6.1).
    if (!policy.allow_conversion_type && !folded(facts.conversion_type).empty())
        return risk("ConversionType");
    if (!policy.allow_screen)
        for (const char* word : {"SCREEN", "SECONDARY CAPTURE", "SCANNED", "DOSE", "REPORT", "PHOTO FILE",
                                 "PROTOCOL", "SOM5 PROT", "SOM7 PROT"})
            if (type.find(word) != std::string::npos) return risk("ImageType");
    if (!policy.allow_other_modality && one_of(modality, {"OT", "SC", "DOC", "HC", "PR", "KO", "SR"}))
        return risk("Modality");
    return std::nullopt;
}

std::optional<Rejection> face_risk(const SopClass* row, const Facts& facts, const PixelPolicy& policy,
                                   bool allow_unknown) {
    const auto face = [](const char* sign) { return Rejection{Reason::risk_face, sign}; };
    if (folded(facts.recognizable_features) == "YES") return face("RecognizableVisualFeatures");
    // A class that our table does not have can show anything; a modality can contradict its class.
    const bool surface = !row || row->shows == Shows::volume || row->shows == Shows::surface ||
                         row->shows == Shows::secondary || row->shows == Shows::mask ||
                         one_of(folded(facts.modality), {"CT", "MR", "PT", "XC", "ES", "OP"});
    // Ultrasound renders faces as well, but few of its files say what they show: of them a head counts that is named.
    if (!surface && (!row || row->shows != Shows::ultrasound)) return std::nullopt;
    const Heads heads = surface ? Heads::with_necks : Heads::alone;
    for (const std::string* text :
         {&facts.study_description, &facts.series_description, &facts.protocol_name})
        if (names_a_head(*text, heads)) return face("description");
    switch (anatomy_of(facts, policy, heads)) {
        case Anatomy::head:
            return face("anatomy");
        case Anatomy::unlisted:
            if (!surface) break;
            return Rejection{Reason::unlisted_anatomy, "anatomy"};
        case Anatomy::untold:
            if (!allow_unknown && surface) return Rejection{Reason::unlisted_anatomy, "untold"};
            break;
        case Anatomy::listed:
            break;
    }
    return std::nullopt;
}

}  // namespace

HeaderSays header_says(const Facts& facts, const PixelPolicy& policy, Declared declared) {
    if (policy.faces != FacePolicy::deface || declared != Declared::nothing) return HeaderSays::answered;
    // What says nothing says nothing, whatever is allowed of single images.
    const auto risk = face_risk(find_sop_class(facts.sop_class), facts, policy, false);
    if (!risk) return HeaderSays::no_face;
    return risk->detail == "untold" ? HeaderSays::nothing : HeaderSays::face;
}

std::optional<Rejection> pixel_risk(const Facts& facts, const PixelPolicy& policy, Declared declared,
                                    bool is_volume) {
    const SopClass* row = find_sop_class(facts.sop_class);
    if (policy.by_class) {
        if (const auto risk = class_risk(row, facts, policy)) return risk;
        if (const auto risk = text_risk(row, facts, policy)) return risk;
    }
    if (policy.faces == FacePolicy::allow || declared != Declared::nothing) return std::nullopt;
    if (policy.faces == FacePolicy::deface && is_volume) return std::nullopt;
    return face_risk(row, facts, policy, policy.allow_unknown_anatomy);
}

std::optional<Rejection> segmentation_risk(const Facts& facts, const PixelPolicy& policy, Declared declared) {
    if (folded(facts.burned_in_annotation) == "YES")
        return Rejection{Reason::risk_burned_in_text, "BurnedInAnnotation"};
    if (policy.faces == FacePolicy::allow || declared != Declared::nothing) return std::nullopt;
    if (folded(facts.recognizable_features) == "YES")
        return Rejection{Reason::risk_face, "RecognizableVisualFeatures"};
    return std::nullopt;
}

}  // namespace staging
