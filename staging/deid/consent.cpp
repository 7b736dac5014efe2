#include "staging/deid/consent.h"

#include <algorithm>

#include "core/base/config.h"
#include "core/base/error.h"
#include "core/base/files.h"

namespace staging {
namespace {

constexpr std::uint64_t kMostBytes = 256 << 20;

// Who gave it out, as identify() takes it from a file (person.cpp).
std::string issuer_of(const core::Config& table, const std::string& site, const Description& delivery) {
    if (!table.has("issuer")) return site;
    const std::string written = folded(narrowed(core::view(table.text("issuer"))));
    if (!delivery.issuers) return site + '\0' + written;
    const auto found = delivery.issuers->find(written);
    if (found == delivery.issuers->end()) table.refuse("issuer", "none of the delivery's [issuers]");
    return found->second;
}

core::Id16 id_of(const core::Config& table, const PatientRule& rule, const std::string& written,
                 const std::string& issuer, const Description& delivery, const Pseudonyms& pseudonyms) {
    const core::ByteView raw = core::view(written);
    if (delivery.is_placeholder(raw)) table.refuse("identifiers", "one of them stands for nobody");
    // A hospital may use the national ID as its record number: the form decides.
    if (const auto number = national_id(raw))
        return pseudonyms.of("national-id", core::view("TW"), core::view(*number));
    if (rule.is_national_id) table.refuse("identifiers", "one of them is no national ID");
    const std::string text = delivery.normal(rule.kind, raw);
    if (text.empty()) table.refuse("identifiers", "one of them is empty");
    return pseudonyms.of(rule.kind == "record-number" ? rule.kind : "patient:" + rule.kind,
                         core::view(rule.everywhere ? std::string() : issuer), core::view(text));
}

}  // namespace

std::vector<LeftOutPerson> load_left_out(const std::filesystem::path& path, const std::string& site,
                                         const Definition& definition, const Pseudonyms& pseudonyms) {
    std::string text;
    try {
        text = core::read_text(path, kMostBytes);
    } catch (const core::Error& e) {
        throw core::Error(core::Fault::usage, e.what());
    }
    const core::Config file = core::Config::parse(text, path.string());
    std::vector<LeftOutPerson> out;
    const Description& delivery = definition.description(site);
    for (const bool opted_out : {true, false})
        for (const core::Config& table : file.tables(opted_out ? "opted_out" : "not_consented")) {
            const std::string kind = table.text("kind");
            const auto rule = std::ranges::find_if(
                definition.patient, [&](const PatientChoice& one) { return one.rule.kind == kind; });
            if (rule == definition.patient.end())
                table.refuse("kind", "the profile tells nobody by this kind of identifier");
            const std::string issuer = issuer_of(table, site, delivery);
            for (const std::string& written : table.texts("identifiers"))
                out.push_back({id_of(table, rule->rule, written, issuer, delivery, pseudonyms), opted_out});
        }
    file.finish();
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
}

}  // namespace staging
