#include "staging/build/phases.h"

#include <fstream>

namespace staging {

// Of this process, as the kernel counts it. Nothing where it may not be asked: an account other than root's, of a
// process that holds keys.
Phases::Moved Phases::moved() {
    std::ifstream in("/proc/self/io");
    Moved out;
    std::string name;
    for (std::int64_t bytes; in >> name >> bytes;) {
        if (name == "rchar:") out.read = bytes;
        if (name == "wchar:") out.written = bytes;
    }
    return out;
}

nlohmann::ordered_json Phases::json() const {
    nlohmann::ordered_json out;
    for (const Phase& phase : done_) {
        auto& one = out[phase.name];
        one["seconds"] = phase.seconds;
        if (phase.read + phase.written > 0) {
            one["bytes_read"] = phase.read;
            one["bytes_written"] = phase.written;
        }
    }
    return out;
}

}  // namespace staging
