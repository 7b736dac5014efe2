#pragma once
#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "jobs/release/gate.h"

namespace desk {

// A dataset of four sites, two vendors and ten classes; 1797 patients, 450 of them in the test split.
inline jobs::Context context() {
    jobs::Context context;
    context.patients = 1797;
    context.group_sizes = {450, 270, 1077};
    context.vocabulary.add_manifest(
        nlohmann::json::parse(R"({"dataset":"digits","version":"1","schema":{"fields":[{"name":"image"}],
        "columns":[{"name":"site","names":["north","central","south","east"]},{"name":"vendor","names":["Vendor A","GE MEDICAL SYSTEMS"]},
                   {"name":"label","names":["0","1","2","3","4","5","6","7","8","9"]},{"name":"sex","names":["F","M"]},
                   {"name":"diagnosis","names":["benign","malignant"]}]}})"));
    for (const char* model : {"digits-resnet", "wdbc-mlp"}) context.vocabulary.add(model);
    return context;
}

// As a data owner might who is generous with words: then the counts themselves are all that is refused.
inline jobs::Context generous() {
    jobs::Context out = context();
    for (const char* word :
         {"deaths", "women", "men", "HIV", "events", "cnt", "patientcount", "smokers", "readmissions",
          "survivors", "code", "outcome", "A01X", "A01XA", "A01XB", "carcinoma", "diabetes", "births"})
        out.vocabulary.add(word);
    out.is_pseudonym = [](std::string_view text) { return text == "P-00017"; };
    return out;
}

inline jobs::Leaving prepare(const std::string& name, const std::string& bytes,
                             const jobs::Context& context) {
    return jobs::gate_type(name)->prepare(core::view(bytes), context);
}

inline std::string text(const jobs::Leaving& leaving) {
    return std::string(core::text(leaving.canonical));
}

// "small-count", "free-text flag:rounded"; "" for none.
inline std::string codes(const jobs::Leaving& leaving) {
    std::string out;
    for (const auto& finding : leaving.findings)
        out += (out.empty() ? "" : " ") +
               std::string(finding.weight == jobs::Finding::Weight::flag ? "flag:" : "") + finding.code;
    return out;
}

}  // namespace desk
