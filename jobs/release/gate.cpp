#include "jobs/release/gate.h"

#include <algorithm>

#include "core/base/error.h"
#include "jobs/release/canonical_csv.h"
#include "jobs/release/canonical_json.h"
#include "jobs/release/counts.h"
#include "jobs/release/figures.h"
#include "jobs/release/findings.h"
#include "jobs/release/json_tables.h"
#include "jobs/release/markdown.h"
#include "jobs/release/picture.h"
#include "jobs/release/regrouped.h"

namespace jobs {
namespace {

void check_against_earlier(const std::vector<CountCell>& now, const Context& context, Findings& findings) {
    for (const Finding& finding : check_differencing(now, context.earlier, context.rules.smallest_count))
        finding.weight == Finding::Weight::refuse ? findings.refuse(finding.code, "", finding.text)
                                                  : findings.flag(finding.code, "", finding.text);
}

std::vector<const Rates*> earlier_rates(const Context& context) {
    std::vector<const Rates*> out;
    for (const EarlierTable& table : context.earlier) out.push_back(&table.rates);
    return out;
}

// Of a JSON document or a table: what single counts tell, then what rates tell with confusions and with each other, then counts.
template <class Document>
void check_figures(Document& document, Lines lines, const Context& context, Findings& findings) {
    // Figures of its own matrices of two classes are judged together.
    const auto own_pairs = lines.pairs;
    lines.add(context.beside);
    const std::size_t of_request = lines.size();
    for (const EarlierTable& table : context.earlier) lines.add(table.lines);
    if (of_request > kMostLines || lines.size() > 10 * kMostLines)
        return findings.refuse(
            "not-solved", "",
            "rates beside more than " + std::to_string(kMostLines) +
                " rows and columns of confusions, or ten times as many with what this application "
                "has released: release fewer matrices");
    auto scopes = scopes_of(document);
    add_regrouped(scopes);
    const double sharpest = sharpest_figure(scopes);
    Lines for_counts = lines;
    std::erase_if(for_counts.pairs, [&](const ClassPair& pair) {
        return std::find(own_pairs.begin(), own_pairs.end(), pair) != own_pairs.end();
    });
    check_counts(scopes, for_counts, context.rules, findings);
    check_together(scopes, sharpest, lines, context.rules, findings);
    Rates rates = rates_of(document, context.rules);
    check_means(rates, earlier_rates(context), lines, context.rules, findings);
    check_against_earlier(counts_of(document, context.rules), context, findings);
}

Leaving leave(const char* type, const Findings& findings, const std::string& canonical,
              const std::string& rendered, std::uint64_t bits) {
    Leaving leaving;
    leaving.type = type;
    leaving.findings = findings.list();
    if (findings.refused()) return leaving;
    leaving.canonical = core::Bytes(canonical.begin(), canonical.end());
    leaving.rendered = rendered;
    leaving.bits = std::min<std::uint64_t>(bits, 8 * canonical.size());
    return leaving;
}

std::string too_large(std::uint64_t limit) {
    return "larger than " + std::to_string(limit) + " bytes";
}

std::uint64_t table_limit(const ReleaseRules& rules) {
    return rules.table_bytes;
}
std::uint64_t markdown_limit(const ReleaseRules& rules) {
    return static_cast<std::uint64_t>(rules.markdown_characters) * 8;
}
std::uint64_t picture_limit(const ReleaseRules&) {
    return 16 << 20;
}

}  // namespace

bool Leaving::refused() const {
    return std::any_of(findings.begin(), findings.end(),
                       [](const Finding& finding) { return finding.weight == Finding::Weight::refuse; });
}

Leaving prepare_json(core::ByteView bytes, const Context& context) {
    Findings findings;
    std::uint64_t bits = 0;
    if (bytes.size() > table_limit(context.rules))
        findings.refuse("size", "", too_large(table_limit(context.rules)));
    else if (auto document = read_json(core::text(bytes), context, findings, bits)) {
        if (!check_lists(*document, context, findings)) return leave("json", findings, "", "", 0);
        suppress_cells(*document, context.rules, findings);
        suppress_strata(*document, context.rules, findings);
        suppress_told(*document, earlier_rates(context), context.rules, findings);
        check_figures(*document, lines_of(*document, context.rules), context, findings);
        const std::string canonical = write_json(*document);
        return leave("json", findings, canonical, canonical, bits);
    }
    return leave("json", findings, "", "", 0);
}

Leaving prepare_csv(core::ByteView bytes, const Context& context) {
    Findings findings;
    std::uint64_t bits = 0;
    if (bytes.size() > table_limit(context.rules))
        findings.refuse("size", "", too_large(table_limit(context.rules)));
    else if (auto table = read_csv(core::text(bytes), context, findings, bits)) {
        check_figures(*table, {}, context, findings);
        return leave("csv", findings, write_csv(*table), render(*table), bits);
    }
    return leave("csv", findings, "", "", 0);
}

Leaving prepare_markdown(core::ByteView bytes, const Context& context) {
    Findings findings;
    std::uint64_t bits = 0;
    std::string canonical;
    if (bytes.size() > markdown_limit(context.rules))
        findings.refuse("size", "", too_large(markdown_limit(context.rules)));
    else if (auto text = read_markdown(core::text(bytes), context, findings, bits))
        canonical = *std::move(text);
    return leave("markdown", findings, canonical, canonical, bits);
}

Leaving prepare_png(core::ByteView bytes, const Context& context) {
    Findings findings;
    Picture picture;
    const std::uint64_t most = std::min<std::uint64_t>(context.rules.picture_bytes, kPictureLimitBytes);
    if (bytes.size() > picture_limit(context.rules)) {
        findings.refuse("size", "", too_large(picture_limit(context.rules)));
    } else {
        picture = redraw_apart(bytes, context.rules.picture_pixels, context.picture_program);
        if (picture.png.empty())
            findings.refuse("picture", "", picture.why);
        else if (picture.png.size() > most)
            findings.refuse("size", "",
                            "drawn anew it takes more than " + std::to_string(most) +
                                " bytes: a plot takes less, a photograph does not leave");
        findings.flag("picture", "", "a picture: look at it; no rule can tell what it shows");
    }
    std::string rendered = "A picture of " + std::to_string(picture.png.size()) + " bytes.\n";
    return leave("png", findings, std::string(core::text(picture.png)), rendered, 8 * picture.png.size());
}

const std::vector<GateType>& gate_types() {
    static const std::vector<GateType> kTypes = {
        {".json", "json", "application/json", prepare_json, table_limit},
        {".csv", "csv", "text/csv", prepare_csv, table_limit},
        {".md", "markdown", "text/markdown", prepare_markdown, markdown_limit},
        {".png", "png", "image/png", prepare_png, picture_limit},
    };
    return kTypes;
}

const GateType* gate_type(std::string_view name) {
    for (const GateType& type : gate_types())
        if (name.ends_with(type.extension) && name.size() > std::string_view(type.extension).size())
            return &type;
    return nullptr;
}

std::vector<Finding> check_name(const std::string& name, const Context& context) {
    const std::size_t dot = name.rfind('.');
    if (dot != std::string::npos && dot > 0 && context.vocabulary.find(std::string_view(name).substr(0, dot)))
        return {};
    return {{"", Finding::Weight::refuse, "name",
             "a file's name leaves with it: name it by terms (metrics, test_confusion, learning_curve) and "
             "names of the "
             "dataset"}};
}

namespace {

Context without_limits(const Context& context) {
    Context plain;
    plain.rules = context.rules;
    plain.rules.numbers = plain.rules.list_length = INT32_MAX;
    plain.vocabulary = context.vocabulary;
    return plain;
}

}  // namespace

EarlierTable earlier_table(const std::string& release, const std::string& type, core::ByteView canonical,
                           const Context& context) {
    EarlierTable table{release, {}, {}, {}};
    Findings ignored;  // it left under the rules of its time
    std::uint64_t bits = 0;
    const Context plain = without_limits(context);
    const auto take = [&](auto& document) {
        table.cells = counts_of(document, context.rules);
        table.rates = kept(rates_of(document, context.rules));
    };
    if (type == "json") {
        if (auto document = read_json(core::text(canonical), plain, ignored, bits)) {
            take(*document);
            table.lines = lines_of(*document, context.rules);
        }
    } else if (type == "csv") {
        if (auto parsed = read_csv(core::text(canonical), plain, ignored, bits)) take(*parsed);
    } else {
        return table;
    }
    // A word that is no longer in the vocabulary must not make an earlier release forgotten.
    if (ignored.refused())
        throw core::Error(core::Fault::refused,
                          "release " + release +
                              " cannot be compared: it has words that are no longer in the vocabulary; "
                              "add them to [words] of release.toml again");
    return table;
}

Lines lines_beside(const std::string& type, core::ByteView bytes, const Context& context) {
    Findings ignored;  // the file itself is judged by itself
    std::uint64_t bits = 0;
    if (type != "json" || bytes.size() > table_limit(context.rules)) return {};
    auto document = read_json(core::text(bytes), context, ignored, bits);
    if (!document) return {};
    suppress_cells(*document, context.rules, ignored);
    return lines_of(*document, context.rules);
}

Vocabulary vocabulary_of(const ReleaseRules& rules, const std::string& enclave) {
    Vocabulary vocabulary;
    for (const std::string& of : {std::string("all"), enclave})
        if (const auto words = rules.words.find(of); words != rules.words.end())
            for (const std::string& word : words->second) vocabulary.add(word);
    return vocabulary;
}

}  // namespace jobs
