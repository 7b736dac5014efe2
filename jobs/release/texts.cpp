#include "jobs/release/texts.h"

#include <algorithm>

#include "jobs/release/vocabulary.h"
#include "jobs/release/words.h"

namespace jobs {
namespace {

bool is_hex(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// Pseudonyms are 16 bytes: 32 hex digits, with or without hyphens. Half of one is as good.
bool looks_like_pseudonym(std::string_view text) {
    std::size_t run = 0, digits = 0;
    for (const char c : text) {
        run = is_hex(c) ? run + 1 : c == '-' ? run : 0;
        digits = run == 0 ? 0 : digits + (c >= '0' && c <= '9');
        if (run >= 16 && digits >= 2) return true;
    }
    return false;
}

// One term, no more: "n_positive" counts.
bool may_be_class(const std::string& key, Typed typed) {
    return typed == Typed::yes ? names_a_class(key) : key == "class" || key == "label" || key == "category";
}

bool names_a_model(const std::string& key) {
    const auto terms = terms_of(key);
    return std::any_of(terms.begin(), terms.end(),
                       [](const std::string& term) { return term == "model" || term == "models"; });
}

}  // namespace

std::string own_word(const std::string& word, bool is_name) {
    constexpr std::size_t kTerms = 2;
    return is_name || word.empty() || terms_of(word).size() > kTerms ? "" : " (" + word + ")";
}

Text refuse_text(std::string_view given, const Context& context) {
    Text text;
    text.kind = Text::Kind::refused;
    if ((context.is_pseudonym && context.is_pseudonym(given)) || looks_like_pseudonym(given)) {
        text.code = "pseudonym";
        text.change = "a pseudonym, or what looks like one; results are of groups, not of patients";
    } else if (given.find("://") != std::string_view::npos || given.starts_with("www.")) {
        text.code = "address";
        text.change = "an address; leave it out";
    } else if (!given.empty() && std::string_view("=+-@").find(given.front()) != std::string_view::npos) {
        text.code = "formula";
        text.change = "a spreadsheet would run it; leave it out";
    } else {
        text.code = "free-text";
        text.change =
            "no word that may leave: terms of statistics, names of the dataset, its columns and categories. "
            "The data owner may add one to [words] of release.toml";
    }
    return text;
}

Text read_text(std::string_view given, const std::string& key, const Context& context, Typed typed) {
    Text text;
    std::string trimmed(given);
    while (trimmed.ends_with(' ')) trimmed.pop_back();
    trimmed.erase(0, std::min(trimmed.find_first_not_of(' '), trimmed.size()));
    std::string lower = trimmed;
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    if (lower.empty() || lower == "nan" || lower == "na" || lower == "n/a" || lower == "null" || lower == "-")
        return text;
    if (key.ends_with("sha256")) {
        const auto digest = context.digests.find(lower);
        text.kind = digest == context.digests.end() ? Text::Kind::dropped : Text::Kind::word;
        if (digest != context.digests.end()) text.word = digest->second;
        text.bits = 1 + context.digests.size();
        return text;
    }
    if (context.is_pseudonym && context.is_pseudonym(trimmed)) return refuse_text(trimmed, context);
    auto word = context.vocabulary.find(trimmed);
    if (!word && names_a_model(key)) word = context.vocabulary.find_model(trimmed);
    const Looks looks = read_number(trimmed, text.number);
    // "3" is the name of a class where classes are named, and a number elsewhere.
    if (looks != Looks::no_number && !(word && word->is_name && may_be_class(key, typed))) {
        text.kind = Text::Kind::number;
        return text;
    }
    if (!word) return refuse_text(trimmed, context);
    text.kind = Text::Kind::word;
    text.word = word->text;
    text.bits = word->bits;
    text.is_name = word->is_name;
    return text;
}

}  // namespace jobs
