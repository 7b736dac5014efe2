#include <algorithm>
#include <iterator>

#include "core/base/message.h"
#include "jobs/cli/commands.h"

namespace jobs {
namespace {

using core::marked;

// Every column and field that a person sees.
constexpr std::string_view kHeads[] = {
    marked("account"),
    marked("accounts"),
    marked("application"),
    marked("bits"),
    marked("blocked"),
    marked("by"),
    marked("check"),
    marked("completed"),
    marked("dataset"),
    marked("datasets"),
    marked("enclave"),
    marked("ended"),
    marked("exit"),
    marked("exit_class"),
    marked("failed"),
    marked("found"),
    marked("gpu_hours"),
    marked("gpu_seconds"),
    marked("gpu_seconds_left"),
    marked("grant"),
    marked("image"),
    marked("images"),
    marked("infiniband_pkey"),
    marked("job"),
    marked("jobs"),
    marked("layer"),
    marked("max_minutes"),
    marked("month"),
    marked("name"),
    marked("node"),
    marked("node_hours"),
    marked("node_seconds"),
    marked("node_seconds_left"),
    marked("nodes"),
    marked("not_after"),
    marked("not_before"),
    marked("outcome"),
    marked("partition"),
    marked("path"),
    marked("policy_sha256"),
    marked("project"),
    marked("reason"),
    marked("registered"),
    marked("release"),
    marked("release_requests"),
    marked("releases"),
    marked("requested"),
    marked("samples"),
    marked("sealed_at"),
    marked("shards"),
    marked("since"),
    marked("software"),
    marked("started"),
    marked("state"),
    marked("submitted"),
    marked("title"),
    marked("unfit"),
    marked("verdict"),
    marked("waiting_for"),
    marked("what"),
    marked("why"),
};

}  // namespace

std::string head_of(const std::string& column) {
    const auto known = std::find(std::begin(kHeads), std::end(kHeads), std::string_view(column));
    return known == std::end(kHeads) ? column : core::translated_text(column);
}

}  // namespace jobs
