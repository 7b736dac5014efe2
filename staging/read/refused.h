#pragma once
#include <string>
#include <utility>

#include "staging/read/record.h"

namespace staging {

// Thrown inside the worker when a file cannot be taken; becomes Record::reason and Record::detail. `detail`
// is a word of ours, never one from the file.
struct Refused {
    explicit Refused(Reason why, std::string what = {}) : reason(why), detail(std::move(what)) {}
    Reason reason;
    std::string detail;
};

// Reads into `record`; what is refused leaves the reason, and nothing of the picture.
template <class Read>
void read_or_refuse(Record& record, Read read) {
    try {
        read();
    } catch (const Refused& refused) {
        record.reason = refused.reason;
        record.detail = refused.detail;
        record.pixels = {};
        record.frames.clear();
    }
}

}  // namespace staging
