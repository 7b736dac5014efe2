#include "jobs/release/findings.h"

#include <algorithm>

namespace jobs {

void Findings::note(Finding::Weight weight, const std::string& code, const std::string& where,
                    const std::string& change) {
    refused_ = refused_ || weight == Finding::Weight::refuse;
    const auto same = std::find_if(noted_.begin(), noted_.end(), [&](const Noted& noted) {
        return noted.finding.code == code && noted.finding.weight == weight;
    });
    if (same != noted_.end()) {
        ++same->places;
        return;
    }
    noted_.push_back({{"", weight, code, (where.empty() ? "" : where + ": ") + change}, 1});
}

std::vector<Finding> Findings::list() const {
    std::vector<Finding> out;
    for (const Noted& noted : noted_) {
        out.push_back(noted.finding);
        if (noted.places > 1)
            out.back().text += " (" + std::to_string(noted.places - 1) + " more such places)";
    }
    return out;
}

}  // namespace jobs
