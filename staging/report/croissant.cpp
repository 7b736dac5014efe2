#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "staging/report/card.h"

namespace staging {
namespace {

using Json = nlohmann::ordered_json;

// Appendix 1 of the specification, and the vocabularies that it names for what is said besides.
Json context() {
    Json out{{"@language", "en"},
             {"@vocab", "https://schema.org/"},
             {"sc", "https://schema.org/"},
             {"cr", "http://mlcommons.org/croissant/"},
             {"rai", "http://mlcommons.org/croissant/RAI/"},
             {"dct", "http://purl.org/dc/terms/"},
             {"conformsTo", "dct:conformsTo"}};
    for (const char* name :
         {"annotation",  "arrayShape",   "citeAs",        "column",     "containedIn", "equivalentProperty",
          "extract",     "field",        "fileProperty",  "fileObject", "fileSet",     "format",
          "includes",    "isArray",      "isLiveDataset", "jsonPath",   "key",         "md5",
          "parentField", "path",         "recordSet",     "references", "regex",       "repeated",
          "replace",     "samplingRate", "separator",     "source",     "subField",    "transform"})
        out[name] = std::string("cr:") + name;
    for (const char* name : {"data", "examples"})
        out[name] = {{"@id", std::string("cr:") + name}, {"@type", "@json"}};
    out["dataType"] = {{"@id", "cr:dataType"}, {"@type", "@vocab"}};
    for (const char* name : {"name", "description"}) out[name] = {{"@container", "@language"}};
    return out;
}

Json party(const Card::Party& one) {
    Json out{{"@type", "Organization"}, {"name", one.name}};
    if (!one.url.empty()) out["url"] = one.url;
    if (!one.email.empty()) out["email"] = one.email;
    return out;
}

Json usage(const Card& card) {
    auto out = Json::array();
    for (const Card::Use& use : card.uses) {
        const std::string number(use.term->code.substr(use.term->code.find(':') + 1));
        const std::string address = "http://purl.obolibrary.org/obo/DUO_" + number;
        Json term{{"@type", "DefinedTerm"},  {"@id", address},
                  {"name", use.term->label}, {"termCode", "DUO_" + number},
                  {"url", address},          {"inDefinedTermSet", "http://purl.obolibrary.org/obo/duo.owl"}};
        if (!use.details.empty()) term["description"] = use.details;
        out.push_back(std::move(term));
    }
    return out;
}

const char* type_of(core::DType type) {
    using core::DType;
    switch (type) {
        case DType::u8:
            return "cr:UInt8";
        case DType::i8:
            return "cr:Int8";
        case DType::u16:
            return "cr:UInt16";
        case DType::i16:
            return "cr:Int16";
        case DType::u32:
            return "cr:UInt32";
        case DType::i32:
            return "cr:Int32";
        case DType::i64:
            return "cr:Int64";
        case DType::f32:
            return "cr:Float32";
        case DType::f64:
            return "cr:Float64";
    }
    throw core::Error(core::Fault::bug, "an element type without a name in Croissant");
}

// A count, or "<10".
std::string word(const Json& count) {
    return count.is_string() ? count.get<std::string>() : count.dump();
}

Json source(const std::string& name) {
    return {{"fileSet", {{"@id", "shards"}}}, {"extract", {{"column", name}}}};
}

Json field_of(const core::Field& field) {
    std::string shape;
    // A sample of its own shape has 1 to 4 dimensions: nothing fixed can be said.
    for (const std::int64_t extent : field.shape)
        shape += (shape.empty() ? "" : ",") + std::to_string(extent);
    Json out{{"@type", "cr:Field"}, {"@id", "samples/" + field.name},
             {"name", field.name},  {"dataType", type_of(field.dtype)},
             {"isArray", true},     {"source", source("fields/" + field.name)}};
    if (!shape.empty()) out["arrayShape"] = shape;
    out["description"] = field.ragged() ? "Each sample has a shape of its own." : "Slowest dimension first.";
    if (!field.units.empty())
        out["description"] = out["description"].get<std::string>() + " Unit: " + field.units + ".";
    return out;
}

// Apart from the ids of samples and files, whatever a column's name is.
std::string enumeration_id(const core::Column& column) {
    return "category/" + column.name;
}

Json column_of(const core::Column& column) {
    Json out{{"@type", "cr:Field"}, {"@id", "samples/" + column.name}, {"name", column.name}};
    out["dataType"] = column.type == core::ColumnType::i64   ? "sc:Integer"
                      : column.type == core::ColumnType::f64 ? "sc:Float"
                                                             : "sc:Text";
    if (column.name == "split") out["dataType"] = {"sc:Text", "cr:Split"};
    if (column.name == "label") out["dataType"] = {out["dataType"], "cr:Label"};
    if (column.type == core::ColumnType::id16)
        out["description"] = "A keyed pseudonym: 16 bytes that tell nothing without the project's key.";
    if (column.type == core::ColumnType::category)
        out["references"] = {{"field", {{"@id", enumeration_id(column) + "/name"}}}};
    out["source"] = source("columns/" + column.name);
    return out;
}

// The categories of a column, and how many samples have each, as the manifest publishes it.
Json enumeration_of(const core::Column& column, const Json& counts) {
    const std::string id = enumeration_id(column);
    auto data = Json::array();
    const Json none = Json::object();
    const Json& known = counts.contains(column.name) ? counts.at(column.name) : none;
    const auto add = [&](const std::string& name, const std::string& shown) {
        const Json count = known.value(name, Json(0));
        data.push_back({{id + "/name", shown}, {id + "/samples", word(count)}});
    };
    for (const std::string& name : column.names) add(name, name);
    if (known.contains("")) add("", "(missing)");
    const auto field = [&](const char* name, const char* text) {
        return Json{{"@type", "cr:Field"},
                    {"@id", id + "/" + name},
                    {"name", name},
                    {"description", text},
                    {"dataType", "sc:Text"}};
    };
    return {{"@type", "cr:RecordSet"},
            {"@id", id},
            {"name", column.name},
            {"dataType", "sc:Enumeration"},
            {"key", {{"@id", id + "/name"}}},
            {"field",
             {field("name", "The category."),
              field("samples", "Samples of it: to the nearest ten, \"<10\" where fewer, 0 where none.")}},
            {"data", data}};
}

Json record_sets(const core::Manifest& manifest, const Json& figures) {
    auto fields = Json::array();
    for (const core::Field& field : manifest.schema.fields) fields.push_back(field_of(field));
    for (const core::Column& column : manifest.schema.columns) fields.push_back(column_of(column));
    const Json& samples = figures.at("samples");
    auto out = Json::array();
    // Counts are words, since "<10" is one.
    out.push_back(
        {{"@type", "cr:RecordSet"},
         {"@id", "samples"},
         {"name", "samples"},
         {"description", "One record for each sample. Samples, to the nearest ten: " + (word(samples))},
         {"field", fields}});
    for (const core::Column& column : manifest.schema.columns)
        if (column.type == core::ColumnType::category) out.push_back(enumeration_of(column, manifest.counts));
    return out;
}

}  // namespace

Json croissant(const Card& card, const core::Manifest& manifest, const core::Digest& manifest_sha256) {
    const Json figures = card_figures(manifest);
    Json out{{"@context", context()},
             {"@type", "sc:Dataset"},
             {"conformsTo", {"http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"}},
             {"name", card.title},
             {"description", card.description},
             {"alternateName", manifest.id()},
             {"version", manifest.version},
             {"identifier", Json::array({identifier_of(manifest_sha256)})},
             {"url", card.url},
             {"license", card.licence},
             {"datePublished", card.published},
             {"creator", party(card.creator)},
             {"maintainer", party(card.contact)},
             {"conditionsOfAccess", "Within a trusted research environment, upon application; see url."},
             {"usageInfo", usage(card)}};
    if (!card.identifier.empty()) {
        out["identifier"].push_back(card.identifier);
        out["sameAs"] = card.identifier;
    }
    if (!card.citation.empty()) out["citeAs"] = card.citation;
    if (!card.keywords.empty()) out["keywords"] = card.keywords;
    if (!card.languages.empty()) out["inLanguage"] = card.languages;
    for (const auto& [answer, property] :
         {std::pair("collection", "rai:dataCollection"),
          std::pair("preprocessing", "rai:dataPreprocessingProtocol"), std::pair("uses", "rai:dataUseCases"),
          std::pair("limitations", "rai:dataLimitations"),
          std::pair("maintenance", "rai:dataReleaseMaintenancePlan")})
        if (const auto found = card.answers.find(answer); found != card.answers.end())
            out[property] = found->second;
    out["distribution"] = {
        {{"@type", "cr:FileObject"},
         {"@id", "manifest.json"},
         {"name", "manifest.json"},
         {"description", "Names every shard by its digest. Inside the trusted research environment."},
         {"contentUrl", "manifest.json"},
         {"encodingFormat", "application/json"},
         {"sha256", core::to_hex(manifest_sha256)}},
        {{"@type", "cr:FileSet"},
         {"@id", "shards"},
         {"name", "shards"},
         {"description",
          "The samples, encrypted. They are opened inside the trusted research environment only. Files: " +
              word(figures.at("shards")) +
              (figures.at("bytes").is_null() ? "" : ", bytes, about: " + word(figures.at("bytes")))},
         {"encodingFormat", "application/x-hdf5"},
         {"includes", "shards/*.h5"}}};
    out["recordSet"] = record_sets(manifest, figures);
    return out;
}

}  // namespace staging
