#include <algorithm>
#include <iterator>
#include <span>
#include <string>
#include <vector>

#include "staging/deid/anatomy.h"
#include "staging/deid/words.h"
#include "staging/read/text/converter.h"

namespace staging {
namespace {

// All words as plain_words() has them: upper case, no accents. Of each kind two rows: what shows a face, and the neck.
struct Words {
    std::span<const std::string_view> face, neck;
};

// As parts of any word: no other word that we know has them.
constexpr std::string_view kFaceStems[] = {
    "BRAIN",   "SKULL",    "FACIAL",  "CEREB",     "MAXILL",     "MANDIB",  "PITUIT",  "HYPOPHYS", "NASOPHAR",
    "PARANAS", "ENCEPHAL", "ENCEFAL", "INTRACR",   "CRANIO",     "CRANEO",  "CRANE",   "TEMPOROM", "PETROUS",
    "MASTOID", "ORBIT",    "SCHADEL", "SCHAEDEL",  "HIRN",       "GESICHT", "NEBENHO", "KIEFER",   "NASEN",
    "ZAHN",    "ZAEHN",    "FELSENB", "SCHLAFENB", "SCHLAEFENB", "CERVEAU", "VISAGE",  "OREILLE",  "MACHOIRE",
    "頭",      "头",       "腦",      "脑",        "脳",         "顱",      "颅",      "臉",       "脸",
    "顏面",    "颜面",     "顔",      "面部",      "眼",         "眶",      "鼻",      "耳",       "內聽道",
    "内听道",  "内聴道",   "口腔",    "牙",        "齒",         "齿",      "歯",      "顎",       "颚",
    "頜",      "颌",       "顳",      "颞",        "咽",         "垂體",    "垂体",    "蝶鞍",     "全身",
    "뇌",      "두부",     "머리",    "안면",      "얼굴",       "두개골",  "두개내",  "부비동",   "안와",
    "치아",    "측두골",   "하악",    "상악",      "비강"};
constexpr std::string_view kNeckStems[] = {"HALSWIRB", "頸", "颈", "頚", "경부", "경추"};

// As words, or joined with others of these and kBeside. HEART is none, nor is INCIDENTAL.
constexpr std::string_view kFaceWords[] = {
    "HEAD",      "FACE", "SINUS", "SINUSES", "CRANIAL", "CRANIUM", "NASAL", "NOSE",   "EAR",
    "EYE",       "IAC",  "IAM",   "JAW",     "TMJ",     "SELLA",   "TEETH", "DENTAL", "PNS",
    "WHOLEBODY", "KOPF", "AUGE",  "AUGEN",   "NASE",    "OHR",     "OHREN", "NNH",    "CCT",
    "TETE",      "YEUX", "OEIL",  "NEZ",     "CABEZA",  "CARA",    "OJO",   "NARIZ",  "OIDO"};
constexpr std::string_view kNeckWords[] = {"NECK", "CSPINE", "CAROTID", "NEURO",
                                           "HALS", "HWS",    "COU",     "CUELLO"};

// What such words are joined with, and tells of no part by itself.
constexpr std::string_view kBeside[] = {
    "CT",    "CTA",   "CTV",  "MR",   "MRI",   "MRA",       "MRT",     "MRV",    "PET",     "XR",
    "S",     "ES",    "SCAN", "BASE", "BONE",  "BONES",     "CHEST",   "ABD",    "ABDOMEN", "PELVIS",
    "SPINE", "FETAL", "PRE",  "POST", "ANGIO", "PERFUSION", "ROUTINE", "SPIRAL", "NATIV",   "TRAUMA"};

// Words behind one another.
constexpr std::string_view kFacePhrases[] = {"TEMPORAL BONE", "TEMPORAL BONES", "WHOLE BODY", "H N",
                                             "INTERNAL AUDITORY"};
constexpr std::string_view kNeckPhrases[] = {"C SPINE",         "CERVICAL SPINE",   "SPINE CERVICAL",
                                             "RACHIS CERVICAL", "COLUMNA CERVICAL", "COLONNE CERVICALE"};

// As parts of a word of Body Part Examined.
constexpr std::string_view kFaceParts[] = {"HEAD",  "FACE", "SINUS", "NASAL", "NOSE", "TEMPOR", "SELLA",
                                           "CRANI", "DENT", "TEETH", "WHOLE", "KOPF", "TETE",   "CABEZA"};
constexpr std::string_view kNeckParts[] = {"NECK", "CSPINE"};

// What sounds like a head and is none: phrases of whole words, ...
constexpr std::string_view kNoHead[] = {"METATARSAL HEAD",
                                        "METATARSAL HEADS",
                                        "METACARPAL HEAD",
                                        "METACARPAL HEADS",
                                        "HUMERAL HEAD",
                                        "HUMERAL HEADS",
                                        "HUMERUS HEAD",
                                        "FEMORAL HEAD",
                                        "FEMORAL HEADS",
                                        "FEMUR HEAD",
                                        "RADIAL HEAD",
                                        "RADIAL HEADS",
                                        "RADIUS HEAD",
                                        "ULNAR HEAD",
                                        "FIBULAR HEAD",
                                        "FIBULA HEAD",
                                        "PANCREATIC HEAD",
                                        "PANCREAS HEAD",
                                        "HEAD OF PANCREAS",
                                        "HEAD OF THE PANCREAS",
                                        "HEAD OF FEMUR",
                                        "HEAD OF THE FEMUR",
                                        "HEAD OF HUMERUS",
                                        "HEAD OF THE HUMERUS",
                                        "HEAD OF RADIUS",
                                        "HEAD OF THE RADIUS",
                                        "FEMORAL NECK",
                                        "FEMUR NECK",
                                        "NECK OF FEMUR",
                                        "NECK OF THE FEMUR",
                                        "HUMERAL NECK",
                                        "RADIAL NECK",
                                        "SURGICAL NECK",
                                        "PANCREATIC NECK",
                                        "BLADDER NECK",
                                        "GALLBLADDER NECK",
                                        "SINUS RHYTHM",
                                        "CORONARY SINUS",
                                        "SINUS OF VALSALVA",
                                        "SINUSES OF VALSALVA",
                                        "SINUS TARSI",
                                        "PILONIDAL SINUS",
                                        "CRANIO CAUDAL",
                                        "CRANEO CAUDAL",
                                        "BULL S EYE",
                                        "BULLS EYE",
                                        "EN FACE"};
// ... and parts of words, with what does not follow: the head itself does behind another bone.
struct NoHead {
    std::string_view stem, unless_before = {};
};
constexpr NoHead kNoHeadStems[] = {
    {"CRANIOCAUD"}, {"CRANEOCAUD"}, {"子宮頸"},     {"子宫颈"},   {"子宮頚"},   {"膀胱頸"},   {"膀胱颈"},
    {"膀胱頚"},     {"股骨頭頸"},   {"股骨头颈"},   {"股骨頸"},   {"股骨颈"},   {"股骨頭"},   {"股骨头"},
    {"大腿骨頭"},   {"大腿骨頸"},   {"大腿骨頚"},   {"肱骨頭"},   {"肱骨头"},   {"上腕骨頭"}, {"橈骨頭"},
    {"桡骨头"},     {"骨頭", "部"}, {"骨头", "部"}, {"胰頭"},     {"胰头"},     {"膵頭"},     {"乳頭"},
    {"乳头"},       {"探頭"},       {"探头"},       {"鏡頭"},     {"镜头"},     {"頭尾"},     {"头尾"},
    {"全身麻醉"},   {"全身麻酔"},   {"자궁경부"},   {"방광경부"}, {"대퇴경부"}, {"전신마취"}};

// Codes of CID 4 that show a face: head, head and neck, brain, skull, face, eye, orbit, sinuses, jaws, ear; and the neck.
constexpr std::string_view kFaceCodes[] = {
    "69536005",  "T-D1100", "774007",    "T-D1000", "12738006",  "T-A0100", "89546000",  "T-11100",
    "89545001",  "T-D1200", "81745001",  "T-AA000", "363654007", "T-D14AE", "2095001",   "T-22000",
    "91609006",  "T-11180", "70925003",  "T-11170", "117590005", "T-AB001", "1101003",   "T-D1400",
    "661005",    "T-D1213", "45206002",  "T-21000", "38266002",  "T-D0010", "417437006", "R-FAB52",
    "416319003", "R-FAB54", "416152001", "R-FAB53", "42575006",  "T-D1460", "53620006",  "T-15290"};
constexpr std::string_view kNeckCodes[] = {"45048000", "T-D1600", "122494005", "T-11501"};

bool among(std::string_view word, const auto& list) {
    return std::find(std::begin(list), std::end(list), word) != std::end(list);
}

bool has_any(std::string_view text, const auto& list) {
    return std::any_of(std::begin(list), std::end(list),
                       [&](std::string_view one) { return text.find(one) != std::string_view::npos; });
}

// The words, each between blanks; what is no head is cut out, and no word runs over the gap.
std::string spoken(std::string_view text) {
    std::string out = " ";
    for (const std::string& word : plain_words(text)) (out += word) += ' ';
    const auto cut = [&](std::size_t at, std::size_t length, std::string_view gap) {
        out.replace(at, length, gap);
        return at + gap.size() - 1;
    };
    for (const std::string_view one : kNoHead) {
        const std::string phrase = " " + std::string(one) + " ";
        for (std::size_t at = 0; (at = out.find(phrase, at)) != std::string::npos;)
            at = cut(at, phrase.size(), " | ");
    }
    for (const NoHead& one : kNoHeadStems)
        for (std::size_t at = 0; (at = out.find(one.stem, at)) != std::string::npos;) {
            const std::size_t behind = at + one.stem.size();
            const bool counts = one.unless_before.empty() ||
                                !std::string_view(out).substr(behind).starts_with(one.unless_before);
            at = counts ? cut(at, one.stem.size(), " | ") : behind;
        }
    return out;
}

bool has_phrase(std::string_view words, const auto& list) {
    return std::any_of(std::begin(list), std::end(list), [&](std::string_view one) {
        return words.find(" " + std::string(one) + " ") != std::string_view::npos;
    });
}

// Whether `word` is made of the words of our lists, one of them a head. Plurals and the like stand behind another.
bool is_joined(std::string_view word, Heads heads) {
    constexpr std::size_t kLongest = 64;
    if (word.size() > kLongest) return false;
    // What each beginning of it is made of.
    struct Made {
        bool others = false, head = false;
    };
    std::vector<Made> made(word.size() + 1);
    made[0].others = true;
    for (std::size_t at = 0; at < word.size(); ++at) {
        if (!made[at].others && !made[at].head) continue;
        const auto lay = [&](const auto& list, bool is_head) {
            for (const std::string_view one : list) {
                if (!word.substr(at).starts_with(one) || (at == 0 && one.size() < 2)) continue;
                Made& next = made[at + one.size()];
                next.head = next.head || made[at].head || is_head;
                next.others = next.others || (made[at].others && !is_head);
            }
        };
        lay(kFaceWords, true);
        lay(kNeckWords, heads == Heads::with_necks);
        lay(kBeside, false);
    }
    return made[word.size()].head;
}

bool speaks_of_a_head(std::string_view text, Heads heads) {
    const std::string words = spoken(text);
    const bool necks = heads == Heads::with_necks;
    if (has_any(words, kFaceStems) || (necks && has_any(words, kNeckStems))) return true;
    if (has_phrase(words, kFacePhrases) || (necks && has_phrase(words, kNeckPhrases))) return true;
    for (std::size_t at = 1; at < words.size();) {
        const std::size_t end = words.find(' ', at);
        if (is_joined(std::string_view(words).substr(at, end - at), heads)) return true;
        at = end + 1;
    }
    return false;
}

}  // namespace

bool names_a_head(std::string_view description, Heads heads) {
    std::string text;
    if (append_utf8(Encoding::utf8, description, text)) return speaks_of_a_head(text, heads);
    for (const Encoding encoding :
         {Encoding::big5, Encoding::gb18030, Encoding::shift_jis, Encoding::latin1}) {
        text.clear();
        if (append_utf8(encoding, description, text) && speaks_of_a_head(text, heads)) return true;
    }
    return false;
}

bool is_head_part(std::string_view body_part, Heads heads) {
    const std::string words = spoken(body_part);
    return has_any(words, kFaceParts) || (heads == Heads::with_necks && has_any(words, kNeckParts)) ||
           names_a_head(body_part, heads);
}

bool is_head_code(std::string_view code, Heads heads) {
    return among(code, kFaceCodes) || (heads == Heads::with_necks && among(code, kNeckCodes));
}

}  // namespace staging
