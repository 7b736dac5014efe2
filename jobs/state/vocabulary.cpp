#include "jobs/state/vocabulary.h"

#include "core/base/error.h"
#include "core/base/version.h"

namespace jobs {

void check_vocabulary(const core::Record& record) {
    if (record.kind != "aloftd.started" || record.actor != "aloftd") return;
    const auto found = record.details.find("vocabulary");
    if (found == record.details.end()) return;  // of an earlier version
    if (found->is_number_integer() && *found <= kVocabulary) return;
    const auto version = record.details.find("version");
    throw core::Error(
        core::Fault::refused,
        "record " + std::to_string(record.seq) + " of the ledger: it was written to by Aloft " +
            (version != record.details.end() && version->is_string() ? version->get<std::string>()
                                                                     : "of a later version") +
            ", whose records this one (" + core::version() +
            ") does not all know. Install that version again, or a later one");
}

}  // namespace jobs
