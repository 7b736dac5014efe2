#pragma once
#include <filesystem>
#include <nlohmann/json_fwd.hpp>

#include "core/base/files.h"

namespace trainer {

// log.jsonl (eval/METRICS.md): a line per event of a run. A resumed run drops the lines behind its
// checkpoint, so that each step is told once. Rank 0 only.
class RunLog {
public:
    RunLog(const std::filesystem::path& path, std::int64_t resumed_step);
    // A line that cannot be written (a full disk) is lost, with the event log_not_written: no run ends by it.
    void append(const nlohmann::ordered_json& event);

private:
    core::Fd fd_;
    bool may_be_torn_ = false;  // the last line: the next begins one of its own
};

}  // namespace trainer
