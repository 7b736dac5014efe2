// Metrics as JSON: numbers under plain keys, a few short words, no free text, no small counts.
#include <cmath>
#include <nlohmann/json.hpp>

#include "jobs/release/checks.h"

namespace jobs {

using nlohmann::json;

namespace {

constexpr int kDepthLimit = 12;
constexpr std::size_t kWordLimit = 64, kNumberLimit = 50000, kTextLimitBytes = 16 << 10;

// A word or short name ("digits@1", "site*vendor", "2026-11-23T20:35:08Z", a hash, "North Hospital"), not a
// sentence.
bool is_word(const std::string& text) {
    if (text.size() > kWordLimit) return false;
    for (const char c : text)
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              std::string_view("._-@:+/%=* ").find(c) != std::string_view::npos))
            return false;
    return true;
}

class Walk {
public:
    explicit Walk(const ReleaseRules& rules) : rules_(rules) {}

    // `where` is a path of keys; array positions are not part of it. `counted`: whether the number stands
    // under a key that counts something, itself or further up: {"counts": {"north": 3}}, {"north":
    // {"samples": 3}}.
    enum class Counted { no, by_ancestor, by_own_key };
    void visit(const json& value, const std::string& where, Counted counted, int depth) {
        if (depth > kDepthLimit) return refuse("depth", where, "nested too deeply");
        if (value.is_object()) {
            for (const auto& [key, inner] : value.items()) {
                text_bytes_ += key.size();
                if (key.empty() || !is_word(key)) {
                    refuse("free-text", where, "a key is not a plain name of at most 64 characters");
                    continue;
                }
                visit(inner, where.empty() ? key : where + "." + key,
                      counts_something(key)    ? Counted::by_own_key
                      : counted == Counted::no ? Counted::no
                                               : Counted::by_ancestor,
                      depth + 1);
            }
        } else if (value.is_array()) {
            for (const json& inner : value) visit(inner, where, counted, depth + 1);
        } else if (value.is_string()) {
            text_bytes_ += value.get_ref<const std::string&>().size();
            if (!is_word(value.get<std::string>()))
                refuse("free-text", where,
                       "a text that is more than a short name; only numbers and names may leave");
        } else if (value.is_number()) {
            if (++numbers_ > kNumberLimit)
                return refuse("size", where, "more than 50,000 numbers are data, not metrics");
            // Beside counts stand rates (0.91): under an ancestor only whole numbers count something.
            const bool whole = std::floor(value.get<double>()) == value.get<double>();
            if (counted == Counted::by_own_key || (counted == Counted::by_ancestor && whole))
                count(value, where);
            else if (where.ends_with("confusion"))
                cell(value, where);
        }
    }
    void finish() {
        if (text_bytes_ > kTextLimitBytes)
            refuse("free-text", "", "more than 16 KiB of names; metrics are numbers");
    }
    std::vector<Finding> findings;

private:
    void count(const json& value, const std::string& where) {
        const double number = value.get<double>();
        if (number > 0 && number < static_cast<double>(rules_.smallest_count))
            refuse("small-count", where,
                   "counts fewer than " + std::to_string(rules_.smallest_count) +
                       "; merge the stratum or leave it out");
    }

    // Errors of a good model are few: small cells are for the reviewers to judge.
    void cell(const json& value, const std::string& where) {
        const double number = value.get<double>();
        if (number <= 0 || number >= static_cast<double>(rules_.smallest_count) || flagged_) return;
        flagged_ = true;
        findings.push_back({"", Finding::Weight::flag, "small-cells",
                            where + ": has cells of fewer than " + std::to_string(rules_.smallest_count)});
    }

    void refuse(const char* code, const std::string& where, const std::string& text) {
        if (findings.size() < 20)
            findings.push_back({"", Finding::Weight::refuse, code,
                                (where.empty() ? "top" : where.substr(0, 200)) + ": " + text});
    }

    const ReleaseRules& rules_;
    std::size_t numbers_ = 0, text_bytes_ = 0;
    bool flagged_ = false;
};

}  // namespace

std::vector<Finding> check_json(const std::string& text, const ReleaseRules& rules) {
    bool too_deep = false;
    const auto limit = [&](int depth, json::parse_event_t, json&) {
        too_deep = too_deep || depth > 4 * kDepthLimit;
        return !too_deep;
    };
    const json parsed = json::parse(text, limit, false);
    if (too_deep || parsed.is_discarded() || !parsed.is_structured())
        return {{"", Finding::Weight::refuse, "type", "not a JSON object or list"}};
    // What a parser drops (repeated keys, long spaces, digits beyond a double) must not leave either: the
    // file has to be about as long as what it says.
    if (text.size() > 4 * parsed.dump().size() + 1024)
        return {{"", Finding::Weight::refuse, "hidden-payload",
                 "much longer than what it says; write it without padding"}};
    Walk walk(rules);
    walk.visit(parsed, "", Walk::Counted::no, 0);
    walk.finish();
    return walk.findings;
}

}  // namespace jobs
