#include "staging/report/card.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <regex>

#include "core/base/config.h"
#include "core/base/error.h"
#include "core/base/figures.h"
#include "core/base/time.h"

namespace staging {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kLongest = 4000;

// The questions of a datasheet: what must be answered, and what the manifest answers for the most part.
constexpr std::pair<const char*, bool> kAnswers[] = {
    {"motivation", true}, {"composition", false}, {"collection", true},    {"preprocessing", false},
    {"uses", true},       {"limitations", false}, {"distribution", false}, {"maintenance", true}};

// As it may stand in a file of its own: one paragraph of printing signs, none that a terminal, a page or a rendering obeys.
std::string checked_words(const core::Config& table, std::string_view key, const std::string& text) {
    if (text.size() > kLongest) table.refuse(key, "longer than 4000 bytes");
    bool is_plain = text.find_first_of("<>") == std::string::npos;
    const auto length = static_cast<std::int32_t>(text.size());
    for (std::int32_t i = 0; i < length;) {
        UChar32 sign = 0;
        U8_NEXT(text.data(), i, length, sign);
        // Neither control nor format (bidirectional), nor the end of a line or paragraph.
        const int kind = sign < 0 ? int{U_UNASSIGNED} : u_charType(sign);
        is_plain = is_plain && sign >= 0 && u_isprint(sign) != 0 && kind != U_LINE_SEPARATOR &&
                   kind != U_PARAGRAPH_SEPARATOR;
    }
    if (!is_plain) table.refuse(key, "expected one line of plain words, without < and >");
    return text;
}

std::string words(const core::Config& table, std::string_view key, bool is_needed = true) {
    const std::string text = is_needed ? table.text(key) : table.text_or(key, "");
    if (text.empty() && (is_needed || table.has(key))) table.refuse(key, "is empty");
    return checked_words(table, key, text);
}

std::vector<std::string> list_of_words(const core::Config& table, std::string_view key) {
    std::vector<std::string> out = table.texts(key);
    for (const std::string& one : out)
        if (checked_words(table, key, one).empty()) table.refuse(key, "one of them is empty");
    return out;
}

// BCP 47, as far as letters go: "en", "zh-Hant", "de-CH".
std::vector<std::string> languages_of(const core::Config& table) {
    static const std::regex kTag("[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*");
    std::vector<std::string> out = list_of_words(table, "languages");
    for (const std::string& one : out)
        if (one.size() > 35 || !std::regex_match(one, kTag))
            table.refuse("languages", "expected tags of languages (BCP 47), as in en or zh-Hant");
    return out;
}

void check_address(const core::Config& table, std::string_view key, const std::string& text) {
    const bool is_plain = text.find_first_of(" \"\\^`{|}()[]") == std::string::npos;
    if (!(text.starts_with("https://") || text.starts_with("http://")) || !is_plain)
        table.refuse(key, "expected an address, as in https://data.example.org/digits");
}

std::string address(const core::Config& table, std::string_view key, bool is_needed) {
    std::string text = words(table, key, is_needed);
    if (!text.empty()) check_address(table, key, text);
    return text;
}

std::vector<std::string> addresses(const core::Config& table, std::string_view key, bool is_needed) {
    std::vector<std::string> out = list_of_words(table, key);
    for (const std::string& one : out) check_address(table, key, one);
    if (out.empty() && is_needed) table.refuse(key, "missing; expected a list of addresses");
    return out;
}

enum class Reached { somehow, by_email, by_all };

Card::Party party(const core::Config& table, Reached reached) {
    Card::Party out{words(table, "name"), address(table, "url", reached == Reached::by_all),
                    words(table, "email", reached != Reached::somehow)};
    if (!out.email.empty() && (out.email.find('@') == std::string::npos ||
                               out.email.find_first_of(" \"\\^`{|}()[]") != std::string::npos))
        table.refuse("email", "expected an address of e-mail");
    return out;
}

Card::Health health_of(const core::Config& table) {
    Card::Health out;
    out.legislation = addresses(table, "legislation", true);
    out.categories = addresses(table, "categories", true);
    out.themes = addresses(table, "themes", true);
    out.places = addresses(table, "places", true);
    out.sample = address(table, "sample", true);
    out.legal_basis = addresses(table, "legal_basis", false);
    out.personal_data = addresses(table, "personal_data", false);
    out.population = words(table, "population", false);
    const core::Config publisher = table.table("publisher");
    out.publisher = party(publisher, Reached::by_all);
    out.publisher_type = address(publisher, "type", true);
    out.publisher_note = words(publisher, "note");
    if (!publisher.has("trusted_data_holder"))
        publisher.refuse("trusted_data_holder", "missing; true or false");
    out.is_trusted_data_holder = publisher.flag_or("trusted_data_holder", false);
    out.access_body = party(table.table("access_body"), Reached::by_all);
    return out;
}

std::vector<Card::Use> uses_of(const core::Config& table) {
    std::vector<Card::Use> out;
    const core::Config details = table.table("details");
    for (const std::string& code : table.texts("terms")) {
        const DataUseTerm* term = find_data_use(code);
        if (!term) {
            std::vector<std::string> known;
            for (const DataUseTerm& one : data_use_terms()) known.emplace_back(one.code);
            const auto near = core::nearest(code, known);
            table.refuse("terms", "expected terms of the Data Use Ontology, as in DUO:0000042" +
                                      (near ? "; did you mean " + *near + "?" : std::string()));
        }
        if (std::any_of(out.begin(), out.end(), [&](const Card::Use& one) { return one.term == term; }))
            table.refuse("terms", code + " stands twice");
        if (term->needs_details && !details.has(code))
            details.refuse(code, "missing; " + std::string(term->label) + ": which?");
        out.push_back({term, details.has(code) ? words(details, code) : ""});
    }
    if (out.empty()) table.refuse("terms", "missing; expected terms of the Data Use Ontology");
    const auto has = [&](std::string_view code) {
        return std::any_of(out.begin(), out.end(),
                           [&](const Card::Use& one) { return one.term->code == code; });
    };
    const auto permissions =
        std::count_if(out.begin(), out.end(), [](const Card::Use& one) { return one.term->is_permission; });
    if (permissions != 1)
        table.refuse("terms", "expected one permission (NRES, GRU, HMB, DS or POA), and modifiers of it");
    if (has("DUO:0000004") && out.size() > 1)
        table.refuse("terms", "no restriction (DUO:0000004) stands by itself");
    if (has("DUO:0000011") && has("DUO:0000044"))
        table.refuse("terms", "ancestry research only (DUO:0000011), and prohibited (DUO:0000044)");
    return out;
}

}  // namespace

Card Card::load(const std::filesystem::path& path) {
    const core::Config file = core::Config::load(path);
    Card card;
    card.dataset = words(file, "dataset");
    card.title = words(file, "title");
    card.description = words(file, "description");
    card.url = address(file, "url", true);
    card.licence = address(file, "licence", true);
    card.version = file.integer("version");
    card.published = words(file, "published");
    try {
        core::parse_rfc3339(card.published + "T00:00:00Z");
    } catch (const core::Error&) {
        file.refuse("published", "expected a date, as in 2026-11-27");
    }
    card.identifier = address(file, "identifier", false);
    card.citation = words(file, "citation", false);
    card.keywords = list_of_words(file, "keywords");
    card.languages = languages_of(file);
    card.creator = party(file.table("creator"), Reached::somehow);
    card.contact = party(file.table("contact"), Reached::by_email);
    card.uses = uses_of(file.table("use"));
    const core::Config sheet = file.table("datasheet");
    for (const auto& [key, is_needed] : kAnswers)
        if (std::string text = words(sheet, key, is_needed); !text.empty())
            card.answers[key] = std::move(text);
    if (file.has("health")) {
        card.health = health_of(file.table("health"));
        if (card.keywords.empty())
            file.refuse("keywords", "missing; a catalogue of health data asks for one");
    }
    file.finish();
    return card;
}

std::string identifier_of(const core::Digest& manifest_sha256) {
    std::string text = core::to_base64(manifest_sha256);
    for (char& c : text)
        c = c == '+' ? '-' : c == '/' ? '_' : c;  // base64url (RFC 4648 section 5), no padding
    return "ni:///sha-256;" + text.substr(0, text.find('='));
}

Json card_figures(const core::Manifest& manifest) {
    Json out = core::version_figures({{"samples", manifest.samples()},
                                      {"shards", manifest.shards()},
                                      {"bytes", manifest.bytes()},
                                      {"splits", manifest.splits}});
    if (out.at("patients").is_null())
        throw core::Error(core::Fault::data, "the manifest does not say how many patients are in each split");
    return out;
}

}  // namespace staging
