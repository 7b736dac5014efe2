#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "jobs/release/document.h"
#include "jobs/release/findings.h"
#include "jobs/release/rules.h"
#include "jobs/release/tells.h"

// Confusion matrices ([true class][predicted class], or the other way round) and what rates tell of them.

namespace jobs {

// A matrix of two classes whose cells leave empty. With the sums of its rows and the accuracy every other figure of it is a
// function of one count.
struct ClassPair {
    std::int64_t first = 0, second = 0;  // samples of each class
    std::int64_t right = 0;              // of the first class, recognised
    std::int64_t right_of_all = 0;
    auto operator<=>(const ClassPair&) const = default;
};

// A matrix of more classes, so small that with means over its classes no empty cell would hide another.
struct ClassMean {
    std::int64_t classes = 0, largest = 0;  // samples of the largest class
    auto operator<=>(const ClassMean&) const = default;
};

struct Lines {
    std::vector<LineSum> sums;  // of rows and of columns; of all but a row, which specificity divides by
    std::vector<LineSum>
        of_f1;  // of a class: its row and its column together; what F1 tells is twice the cell of both
    std::vector<ClassPair> pairs;
    std::vector<ClassMean> means;
    std::vector<std::pair<std::string, double>>
        known;                     // means over more classes, by kind: suppress_cells has reckoned with them
    void add(const Lines& other);  // each once
    std::size_t size() const { return sums.size() + of_f1.size() + pairs.size() + means.size(); }
};

// As many lines are compared with the rates of a file.
constexpr std::size_t kMostLines = 600;

bool is_confusion(const std::string& key);

// Lets small cells of confusion matrices leave empty, and as many others that neither rows, columns and the sum of all, nor
// the accuracy and the means over classes that the document has tell them (a system of linear equations, solved exactly modulo a
// prime); then no rates of single classes under "per_class". Refuses small cells of a matrix of more than 17 classes.
void suppress_cells(Value& document, const ReleaseRules& rules, Findings& findings);

// Of every matrix of the document, after suppress_cells. Lines with a cell that was empty before have no sum.
Lines lines_of(const Value& document, const ReleaseRules& rules);

// Whether a figure of this kind (rate_kind) tells fewer than kFewestFits values of the one count, or is a mean that is too exact.
bool tells_of(const std::string& kind, double value, double half, const ClassPair& pair);
bool tells_of(const std::string& kind, double half, const ClassMean& mean);

}  // namespace jobs
