// Sentences cannot be checked by rule. What can be is that they hold nothing that a reviewer does not see, or
// that a machine would read: so few characters are left, and so little structure.
#include "jobs/release/markdown.h"

#include <algorithm>
#include <set>
#include <utility>

#include "jobs/release/counts.h"
#include "jobs/release/number.h"
#include "jobs/release/texts.h"
#include "jobs/release/words.h"

namespace jobs {
namespace {

constexpr std::size_t kRunLimit = 24;   // letters and digits without a break
constexpr std::size_t kDigitLimit = 6;  // significant ones of a number
constexpr std::int64_t kNumberLimit = 300;

// Letters and punctuation of Chinese, Japanese and Korean that look like nothing else. Not among them: full-width
// forms of ASCII but the usual punctuation, compatibility and radical forms, variation selectors.
bool is_cjk(char32_t c) {
    const auto within = [c](char32_t from, char32_t to) { return c >= from && c <= to; };
    return within(0x3001, 0x3003) || within(0x3008, 0x3011) || within(0x3041, 0x3096) ||
           within(0x30a1, 0x30fa) || c == 0x30fc || within(0x3400, 0x4dbf) || within(0x4e00, 0x9fff) ||
           within(0xac00, 0xd7a3) || c == 0xff01 || c == 0xff08 || c == 0xff09 || c == 0xff0c ||
           c == 0xff1a || c == 0xff1b || c == 0xff1f;
}

// The next character; nothing at anything but shortest-form UTF-8.
std::optional<char32_t> next(std::string_view text, std::size_t& at) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = byte(at);
    const std::size_t size = first < 0x80                    ? 1
                             : first >= 0xc2 && first < 0xe0 ? 2
                             : first >= 0xe0 && first < 0xf0 ? 3
                                                             : 0;
    if (size == 0 || at + size > text.size()) return std::nullopt;
    char32_t c = size == 1 ? first : first & (0xff >> (size + 1));
    for (std::size_t i = 1; i < size; ++i) {
        if ((byte(at + i) & 0xc0) != 0x80) return std::nullopt;
        c = c << 6 | (byte(at + i) & 0x3f);
    }
    if (size == 3 && c < 0x800) return std::nullopt;
    at += size;
    return c;
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
// "a specificity of 1.00"
bool is_between(const std::string& word) {
    return word == "of" || word == "is" || word == "was" || word == "at";
}
// 1 as a share is written: 1.0, 1.00
bool is_whole_share(std::string_view text) {
    return text.size() > 2 && text.starts_with("1.") &&
           std::all_of(text.begin() + 2, text.end(), [](char c) { return c == '0'; });
}
bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

class Line {
public:
    Line(std::string_view text, std::size_t number, const Context& context, Findings& findings)
        : text_(text), where_("line " + std::to_string(number)), context_(context), findings_(findings) {}

    std::int64_t check() {
        structure();
        runs();
        return tokens();
    }

private:
    void refuse(const char* code, const std::string& change) { findings_.refuse(code, where_, change); }
    bool has(std::string_view part) const { return text_.find(part) != std::string_view::npos; }

    void structure() {
        for (const char* part : {"](", "][", "]:", "://", "www.", "mailto:", "data:", "!["})
            if (has(part))
                return refuse("address", "links, pictures and addresses do not leave; write it in words");
        for (std::size_t i = 0; i + 1 < text_.size(); ++i) {
            const char c = text_[i], after = text_[i + 1];
            if (c == '<' && (is_letter(after) || after == '/' || after == '!' || after == '?'))
                return refuse("markup", "HTML does not leave; write a space behind a less-than sign");
            if (c == '&' && (is_letter(after) || after == '#'))
                return refuse("markup", "write \"and\", not an entity");
            if (c == '@' && i > 0 && is_letter(after)) return refuse("address", "addresses do not leave");
        }
    }
    // Codes, keys, telephone numbers and dates are long runs or many digits.
    void runs() {
        std::size_t run = 0, digits = 0, begin = 0;
        for (std::size_t i = 0; i <= text_.size(); ++i) {
            if (run == 0) begin = i;
            const char c = i < text_.size() ? text_[i] : ' ';
            if (is_letter(c) || is_digit(c) || (run > 0 && (c == '+' || c == '/' || c == '_' || c == '='))) {
                ++run;
                digits += is_digit(c);
            } else if (!(c == '-' && run > 0)) {
                const std::string_view word = text_.substr(begin, i - begin);
                if (run > 0 && context_.is_pseudonym && context_.is_pseudonym(word))
                    refuse("pseudonym", "a pseudonym; results are of groups, not of patients");
                run = digits = 0;
            }
            if (run > kRunLimit) {
                refuse("encoded", "more than 24 letters and digits without a break are no word");
                run = digits = 0;
            }
            if (digits > kDigitLimit) {
                refuse("digits", "more than six digits in one number, date or code");
                run = digits = 0;
            }
        }
    }
    std::int64_t tokens() {
        std::int64_t numbers = 0;
        std::string last, measure, token;
        bool first = true;
        for (std::size_t i = 0; i <= text_.size(); ++i) {
            const char c = i < text_.size() ? text_[i] : ' ';
            const bool part = is_letter(c) || is_digit(c) || c == '.' || c == '%' ||
                              static_cast<unsigned char>(c) >= 0x80 ||
                              (c == '-' && !token.empty() && i + 1 < text_.size() && is_letter(text_[i + 1]));
            if (part) {
                token += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
                continue;
            }
            if (token.empty()) continue;
            const bool item = first && token.ends_with('.');  // "1. the first of a list"
            while (token.ends_with('.')) token.pop_back();
            numbers += word(token, last, measure, item);
            if (!token.empty()) last = std::exchange(token, "");
            if (!is_between(last)) measure = last;
            first = false;
        }
        return numbers;
    }
    // 1 for a number.
    int word(const std::string& token, const std::string& last, const std::string& measure, bool is_item) {
        static const std::set<std::string_view> kPlaces = {"figure",   "fig",   "table",      "section",
                                                           "appendix", "model", "experiment", "chapter",
                                                           "class",    "part",  "no"};
        static const std::set<std::string_view> kWritten = {"one", "two",   "three", "four", "five",
                                                            "six", "seven", "eight", "nine"};
        std::string ascii = token;  // "3" between CJK letters is a number, too
        std::transform(ascii.begin(), ascii.end(), ascii.begin(),
                       [](char c) { return static_cast<unsigned char>(c) >= 0x80 ? ' ' : c; });
        if (kWritten.contains(last) && counts_people(token.ends_with('s') ? token : token + "s"))
            refuse_small();
        int numbers = 0;
        std::size_t begin = 0;
        while (begin < ascii.size()) {
            const std::size_t end = std::min(ascii.find(' ', begin), ascii.size());
            std::optional<Number> number;
            const std::string_view text = std::string_view(ascii).substr(begin, end - begin);
            const Looks looks = read_number(text, number);
            begin = end + 1;
            if (looks == Looks::no_number) continue;
            ++numbers;
            if (looks == Looks::too_large) {
                refuse("digits", "a number beyond ten digits");
                continue;
            }
            const std::int64_t count = number->is_whole() ? std::abs(number->whole()) : 0;
            if (count > 0 && count < context_.rules.smallest_count && !is_item && !kPlaces.contains(last) &&
                !counts_nobody(last) && !(is_rate(measure) && is_whole_share(text)))
                refuse_small();
        }
        return numbers;
    }
    void refuse_small() {
        refuse("small-count",
               "a number from 1 to " + std::to_string(context_.rules.smallest_count - 1) +
                   "; write \"fewer than " + std::to_string(context_.rules.smallest_count) +
                   "\", or what it counts before it (\"fold 3\", \"Table 2\"), or a rate with %");
    }

    std::string_view text_;
    std::string where_;
    const Context& context_;
    Findings& findings_;
};

}  // namespace

std::optional<std::string> read_markdown(std::string_view text, const Context& context, Findings& findings,
                                         std::uint64_t& bits) {
    std::string out, line;
    std::int64_t characters = 0, numbers = 0;
    std::size_t lines = 0, at = 0;
    const auto end_line = [&] {
        while (line.ends_with(' ')) line.pop_back();
        if (line.empty() && (out.empty() || out.ends_with("\n\n"))) return;  // one blank line at most
        ++lines;
        numbers += Line(line, lines, context, findings).check();
        out += line + '\n';
        line.clear();
    };
    while (at < text.size()) {
        const std::size_t from = at;
        const auto c = next(text, at);
        if (!c || (*c < 32 && *c != '\n' && *c != '\r') || (*c >= 127 && !is_cjk(*c))) {
            findings.refuse("characters", "byte " + std::to_string(from + 1),
                            "only printable ASCII and CJK letters leave: no tabs, other scripts, symbols or "
                            "invisible characters");
            return std::nullopt;
        }
        if (*c == '\r') continue;
        if (*c == '\n') {
            end_line();
            continue;
        }
        if (*c == ' ' && line.ends_with(' ')) continue;
        if (++characters > context.rules.markdown_characters) {
            findings.refuse("size", "",
                            "more than " + std::to_string(context.rules.markdown_characters) + " characters");
            return std::nullopt;
        }
        bits += *c < 127 ? 7 : 16;
        line += text.substr(from, at - from);
    }
    end_line();
    while (out.ends_with("\n\n")) out.pop_back();
    bits += 2 * lines;
    if (out.empty()) findings.refuse("type", "", "an empty text");
    if (numbers > kNumberLimit)
        findings.refuse("size", "", "more than 300 numbers are a table: release it as CSV");
    std::vector<std::int64_t> sizes = context.group_sizes;
    sizes.push_back(context.patients);
    if (is_one_for_each(lines, sizes))
        findings.refuse("one-per-patient", "",
                        "as many lines as patients or samples of the dataset or of a split");
    findings.flag("free-text", "", "sentences: read every one; no rule can tell what they say");
    if (findings.refused()) return std::nullopt;
    return out;
}

}  // namespace jobs
