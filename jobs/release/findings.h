#pragma once
#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "jobs/release/finding.h"

namespace jobs {

// Collects findings, one for each code: the first place, how many more there are, what to change. So that what
// a file makes the gate say is a few codes and positions (a key of one or two of the gate's terms with each), and no text of the file's author.
class Findings {
public:
    void refuse(const std::string& code, const std::string& where, const std::string& change) {
        note(Finding::Weight::refuse, code, where, change);
    }
    void flag(const std::string& code, const std::string& where, const std::string& change) {
        note(Finding::Weight::flag, code, where, change);
    }
    bool refused() const { return refused_; }
    std::vector<Finding> list() const;  // in the order of their first place

private:
    struct Noted {
        Finding finding;
        std::size_t places = 0;
    };
    void note(Finding::Weight weight, const std::string& code, const std::string& where,
              const std::string& change);
    std::vector<Noted> noted_;
    bool refused_ = false;
};

}  // namespace jobs
