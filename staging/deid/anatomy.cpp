#include "staging/deid/anatomy.h"

#include <algorithm>
#include <iterator>

#include "staging/deid/profile.h"
#include "staging/deid/words.h"

namespace staging {
namespace {

// Defined terms of Body Part Examined (PS3.16 annex L) for parts that show no face, whole or in part, with their
// codes in CID 4: SNOMED CT, then what SNOMED RT called them.
constexpr BodyPart kParts[] = {
    {"ABDOMEN", {"818981001", "113345001", "T-D4000"}},
    {"ABDOMENPELVIS", {"818982008", "R-FAB57"}},
    {"ADRENAL", {"23451007", "T-B3000"}},
    {"ANKLE", {"70258002", "T-15750"}},
    {"AORTA", {"15825003", "T-42000"}},
    {"AORTICARCH", {"57034009", "T-42300"}},
    {"ARM", {"40983000", "T-D8200"}},
    {"BACK", {"77568009", "T-D2100"}},
    {"BILEDUCT", {"28273000", "T-60610"}},
    {"BLADDER", {"89837001", "T-74000"}},
    {"BREAST", {"76752008", "T-04000"}},
    {"BRONCHUS", {"955009", "T-26000"}},
    {"BUTTOCK", {"46862004", "T-D2600"}},
    {"CALCANEUS", {"80144004", "T-12770"}},
    {"CERVIX", {"71252005", "T-83200"}},
    {"CHEST", {"816094009", "51185008", "T-D3000"}},
    {"CHESTABDOMEN", {"416550000", "R-FAB55"}},
    {"CHESTABDPELVIS", {"416775004", "R-FAB56"}},
    {"CLAVICLE", {"51299004", "T-12310"}},
    {"COCCYX", {"64688005", "T-11BF0"}},
    {"COLON", {"71854001", "T-59300"}},
    {"CORONARYARTERY", {"41801008", "T-43000"}},
    {"DUODENUM", {"38848004", "T-58200"}},
    {"ELBOW", {"16953009", "T-15430"}},
    {"ESOPHAGUS", {"32849002", "T-56000"}},
    {"EXTREMITY", {"66019005", "T-D0300"}},
    {"FEMUR", {"71341001", "T-12710"}},
    {"FIBULA", {"87342007", "T-12750"}},
    {"FINGER", {"7569003", "T-D8800"}},
    {"FOOT", {"56459004", "T-D9700"}},
    {"FOREARM", {"14975008", "T-D8500"}},
    {"GALLBLADDER", {"28231008", "T-63000"}},
    {"HAND", {"85562004", "T-D8700"}},
    {"HEART", {"80891009", "T-32000", "302509004"}},
    {"HIP", {"29836001", "T-D2500", "24136001", "T-15710"}},
    {"HUMERUS", {"85050009", "T-12410"}},
    {"ILEUM", {"34516001", "T-58600"}},
    {"ILIUM", {"22356005", "T-12340"}},
    {"JEJUNUM", {"21306003", "T-58400"}},
    {"KIDNEY", {"64033007", "T-71000"}},
    {"KNEE", {"72696002", "T-D9200", "49076000"}},
    {"LARGEINTESTINE", {"14742008", "T-59000"}},
    {"LEG", {"30021000", "T-D9400"}},
    {"LIVER", {"10200004", "T-62000"}},
    {"LOWERLIMB", {"61685007", "T-D9000"}},
    {"LSPINE", {"122496007", "T-11503"}},
    {"LSSPINE", {"1217253001"}},
    {"LUNG", {"39607008", "T-28000"}},
    {"MEDIASTINUM", {"72410000", "T-D3300"}},
    {"OVARY", {"15497006", "T-87000"}},
    {"PANCREAS", {"15776009", "T-65000"}},
    {"PATELLA", {"64234005", "T-12730"}},
    {"PELVIS", {"816092008", "12921003", "T-D6000"}},
    {"PENIS", {"18911002", "T-91000"}},
    {"PERINEUM", {"38864007", "T-D2700"}},
    {"PHANTOM", {"706342009", "R-FE0C7"}},
    {"PROSTATE", {"41216001", "T-92000"}},
    {"PULMONARYARTERY", {"81040000", "T-44000"}},
    {"RECTUM", {"34402009", "T-59600"}},
    {"RENALARTERY", {"2841007", "T-46600"}},
    {"RIB", {"113197003", "T-11300"}},
    {"SACRUM", {"54735007", "T-11AD0"}},
    {"SCAPULA", {"79601000", "T-12280"}},
    {"SCROTUM", {"20233005", "T-98000"}},
    {"SHOULDER", {"16982005", "T-D2220"}},
    {"SIJOINT", {"39723000", "T-15680"}},
    {"SMALLINTESTINE", {"30315005", "T-58000"}},
    {"SPLEEN", {"78961009", "T-C3000"}},
    {"SSPINE", {"54735007", "T-11AD0"}},
    {"STERNUM", {"56873002", "T-11210"}},
    {"STOMACH", {"69695003", "T-57000"}},
    {"TESTIS", {"40689003", "T-94000"}},
    {"THIGH", {"68367000", "T-D9100"}},
    {"THORACICAORTA", {"113262008", "T-42070"}},
    {"THUMB", {"76505004", "T-D8810"}},
    {"THYMUS", {"9875009", "T-C8000"}},
    {"TIBIA", {"12611008", "T-12740"}},
    {"TLSPINE", {"1217256009"}},
    {"TOE", {"29707007", "T-D9800"}},
    {"TSPINE", {"122495006", "T-11502"}},
    {"UPPERLIMB", {"53120007", "T-D8000"}},
    {"UTERUS", {"35039007", "T-83000"}},
    {"WRIST", {"74670003", "T-15460"}},
};

// Other words that scanners and people write for them, evened (words.h).
struct Spelling {
    std::string_view word, term;
};
constexpr Spelling kSpellings[] = {{"THORAX", "CHEST"},
                                   {"ABD", "ABDOMEN"},
                                   {"KIDNEYS", "KIDNEY"},
                                   {"LUNGS", "LUNG"},
                                   {"HANDS", "HAND"},
                                   {"FEET", "FOOT"},
                                   {"HIPS", "HIP"},
                                   {"KNEES", "KNEE"},
                                   {"RIBS", "RIB"},
                                   {"BREASTS", "BREAST"},
                                   {"CARDIAC", "HEART"},
                                   {"RENAL", "KIDNEY"},
                                   {"LUMBAR", "LSPINE"},
                                   {"TIBFIB", "TIBIA"},
                                   {"UPPERARM", "ARM"},
                                   {"LOWERLEG", "LEG"},
                                   {"LEGS", "LEG"},
                                   {"ESOPHAGEAL", "ESOPHAGUS"},
                                   {"EXTREMITIES", "EXTREMITY"},
                                   {"胸部", "CHEST"},
                                   {"腹部", "ABDOMEN"},
                                   {"骨盆", "PELVIS"},
                                   {"骨盆腔", "PELVIS"},
                                   {"心臟", "HEART"},
                                   {"肺", "LUNG"},
                                   {"肺部", "LUNG"},
                                   {"肝", "LIVER"},
                                   {"肝臟", "LIVER"},
                                   {"腎", "KIDNEY"},
                                   {"腎臟", "KIDNEY"},
                                   {"乳房", "BREAST"},
                                   {"攝護腺", "PROSTATE"},
                                   {"前列腺", "PROSTATE"},
                                   {"膝", "KNEE"},
                                   {"膝部", "KNEE"},
                                   {"膝關節", "KNEE"},
                                   {"髖", "HIP"},
                                   {"髖關節", "HIP"},
                                   {"肩", "SHOULDER"},
                                   {"肩部", "SHOULDER"},
                                   {"肩關節", "SHOULDER"},
                                   {"手", "HAND"},
                                   {"手部", "HAND"},
                                   {"手腕", "WRIST"},
                                   {"手肘", "ELBOW"},
                                   {"足", "FOOT"},
                                   {"足部", "FOOT"},
                                   {"腰椎", "LSPINE"},
                                   {"胸椎", "TSPINE"}};

// Words that say nothing about the part.
constexpr std::string_view kFillers[] = {"AND", "TO", "THE", "OF", "LEFT",  "RIGHT", "BILATERAL",
                                         "L",   "R",  "LT",  "RT", "UPPER", "LOWER", "BOTH"};

bool among(std::string_view word, const auto& list) {
    return std::find(std::begin(list), std::end(list), word) != std::end(list);
}

std::string_view term_of(std::string_view word, const PixelPolicy& policy) {
    const auto own = policy.spellings.find(std::string(word));
    if (own != policy.spellings.end()) return own->second;
    if (const BodyPart* part = find_body_part(word)) return part->term;
    for (const Spelling& spelling : kSpellings)
        if (spelling.word == word) return spelling.term;
    return {};
}

bool is_listed(std::string_view word, const PixelPolicy& policy) {
    const std::string_view term = term_of(word, policy);
    return !term.empty() && among(term, policy.body_parts);
}

}  // namespace

std::span<const BodyPart> body_parts() noexcept {
    return kParts;
}

const BodyPart* find_body_part(std::string_view term_or_code) noexcept {
    if (term_or_code.empty()) return nullptr;
    const auto* found = std::find_if(std::begin(kParts), std::end(kParts), [&](const BodyPart& part) {
        return part.term == term_or_code || among(term_or_code, part.codes);
    });
    return found == std::end(kParts) ? nullptr : found;
}

Anatomy anatomy_of(const Facts& facts, const PixelPolicy& policy, Heads heads) {
    bool listed = false, unlisted = false;
    const std::string part = evened(facts.body_part);
    bool head = is_head_part(facts.body_part, heads);
    if (is_listed(part, policy)) {  // also terms that the site spells with blanks
        listed = true;
    } else {
        for (const std::string& word : words_of(part))
            if (!among(word, kFillers)) (is_listed(word, policy) ? listed : unlisted) = true;
        unlisted = unlisted || (!part.empty() && !listed);
    }
    // Codes and meanings of regions. A meaning in a language that we do not read counts for nothing; its code does.
    for (const std::string& one : facts.anatomy) {
        const std::string word = evened(one);
        head = head || is_head_code(word, heads) || names_a_head(one, heads);
        if (is_listed(word, policy))
            listed = true;
        else if (one.find_first_of("0123456789") !=
                 std::string::npos)  // as written: NFKC makes digits of other signs
            unlisted = true;
    }
    if (head) return Anatomy::head;
    if (unlisted) return Anatomy::unlisted;
    return listed ? Anatomy::listed : Anatomy::untold;
}

}  // namespace staging
