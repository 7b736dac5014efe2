#pragma once
#include <string>

namespace jobs {

// What a check saw. `refuse` ends the request; `flag` is for the reviewers' eyes.
struct Finding {
    enum class Weight { flag, refuse };
    std::string file;  // set by whoever knows the name
    Weight weight;
    std::string code;  // stable: "small-count", "hidden-payload", ...
    std::string
        text;  // what and where (positions, counts, terms of the gate), and what to change; never bytes of the file
};

}  // namespace jobs
