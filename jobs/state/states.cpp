#include "jobs/state/states.h"

namespace jobs {
namespace {

constexpr auto A = Thing::application;
constexpr auto R = Thing::release;
constexpr auto E = Thing::enclave;

constexpr Transition kTransitions[] = {
    {A, "", "application.submitted", "in-review"},
    {A, "in-review", "application.group-approved", "in-review"},  // one of four groups
    {A, "in-review", "application.approved", "approved"},         // the last of four
    {A, "in-review", "application.rejected", "rejected"},
    {A, "in-review", "application.withdrawn", "withdrawn"},
    {A, "approved", "application.withdrawn", "withdrawn"},
    {A, "approved", "grant.issued", "granted"},
    {A, "granted", "grant.issued", "granted"},  // again, with a later end

    {R, "", "release.refused", "refused"},      // by the automatic checks
    {R, "", "release.requested", "in-review"},  // copied, hashed, checked
    {R, "in-review", "release.half-approved", "half-approved"},
    {R, "half-approved", "release.approved", "approved"},
    {R, "in-review", "release.rejected", "rejected"},
    {R, "half-approved", "release.rejected", "rejected"},
    {R, "in-review", "release.withdrawn", "withdrawn"},
    {R, "half-approved", "release.withdrawn", "withdrawn"},
    {R, "approved", "release.withdrawn", "withdrawn"},
    {R, "approved", "release.export-started", "exporting"},  // resumed at start-up when found here
    {R, "exporting", "release.exported", "exported"},
    {R, "exporting", "release.export-failed", "approved"},

    {E, "", "enclave.created", "created"},  // a policy and keys are there; no job may run
    {E, "created", "enclave.opened", "open"},
    {E, "open", "enclave.suspended", "suspended"},
    {E, "suspended", "enclave.opened", "open"},
    {E, "created", "enclave.closed", "closed"},    // for good; one that is open is suspended first,
    {E, "suspended", "enclave.closed", "closed"},  // so that nothing runs in it any more
    {E, "created", "enclave.changed", "created"},  // who and what is in it
    {E, "open", "enclave.changed", "open"},
    {E, "suspended", "enclave.changed", "suspended"},
};

}  // namespace

std::span<const Transition> transitions() {
    return kTransitions;
}

std::optional<std::string_view> next_state(Thing thing, std::string_view from, std::string_view kind) {
    for (const Transition& t : kTransitions)
        if (t.thing == thing && t.from == from && t.kind == kind) return t.to;
    return std::nullopt;
}

}  // namespace jobs
