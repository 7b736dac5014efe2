#include "jobs/cli/recognised.h"

#include <string.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "core/base/message.h"

namespace jobs {
namespace {

using Places = std::vector<std::string>;

constexpr std::string_view kCut = "...", kComma = ", ", kColon = ": ", kMore = " more such places)";
constexpr std::size_t kLeastOfCut = 20, kMostListed = 64, kMostColons = 8;

// What stands around the places of a sound format; nothing if a place is named.
std::optional<std::vector<std::string>> literals_of(std::string_view format) {
    std::vector<std::string> literals(1);
    for (std::size_t at = 0; at < format.size(); ++at) {
        const std::string_view two = format.substr(at, 2);
        if (two == "{}")
            literals.emplace_back();
        else if (two == "{{" || two == "}}")
            literals.back() += format[at];
        else if (format[at] == '{' || format[at] == '}')
            return std::nullopt;
        else {
            literals.back() += format[at];
            continue;
        }
        ++at;
    }
    return literals;
}

// What is looked for is a part of the catalogue, and short; glibc's memmem is fast also where the text has much that is like it.
std::size_t find_in(std::string_view text, std::string_view part) {
    if (part.empty()) return 0;
    const void* found = ::memmem(text.data(), text.size(), part.data(), part.size());
    return found ? static_cast<std::size_t>(static_cast<const char*>(found) - text.data())
                 : std::string_view::npos;
}

// The first of each literal will do: if a text has them all in order, it has them so.
std::optional<Places> places_in(std::string_view text, const std::vector<std::string>& literals) {
    const std::string &first = literals.front(), &last = literals.back();
    if (literals.size() == 1) return text == first ? std::optional(Places{}) : std::nullopt;
    if (text.size() < first.size() + last.size() || !text.starts_with(first) || !text.ends_with(last))
        return std::nullopt;
    std::string_view rest = text.substr(first.size(), text.size() - first.size() - last.size());
    Places places;
    for (std::size_t i = 1; i + 1 < literals.size(); ++i) {
        const std::size_t at = find_in(rest, literals[i]);
        if (at == std::string_view::npos) return std::nullopt;
        places.emplace_back(rest.substr(0, at));
        rest.remove_prefix(at + literals[i].size());
    }
    places.emplace_back(rest);
    return places;
}

// How much of `part`'s beginning `text` ends with; not all of it.
std::size_t begun_at_end(std::string_view text, std::string_view part) {
    std::size_t most = std::min(text.size(), part.size() - 1);
    while (most > 0 && !text.ends_with(part.substr(0, most))) --most;
    return most;
}

struct Begun {
    Places places;
    std::size_t literal_bytes = 0;
};
// The same of a text of which only the beginning is there. What is lost of a place is "...".
std::optional<Begun> begun_with(std::string_view text, const std::vector<std::string>& literals) {
    const std::string& first = literals.front();
    const std::size_t count = literals.size() - 1;
    Begun begun;
    if (text.size() < first.size()) {
        if (!first.starts_with(text)) return std::nullopt;
        return Begun{Places(count, std::string(kCut)), text.size()};
    }
    if (!text.starts_with(first)) return std::nullopt;
    begun.literal_bytes = first.size();
    text.remove_prefix(first.size());
    for (std::size_t i = 1; i <= count; ++i) {
        const std::string& literal = literals[i];
        const std::size_t at = literal.empty() ? std::string_view::npos : find_in(text, literal);
        if (at == std::string_view::npos) {
            const std::size_t part = literal.empty() ? 0 : begun_at_end(text, literal);
            begun.places.push_back(std::string(text.substr(0, text.size() - part)) +
                                   (part ? "" : std::string(kCut)));
            begun.places.resize(count, std::string(kCut));
            begun.literal_bytes += part;
            return begun;
        }
        begun.places.emplace_back(text.substr(0, at));
        begun.literal_bytes += literal.size();
        text.remove_prefix(at + literal.size());
    }
    return std::nullopt;  // all of it is there, and more
}

}  // namespace

Recogniser::Recogniser(const std::vector<core::Translation>& all) {
    for (const core::Translation& one : all) {
        auto literals = literals_of(one.english);
        if (!literals || !core::Message{one.other, Places(literals->size() - 1)}.fits()) continue;
        Form form{one, *std::move(literals)};
        for (const std::string& literal : form.literals) form.literal_bytes += literal.size();
        if (form.literal_bytes > 0) forms_.push_back(std::move(form));
    }
    std::ranges::sort(forms_, [](const Form& a, const Form& b) {
        return std::tuple(b.literal_bytes, a.literals.size(), std::string_view(a.texts.english)) <
               std::tuple(a.literal_bytes, b.literals.size(), std::string_view(b.texts.english));
    });
}

std::optional<std::string> Recogniser::recognise(std::string_view text) const {
    Told best = whole(text), other = list(text);
    if (other.literal_bytes >= best.literal_bytes) best = std::move(other);
    if (best.literal_bytes == 0) best = cut(text);
    return best.literal_bytes ? std::optional(std::move(best.text)) : std::nullopt;
}

Recogniser::Told Recogniser::whole(std::string_view text) const {
    for (const Form& form : forms_)
        if (auto places = places_in(text, form.literals))
            return {core::Message{form.texts.other, *std::move(places)}.english(), form.literal_bytes};
    return {};
}

Recogniser::Told Recogniser::list(std::string_view text) const {
    Told all;
    for (std::size_t listed = 0; listed < kMostListed; ++listed) {
        const std::size_t comma = text.find(kComma);
        const Told part = whole(text.substr(0, comma));
        all.text += part.literal_bytes ? part.text : std::string(text.substr(0, comma));
        all.literal_bytes += part.literal_bytes;
        if (comma == std::string_view::npos) return all;
        all.text += kComma;
        text.remove_prefix(comma + kComma.size());
    }
    return {};
}

Recogniser::Told Recogniser::cut(std::string_view text) const {
    if (!text.ends_with(kCut)) return {};
    text.remove_suffix(kCut.size());
    std::size_t most = kLeastOfCut - 1;
    std::optional<std::string> best;
    for (const Form& form : forms_) {
        auto begun = begun_with(text, form.literals);
        if (!begun || begun->literal_bytes < most) continue;
        auto other = core::Message{form.texts.other, std::move(begun->places)}.english();
        if (begun->literal_bytes > most)
            best = std::move(other);
        else if (best != other)
            best.reset();
        most = begun->literal_bytes;
    }
    return best ? Told{*std::move(best), most} : Told{};
}

std::string finding_told(const Recogniser& places, const Recogniser& changes, std::string_view text) {
    std::string more;
    if (const auto at = text.rfind(" ("); at != std::string_view::npos && text.ends_with(kMore)) {
        const std::string_view count = text.substr(at + 2, text.size() - at - 2 - kMore.size());
        more = core::tr(" ({} more such places)", count);
        text = text.substr(0, at);
    }
    if (auto change = changes.recognise(text)) return *std::move(change) + more;
    std::size_t at = text.find(kColon);
    for (std::size_t colons = 0; at != std::string_view::npos && colons < kMostColons; ++colons) {
        if (const auto change = changes.recognise(text.substr(at + kColon.size())))
            return places.told(text.substr(0, at)) + std::string(kColon) + *change + more;
        at = text.find(kColon, at + 1);
    }
    return std::string(text) + more;
}

std::string recognised(const std::string& text) {
    static const Recogniser all(core::translations_in(core::catalogue_in_use(), "check"));
    return all.told(text);
}

std::string recognised_finding(const std::string& text) {
    static const auto file = core::catalogue_in_use();
    static const Recogniser places(core::translations_in(file, "place")),
        changes(core::translations_in(file, "finding"));
    return finding_told(places, changes, text);
}

}  // namespace jobs
