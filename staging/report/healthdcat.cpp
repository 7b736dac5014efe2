#include <nlohmann/json.hpp>

#include "staging/report/card.h"

namespace staging {
namespace {

using Json = nlohmann::ordered_json;

Json context() {
    return {{"adms", "http://www.w3.org/ns/adms#"},
            {"dcat", "http://www.w3.org/ns/dcat#"},
            {"dcatap", "http://data.europa.eu/r5r/"},
            {"dct", "http://purl.org/dc/terms/"},
            {"dpv", "https://w3id.org/dpv#"},
            {"foaf", "http://xmlns.com/foaf/0.1/"},
            {"healthdcatap", "http://healthdataportal.eu/ns/health#"},
            {"rdfs", "http://www.w3.org/2000/01/rdf-schema#"},
            {"vcard", "http://www.w3.org/2006/vcard/ns#"},
            {"xsd", "http://www.w3.org/2001/XMLSchema#"}};
}

Json node(const std::string& address) {
    return {{"@id", address}};
}

Json nodes(const std::vector<std::string>& addresses) {
    auto out = Json::array();
    for (const std::string& one : addresses) out.push_back(node(one));
    return out;
}

Json typed(const char* type, const Json& value) {
    return {{"@type", type}, {"@value", value}};
}

// A word of a vocabulary of the Publications Office of the European Union.
Json authority(const std::string& word) {
    return node("http://publications.europa.eu/resource/authority/" + word);
}

Json contact_of(const Card::Party& one, const std::string& url) {
    return {{"@type", {"vcard:Kind", "vcard:Organization"}},
            {"vcard:fn", one.name},
            {"vcard:hasURL", node(url)},
            {"vcard:hasEmail", node("mailto:" + one.email)}};
}

// Who it is, and how to reach them: a page and a mailbox (France's shapes), and a contact point (release 5 of the profile).
Json agent(const Card::Party& one) {
    Json out{{"@type", "foaf:Agent"}, {"foaf:name", one.name}};
    if (!one.url.empty()) out["foaf:homepage"] = node(one.url);
    if (!one.email.empty()) out["foaf:mbox"] = node("mailto:" + one.email);
    if (!one.url.empty() && !one.email.empty()) out["dcat:contactPoint"] = contact_of(one, one.url);
    return out;
}

Json publisher_of(const Card::Health& health) {
    Json out = agent(health.publisher);
    out["dct:type"] = out["healthdcatap:publisherType"] = node(health.publisher_type);
    out["dct:description"] = out["healthdcatap:publisherNote"] = health.publisher_note;
    out["healthdcatap:trustedDataHolder"] =
        typed("xsd:boolean", health.is_trusted_data_holder ? "true" : "false");
    return out;
}

// The profile asks for a size of every dataset; DCAT lets it be approximate. Where figures tell none, since sizes would tell how
// many samples there are: of a thousand samples as the schema has them, to the next power of ten. Nothing that was counted or
// written goes into it: a shard of one sample may have as many bytes as one of thirty, and their mean would tell which.
Json size_of(const core::Manifest& manifest, const Json& figures) {
    if (!figures.at("bytes").is_null()) return figures.at("bytes");
    constexpr std::uint64_t kOfAnyShape = 64 << 20, kOfColumn = 16;  // bytes of one sample
    std::uint64_t thousand = 1000 * kOfColumn * manifest.schema.columns.size();
    for (const core::Field& field : manifest.schema.fields)
        thousand += 1000 * (field.ragged() ? kOfAnyShape : static_cast<std::uint64_t>(field.sample_bytes()));
    std::uint64_t size = 1;
    while (size < thousand) size *= 10;
    return size;
}

Json count(const Json& figure) {
    return typed("xsd:nonNegativeInteger", figure.dump());
}

std::string rights_of(const Card& card) {
    std::string out = "Within a trusted research environment, upon application. Data Use Ontology: ";
    for (const Card::Use& use : card.uses) {
        out += (&use == &card.uses.front() ? "" : "; ") + std::string(use.term->code) + " " +
               std::string(use.term->label);
        if (!use.details.empty()) out += " (" + use.details + ")";
    }
    return out;
}

Json distribution_of(const Card& card, const core::Manifest& manifest, const Json& figures) {
    return {{"@type", "dcat:Distribution"},
            {"dct:description",
             "Encrypted shards. They are opened inside the trusted research environment only."},
            {"dcat:accessURL", node(card.url)},
            {"dcat:byteSize", count(size_of(manifest, figures))},
            {"dct:format", authority("file-type/HDF")},
            {"dct:license", node(card.licence)},
            {"dct:rights", {{"@type", "dct:RightsStatement"}, {"rdfs:label", rights_of(card)}}},
            {"dcatap:applicableLegislation", nodes(card.health->legislation)}};
}

}  // namespace

std::optional<Json> healthdcat(const Card& card, const core::Manifest& manifest,
                               const core::Digest& manifest_sha256) {
    if (!card.health) return std::nullopt;
    const Card::Health& health = *card.health;
    const Json figures = card_figures(manifest);
    const std::string identifier = identifier_of(manifest_sha256);
    Json out{{"@context", context()},
             {"@id", card.identifier.empty() ? identifier : card.identifier},
             {"@type", "dcat:Dataset"},
             {"dct:identifier", Json::array({typed("xsd:anyURI", identifier)})},
             {"dct:title", card.title},
             {"dct:alternative", manifest.id()},
             {"dct:description", card.description},
             {"dcat:version", manifest.version},
             {"dct:issued", typed("xsd:date", card.published)},
             {"dcat:keyword", card.keywords},
             {"dcat:landingPage", {{"@id", card.url}, {"@type", "foaf:Document"}}},
             {"dct:accessRights", authority("access-right/NON_PUBLIC")},
             {"dcat:theme", authority("data-theme/HEAL")},
             {"dct:type", authority("dataset-type/PERSONAL_DATA")},
             {"dcatap:applicableLegislation", nodes(health.legislation)},
             {"healthdcatap:healthCategory", nodes(health.categories)},
             {"healthdcatap:healthTheme", nodes(health.themes)},
             {"dct:spatial", nodes(health.places)},
             {"dpv:hasPurpose", {{"@type", "dpv:Purpose"}, {"dct:description", card.answers.at("uses")}}},
             {"dct:provenance",
              {{"@type", "dct:ProvenanceStatement"}, {"rdfs:label", card.answers.at("collection")}}},
             {"dct:creator", agent(card.creator)},
             {"dct:publisher", publisher_of(health)},
             {"healthdcatap:hdab", agent(health.access_body)},
             {"dcat:contactPoint",
              contact_of(card.contact, card.contact.url.empty() ? card.url : card.contact.url)},
             {"dcat:distribution", distribution_of(card, manifest, figures)},
             {"adms:sample",
              {{"@type", "dcat:Distribution"},
               {"dcat:accessURL", node(health.sample)},
               {"dcatap:applicableLegislation", nodes(health.legislation)}}}};
    if (!card.identifier.empty()) out["dct:identifier"].push_back(typed("xsd:anyURI", card.identifier));
    if (!health.legal_basis.empty()) out["dpv:hasLegalBasis"] = nodes(health.legal_basis);
    if (!health.personal_data.empty()) out["dpv:hasPersonalData"] = nodes(health.personal_data);
    if (!health.population.empty()) out["healthdcatap:populationCoverage"] = health.population;
    for (const auto& [figure, property] : {std::pair("samples", "healthdcatap:numberOfRecords"),
                                           std::pair("patients", "healthdcatap:numberOfUniqueIndividuals")})
        if (figures.at(figure).is_number()) out[property] = count(figures.at(figure));  // "<10" is no number
    return out;
}

}  // namespace staging
