#include "staging/report/data_use.h"

#include <algorithm>
#include <iterator>

namespace staging {
namespace {

constexpr DataUseTerm kTerms[] = {
    {"DUO:0000004", "NRES", "no restriction", false, true},
    {"DUO:0000006", "HMB", "health or medical or biomedical research", false, true},
    {"DUO:0000007", "DS", "disease specific research", true, true},
    {"DUO:0000011", "POA", "population origins or ancestry research only", false, true},
    {"DUO:0000012", "RS", "research specific restrictions", true},
    {"DUO:0000015", "NMDS", "no general methods research", false},
    {"DUO:0000016", "GSO", "genetic studies only", false},
    {"DUO:0000018", "NPUNCU", "not for profit, non commercial use only", false},
    {"DUO:0000019", "PUB", "publication required", false},
    {"DUO:0000020", "COL", "collaboration required", false},
    {"DUO:0000021", "IRB", "ethics approval required", false},
    {"DUO:0000022", "GS", "geographical restriction", true},
    {"DUO:0000024", "MOR", "publication moratorium", true},
    {"DUO:0000025", "TS", "time limit on use", true},
    {"DUO:0000026", "US", "user specific restriction", true},
    {"DUO:0000027", "PS", "project specific restriction", true},
    {"DUO:0000028", "IS", "institution specific restriction", true},
    {"DUO:0000029", "RTN", "return to database or resource", false},
    {"DUO:0000042", "GRU", "general research use", false, true},
    {"DUO:0000043", "CC", "clinical care use", false},
    {"DUO:0000044", "NPOA", "population origins or ancestry research prohibited", false},
    {"DUO:0000045", "NPU", "not for profit organisation use only", false},
    {"DUO:0000046", "NCU", "non-commercial use only", false},
};

}  // namespace

std::span<const DataUseTerm> data_use_terms() noexcept {
    return kTerms;
}

const DataUseTerm* find_data_use(std::string_view code) noexcept {
    const auto* found = std::find_if(std::begin(kTerms), std::end(kTerms),
                                     [&](const DataUseTerm& one) { return one.code == code; });
    return found == std::end(kTerms) ? nullptr : found;
}

}  // namespace staging
