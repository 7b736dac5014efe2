// aloft-sign.prom (core/base/metrics.h).
#include "core/base/time.h"
#include "core/base/version.h"
#include "jobs/signer/signer.h"

namespace jobs {

core::Metrics Signer::metrics(bool is_signing) const {
    core::Metrics out;
    out.family("sign_build_info", "gauge", "The version that runs.");
    out.value(1, "version", core::version());
    out.single("sign_metrics_timestamp_seconds", "When this file was written.", core::now_seconds());
    out.single("sign_is_signing", "0 while the list cannot be signed: the log says why.", is_signing);
    out.single("sign_list_issued_timestamp_seconds",
               "When this process last signed the list; 0: not since the start.", published_.issued);
    out.single("sign_list_stale_seconds", "From which age on it freezes jobs.",
               site_.revocation_stale_seconds);
    out.single("sign_policies_held", "Enclaves' policies that are held back: the log says why.",
               static_cast<std::int64_t>(told_.size()));
    out.single("sign_budgets_fail", "1 while what is used of budgets cannot be published.",
               !budgets_trouble_.empty());
    out.single("sign_names_silent", "1 while this host's name service does not answer.", !no_answer_.empty());
    return out;
}

}  // namespace jobs
