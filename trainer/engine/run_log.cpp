#include "trainer/engine/run_log.h"

#include <fcntl.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "core/base/error.h"
#include "core/base/event.h"

namespace trainer {

RunLog::RunLog(const std::filesystem::path& path, std::int64_t resumed_step) {
    std::string kept;
    if (resumed_step > 0 && std::filesystem::exists(path)) {
        std::istringstream lines(core::read_text(path, std::uint64_t{1} << 32));
        for (std::string line; std::getline(lines, line);) {
            // A killed run may have left half a line.
            const auto json = nlohmann::json::parse(line, nullptr, false);
            if (json.is_object() && json.value("step", std::int64_t{0}) <= resumed_step) kept += line + '\n';
        }
    }
    core::write_atomically(path, kept, 0640);
    fd_ = core::Fd(open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
    if (!fd_.is_open())
        throw core::Error(core::Fault::system,
                          core::with_errno("cannot open " + path.filename().string(), errno));
}

void RunLog::append(const nlohmann::ordered_json& event) {
    try {
        core::write_all(fd_.get(), core::view((may_be_torn_ ? "\n" : "") + event.dump() + '\n'));
        may_be_torn_ = false;
    } catch (const core::Error& e) {
        if (!may_be_torn_) core::Event("warning", "log_not_written").with("text", e.what());
        may_be_torn_ = true;
    }
}

}  // namespace trainer
