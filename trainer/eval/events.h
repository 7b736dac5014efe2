#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace trainer {

struct TensorboardEvents {
    std::string bytes;
    std::size_t skipped = 0;  // lines that are not JSON or lack what their event has
};
// TensorBoard's event file of a log.jsonl (METRICS.md says what is in it): scalars train/loss, train/rate, ... and
// validation/MEASURE by step. Records as tensorflow/core/lib/io/record_writer.h has them, each an Event of
// tensorflow/core/util/event.proto. All times are 0. First stands a start at step 0, upon which readers forget what they
// have read before. A last line that is not whole is left out, as when a run goes on; other events have no scalars.
// Throws Error(data) if there are lines and none is an event.
TensorboardEvents tensorboard_events(std::string_view log);
// Those of the run in `run` into the folder `out`, which TensorBoard is pointed at; made if need be. What is there is added
// to: what the log has more, or all anew where lines of it were dropped. Throws Error(usage) if there is no log.
// Returns what is there now.
struct WrittenEvents {
    std::string file;  // its name in `out`
    std::uint64_t bytes = 0;
    std::size_t skipped = 0;  // as in TensorboardEvents
};
WrittenEvents write_tensorboard_events(const std::filesystem::path& run, const std::filesystem::path& out);

}  // namespace trainer
