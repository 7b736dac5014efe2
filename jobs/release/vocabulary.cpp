#include "jobs/release/vocabulary.h"

#include <algorithm>
#include <bit>
#include <cctype>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "jobs/release/words.h"

namespace jobs {
namespace {

constexpr std::size_t kNameBytes = 64, kTermsInWord = 6, kPartsInName = 4, kIndexDigits = 4;

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    return out;
}

std::string_view trim(std::string_view text) {
    while (text.starts_with(' ')) text.remove_prefix(1);
    while (text.ends_with(' ')) text.remove_suffix(1);
    return text;
}

bool is_number(std::string_view text) {
    return !text.empty() &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::string fit_name_or_why(std::string_view name) {
    if (name.empty() || name.size() > kNameBytes) return "must have 1 to 64 bytes";
    // A spreadsheet runs what begins so (CWE-1236).
    if (std::string_view("=+-@\t\r").find(name.front()) != std::string_view::npos)
        return "must not begin with = + - or @: a spreadsheet would run it";
    for (const char c : name)
        if (static_cast<unsigned char>(c) < 32 || c == 127) return "must not hold control characters";
    if (name.find("://") != std::string_view::npos) return "must not be an address";
    return "";
}

}  // namespace

std::vector<std::string> terms_of(std::string_view word) {
    std::vector<std::string> terms;
    std::string term;
    for (const char c : lower(word) + " ") {
        if (std::string_view("_-./: ()[]").find(c) == std::string_view::npos) {
            term += c;
        } else if (!term.empty()) {
            terms.push_back(std::exchange(term, ""));
        }
    }
    return terms;
}

void Vocabulary::add(const std::string& name) {
    if (const std::string why = fit_name_or_why(name); !why.empty())
        throw core::Error(core::Fault::usage, "[words]: a name that may leave " + why);
    names_.emplace(lower(name), name);
}

void Vocabulary::add_manifest(const nlohmann::json& manifest) {
    const auto take = [this](const nlohmann::json& name) {
        if (name.is_string() && fit_name_or_why(name.get_ref<const std::string&>()).empty())
            add(name.get<std::string>());
    };
    if (!manifest.is_object()) return;
    const auto dataset = manifest.find("dataset"), version = manifest.find("version");
    if (dataset != manifest.end() && dataset->is_string()) {
        take(*dataset);
        if (find_name(dataset->get<std::string>())) datasets_.insert(lower(dataset->get<std::string>()));
        if (version != manifest.end() && version->is_string())
            take(dataset->get<std::string>() + "@" + version->get<std::string>());
    }
    const auto schema = manifest.find("schema");
    const nlohmann::json& holder = schema != manifest.end() ? *schema : manifest;
    if (!holder.is_object()) return;
    for (const char* part : {"columns", "fields"}) {
        const auto list = holder.find(part);
        if (list == holder.end() || !list->is_array()) continue;
        for (const nlohmann::json& each : *list) {
            if (!each.is_object()) continue;
            if (const auto name = each.find("name"); name != each.end()) take(*name);
            if (const auto names = each.find("names"); names != each.end() && names->is_array())
                for (const nlohmann::json& category : *names) take(category);
        }
    }
}

std::optional<Vocabulary::Word> Vocabulary::find_name(std::string_view given) const {
    Word word;
    word.is_name = true;
    std::size_t parts = 0;
    for (;;) {
        const std::size_t star = given.find('*');
        const std::string part = lower(trim(given.substr(0, star)));
        const auto found = names_.find(part);
        if (found == names_.end() && part != "(missing)") {
            // "site*vendor": terms may stand in such a pair, too.
            const auto terms = find_terms(part);
            if (!terms || (star == std::string_view::npos && parts == 0)) return std::nullopt;
            word.text += terms->text;
            word.bits += terms->bits;
        } else {
            word.text += found == names_.end() ? part : found->second;
        }
        word.bits += std::bit_width(names_.size() + 2) + 1;
        if (star == std::string_view::npos) return word;
        // As the trainer writes them: keys without spaces, values with.
        word.text += given.find(" * ") != std::string_view::npos ? " * " : "*";
        given.remove_prefix(star + 1);
        if (++parts >= kPartsInName) return std::nullopt;
    }
}

std::optional<Vocabulary::Word> Vocabulary::find_terms(std::string_view given) const {
    if (given.size() > kNameBytes) return std::nullopt;
    const std::vector<std::string> terms = terms_of(given);
    if (terms.empty() || terms.size() > kTermsInWord) return std::nullopt;
    Word word;
    for (std::size_t i = 0; i < terms.size(); ++i) {
        const bool index =
            i > 0 && is_number(terms[i]) && terms[i].size() <= kIndexDigits && is_index_term(terms[i - 1]);
        std::string text = terms[i];
        if (index) {
            text.erase(0, std::min(text.find_first_not_of('0'), text.size() - 1));
        } else if (!is_term(text)) {
            // "fold3", "top5": a number that grew to its term.
            const std::size_t digit = text.find_first_of("0123456789");
            if (digit == 0 || digit == std::string::npos || text.size() - digit > kIndexDigits ||
                !is_number(std::string_view(text).substr(digit)) || text[digit] == '0' ||
                !is_index_term(std::string_view(text).substr(0, digit)))
                return std::nullopt;
            word.bits += 14;
        }
        word.text += (i ? "_" : "") + text;
        word.bits += std::bit_width(term_count()) + 14 * index + 2;
    }
    return word;
}

std::optional<Vocabulary::Word> Vocabulary::find(std::string_view given) const {
    if (given.size() > kPartsInName * (kNameBytes + 3)) return std::nullopt;
    if (auto name = find_name(given)) return name;
    return find_terms(given);
}

std::optional<Vocabulary::Word> Vocabulary::find_model(std::string_view given) const {
    if (given.size() > 2 * kNameBytes) return std::nullopt;
    const std::string text = lower(given);
    for (const std::string& dataset : datasets_) {
        const std::size_t at = dataset.size();
        if (!text.starts_with(dataset) || text.size() <= at + 1 || (text[at] != '-' && text[at] != '_'))
            continue;
        auto word = find_terms(std::string_view(text).substr(at + 1));
        if (!word) continue;
        word->text = names_.at(dataset) + text[at] + word->text;
        word->bits += std::bit_width(datasets_.size()) + 1;
        return word;
    }
    return std::nullopt;
}

}  // namespace jobs
