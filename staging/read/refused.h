#pragma once
#include "staging/read/record.h"
#include "staging/read/word.h"

namespace staging {

// Thrown inside the worker when a file cannot be taken; becomes Record::reason and Record::detail.
struct Refused {
    explicit Refused(Reason why, Word what = {}) : reason(why), detail(what) {}
    Reason reason;
    Word detail;
};

// Reads into `record`; what is refused leaves the reason, and nothing of the picture.
template <class Read>
void read_or_refuse(Record& record, Read read) {
    try {
        read();
    } catch (const Refused& refused) {
        record.reason = refused.reason;
        record.detail = refused.detail.text();
        record.pixels = {};
        record.frames.clear();
    }
}

}  // namespace staging
