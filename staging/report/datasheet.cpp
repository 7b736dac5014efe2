#include <fmt/format.h>

#include "core/base/error.h"
#include "staging/report/card.h"
#include "staging/report/published.h"

namespace staging {
namespace {

using Json = nlohmann::ordered_json;

// A name from the manifest as plain text of a table's cell.
std::string plain(const std::string& text) {
    std::string out;
    for (const char c : text) {
        if (std::string_view("\\`*_{}[]<>()#+-!|").find(c) != std::string_view::npos) out += '\\';
        out += static_cast<unsigned char>(c) < 32 ? ' ' : c;
    }
    return out;
}

std::string shown(const Json& value) {
    if (value.is_string()) return plain(value.get<std::string>());
    return value.is_number_float() ? fmt::format("{:.6g}", value.get<double>()) : value.dump();
}

// The extremes are not told: each may be somebody's value.
std::string rounded(const Json& moments, const char* key, std::int64_t samples) {
    for (const char* needed : {key, "least", "greatest"})
        if (!moments.at(needed).is_number()) return "";
    const double range = moments.at("greatest").get<double>() - moments.at("least").get<double>();
    const auto told = published_mean(moments.at(key).get<double>(), range, samples);
    return told ? fmt::format("{:.6g}", *told) : "";
}

std::string row(const std::vector<std::string>& cells) {
    std::string out = "|";
    for (const std::string& cell : cells) out += " " + cell + " |";
    return out + "\n";
}

std::string table(const std::vector<std::string>& head, const std::vector<std::vector<std::string>>& rows) {
    std::string out = "\n" + row(head) + "|";
    for (std::size_t i = 0; i < head.size(); ++i) out += "---|";
    out += "\n";
    for (const auto& one : rows) out += row(one);
    return out + "\n";
}

std::string shape_of(const core::Field& field) {
    std::string out;
    for (const std::int64_t extent : field.shape) out += (out.empty() ? "" : " × ") + std::to_string(extent);
    return out.empty() ? "each sample's own" : out;
}

std::string composition(const core::Manifest& manifest, const Json& figures) {
    std::string out = fmt::format(
        "Samples: {}. Patients: {}. Counts are to the nearest ten, and \"<10\" where fewer; files: {}{}.\n",
        shown(figures.at("samples")), shown(figures.at("patients")), shown(figures.at("shards")),
        figures.at("bytes").is_null() ? "" : ", bytes in all, about: " + shown(figures.at("bytes")));
    std::vector<std::vector<std::string>> rows;
    for (const auto& [split, counts] : figures.at("splits").items())
        rows.push_back(
            {plain(split), shown(counts.value("samples", Json())), shown(counts.value("patients", Json()))});
    out += table({"split (by patient)", "samples", "patients"}, rows);
    rows.clear();
    for (const core::Field& field : manifest.schema.fields)
        rows.push_back({plain(field.name), std::string(core::name_of(field.dtype)), shape_of(field),
                        field.units.empty() ? "none" : plain(field.units)});
    out += "Each sample holds:\n" + table({"field", "elements", "shape", "unit"}, rows);
    rows.clear();
    for (const core::Column& column : manifest.schema.columns)
        rows.push_back({plain(column.name), std::string(core::name_of(column.type)),
                        column.names.empty() ? "" : std::to_string(column.names.size()) + " categories"});
    out += "and beside it:\n" + table({"column", "type", ""}, rows);
    rows.clear();
    for (const auto& [column, categories] : manifest.counts.items())
        for (const auto& [category, count] : categories.items())
            rows.push_back({plain(column), category.empty() ? "(missing)" : plain(category), shown(count)});
    if (!rows.empty()) out += "Samples by category:\n" + table({"column", "category", "samples"}, rows);
    rows.clear();
    for (const auto& [split, fields] : manifest.moments.items())
        for (const auto& [field, m] : fields.items())
            if (m.is_object()) {
                const auto samples = manifest.splits.at("samples").at(split).get<std::int64_t>();
                rows.push_back({plain(split), plain(field), rounded(m, "mean", samples),
                                rounded(m, "deviation", samples)});
            }
    if (!rows.empty())
        out += "Values of the fields, no finer than ten samples can move them:\n" +
               table({"split", "field", "mean", "deviation"}, rows);
    return out;
}

std::string preprocessing(const core::Manifest& manifest) {
    const Json& record = manifest.deidentification;
    std::string out = fmt::format(
        "De-identified under the profile {}, version {}, by {}: only what the profile names is there. Dates "
        "are "
        "moved back by up to {} days, by another number for each patient; identifiers are keyed "
        "pseudonyms.\n",
        plain(record.at("profile").at("name").get<std::string>()), shown(record.at("profile").at("version")),
        plain(record.at("software").get<std::string>()), shown(record.at("max_shift_days")));
    if (record.contains("text_in_pixels"))
        out += "Text that was found in pixels: " + shown(record.at("text_in_pixels")) + ".\n";
    std::vector<std::vector<std::string>> rows;
    for (const Json& method : record.at("methods")) {
        std::string columns;
        for (const Json& one : method.value("columns", Json::array()))
            columns += (columns.empty() ? "" : ", ") + shown(one);
        rows.push_back(
            {shown(method.at("scheme")), shown(method.at("code")), shown(method.at("meaning")), columns});
    }
    if (!rows.empty())
        out +=
            "Methods (DICOM (0012,0064)); an option was applied to the samples that have a value in one of "
            "its columns:\n" +
            table({"scheme", "code", "meaning", "columns"}, rows);
    const Json& risk = manifest.risk;
    if (risk.contains("k")) {
        std::string columns;
        for (const Json& one : risk.at("quasi_identifiers"))
            columns += (columns.empty() ? "" : ", ") + shown(one);
        out += fmt::format(
            "Patients who are alike in {} were counted: at least {} were asked for; patients in smaller "
            "groups: "
            "{}{}.\n",
            columns.empty() ? "nothing" : columns, shown(risk.at("k")), shown(risk.at("patients_below_k")),
            risk.at("suppressed").get<bool>() ? ", left out" : ", kept");
    }
    return out;
}

std::string distribution(const Card& card) {
    std::string out = "Terms: " + card.licence +
                      "\nAccess, upon application and within a trusted research "
                      "environment: " +
                      card.url + "\nUses (Data Use Ontology):\n\n";
    for (const Card::Use& use : card.uses)
        out += fmt::format("- {} ({}): {}{}\n", use.term->code, use.term->brief, use.term->label,
                           use.details.empty() ? "" : ". " + plain(use.details));
    return out;
}

}  // namespace

std::string datasheet(const Card& card, const core::Manifest& manifest, const core::Digest& manifest_sha256) {
    const Json figures = card_figures(manifest);
    const auto answer = [&](const char* key) {
        const auto found = card.answers.find(key);
        return found == card.answers.end() ? std::string() : plain(found->second) + "\n";
    };
    try {
        std::string out =
            fmt::format("# {}\n\n{}\n\n- Dataset: {}\n- Identifier: {}\n", plain(card.title),
                        plain(card.description), plain(manifest.id()), identifier_of(manifest_sha256));
        if (!card.identifier.empty()) out += "- Also known as: " + card.identifier + "\n";
        if (!card.citation.empty()) out += "- Cite as: " + plain(card.citation) + "\n";
        out += "- Published: " + card.published + "\n- Created by: " + plain(card.creator.name) + "\n";
        const auto section = [&](const char* heading, const std::string& text) {
            out += fmt::format("\n## {}\n\n{}", heading, text);
        };
        section("Motivation", answer("motivation"));
        section("Composition", composition(manifest, figures) + answer("composition"));
        section("Collection process", answer("collection"));
        section("Preprocessing, cleaning, labelling", preprocessing(manifest) + answer("preprocessing"));
        section("Uses", answer("uses") + (card.answers.contains("limitations") ? "\nLimits: " : "") +
                            answer("limitations"));
        section("Distribution", distribution(card) + answer("distribution"));
        section("Maintenance", answer("maintenance") + "\nQuestions: " + plain(card.contact.name) + ", " +
                                   card.contact.email + "\n");
        return out;
    } catch (const Json::exception&) {
        throw core::Error(core::Fault::data, "the manifest's records are not those that aloft-stage writes");
    }
}

}  // namespace staging
