#include "jobs/release/figure_names.h"

#include <algorithm>
#include <map>
#include <set>

#include "jobs/release/tells.h"
#include "jobs/release/two_classes.h"
#include "jobs/release/vocabulary.h"
#include "jobs/release/words.h"

namespace jobs {
namespace {

bool has_any(const Terms& terms, const std::set<std::string>& of) {
    return std::any_of(terms.begin(), terms.end(),
                       [&](const std::string& term) { return of.contains(term); });
}

}  // namespace

bool has_term(const Terms& terms, const char* term) {
    return std::find(terms.begin(), terms.end(), term) != terms.end();
}

std::string cell_of(const Terms& terms) {
    for (const char* cell : {"tp", "fn", "fp", "tn"})
        if (has_term(terms, cell)) return cell;
    const bool is_true = has_term(terms, "true"),
               is_positive = has_term(terms, "positive") || has_term(terms, "positives"),
               is_negative = has_term(terms, "negative") || has_term(terms, "negatives");
    if ((!is_true && !has_term(terms, "false")) || is_positive == is_negative) return "";
    return is_true ? (is_positive ? "tp" : "tn") : (is_positive ? "fp" : "fn");
}

std::string rest_of(const Terms& terms) {
    static const std::set<std::string> kOfKinds = {
        "balanced", "score", "rate",    "percent", "pct",    "true",  "false", "positive", "negative",
        "macro",    "mean",  "average", "avg",     "youden", "error", "f2",    "jaccard"};
    std::string out;
    for (const std::string& term : terms)
        if (rate_kind(term).empty() && !kOfKinds.contains(term) && !counts_people(term) && !is_total(term))
            out += term + " ";
    return out;
}

std::string figure_kind(const Item& item) {
    static const std::set<std::string> kOther = {
        "std", "sd",    "se",     "sem", "iqr", "variance", "lower", "upper", "low",    "high",    "ci",
        "gap", "delta", "change", "min", "max", "p",        "micro", "loss",  "median", "weighted"};
    static const std::set<std::string> kMeans = {"macro", "mean", "average", "avg"};
    const Terms terms = terms_of(item.key);
    if (has_any(terms, kOther)) return "";
    std::string kind;
    static const std::map<std::string, std::string> kOfCells = {
        {"tp", "recall"}, {"fn", "fnr"}, {"fp", "fpr"}, {"tn", "specificity"}};
    if (const auto cell = kOfCells.find(cell_of(terms)); has_term(terms, "rate") && cell != kOfCells.end())
        kind = cell->second;
    for (const char* own : {"youden", "f2", "jaccard"})
        if (kind.empty() && has_term(terms, own)) kind = own;
    if (kind.empty() && has_term(terms, "error") && (terms.size() == 1 || has_term(terms, "rate")))
        kind = "error";
    if (kind.empty()) kind = rate_kind(item.key);
    if (!is_figure(kind)) return "";
    Terms all = terms;
    for (const std::string& label : item.above)
        for (const std::string& term : terms_of(label)) all.push_back(term);
    // The ends of an interval are of no one confusion.
    if (has_any(all, {"interval", "interval95", "intervals", "ci", "ci95"})) return "";
    // A mean over the classes: of recall it is balanced accuracy.
    if (kind != "balanced" && has_any(all, kMeans))
        return kind == "recall" && has_term(all, "macro") ? "balanced" : "";
    return has_term(all, "weighted") || has_term(all, "micro") ? "" : kind;
}

}  // namespace jobs
