#include "slurm/mirror/metrics.h"

#include "core/base/error.h"
#include "core/base/time.h"
#include "core/base/version.h"
#include "core/policy/list.h"

namespace slurm {

core::Metrics mirror_metrics(const core::Site& site, const Attempts& attempts) {
    core::SignedList list;
    try {
        list = core::read_list(site);
    } catch (const core::Error&) {  // none, or not signed: its time is 0
    }
    core::Metrics out;
    out.family("mirror_build_info", "gauge", "The version that runs.");
    out.value(1, "version", core::version());
    out.single("mirror_metrics_timestamp_seconds", "When this file was written.", core::now_seconds());
    out.single("mirror_copied_timestamp_seconds",
               "When what is published was last copied whole; 0: never since the start.",
               attempts.succeeded());
    out.single("mirror_hangs", "1 while the file system of what is published hangs.", attempts.is_stuck());
    out.single("mirror_list_issued_timestamp_seconds",
               "When the list that this host goes by was signed; 0: there is none.", list.issued);
    out.single("mirror_list_stale_seconds", "From which age on it freezes jobs.",
               site.revocation_stale_seconds);
    out.single("mirror_list_records", "The ledger's record up to which that list is known.",
               static_cast<std::int64_t>(list.seq));
    return out;
}

}  // namespace slurm
