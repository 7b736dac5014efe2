#pragma once
#include <string>
#include <utility>

#include "staging/read/reason.h"

namespace staging {

// Thrown inside the worker when a file cannot be taken; becomes Record::reason and Record::detail. `detail`
// is a word of ours, never one from the file.
struct Refused {
    explicit Refused(Reason why, std::string what = {}) : reason(why), detail(std::move(what)) {}
    Reason reason;
    std::string detail;
};

}  // namespace staging
