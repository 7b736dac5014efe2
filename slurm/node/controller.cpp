#include "slurm/node/controller.h"

#include <algorithm>
#include <sstream>

#include "core/base/child.h"
#include "core/base/hosts.h"
#include "core/policy/slurm_lines.h"

namespace slurm {
namespace {

// A field's width is the longest that is printed; a list of 10,000 nodes in ranges is far shorter.
constexpr const char* kFields = "JobID:12,RestartCnt:12,State:20,TimeLimit:20,NodeList:65000";

}  // namespace

bool ControllersWord::may_be_on(std::string_view host, std::string_view start_there) const {
    if (knows == Knows::no_answer) return true;
    if (knows == Knows::no_such_job) return false;
    // A requeue counts the job as started again while its tasks still have their time to save what they have.
    const bool is_that_run = start_there.empty() || start == start_there || state == "COMPLETING";
    return is_that_run && std::find(nodes.begin(), nodes.end(), host) != nodes.end();
}

ControllersWord parse_word(std::uint32_t job, std::string_view printed) {
    ControllersWord word;
    std::istringstream lines{std::string(printed)};
    bool is_complete = false;
    for (std::string line; std::getline(lines, line);) {
        if (line.find("Invalid job id") != std::string::npos) {
            word.knows = Knows::no_such_job;
            return word;
        }
        if (line == "rc=0") is_complete = true;
        std::istringstream words(line);
        std::string id, start, state, limit, nodes;
        words >> id >> start >> state >> limit >> nodes;
        if (id != std::to_string(job) || state.empty()) continue;
        word.start = start;
        word.state = state;
        word.most_seconds = core::slurm_seconds(limit).value_or(0);
        word.nodes = core::expand_hosts(nodes);
        word.knows = Knows::job;
    }
    if (!is_complete) word.knows = Knows::no_answer;
    // squeue lists what is not over: it knows the job, and the job is over.
    if (is_complete && word.knows != Knows::job) word.knows = Knows::no_such_job;
    return word;
}

std::optional<std::string> squeue_of(std::uint32_t job, std::string_view fields, bool also_ended,
                                     std::chrono::milliseconds patience) {
    // With its messages: a controller that is down and one that has no such job fail alike.
    const std::string command = "/usr/bin/squeue -h -a" + std::string(also_ended ? " --states=all" : "") +
                                " -j " + std::to_string(job) + " -O " + std::string(fields) +
                                " 2>&1; echo rc=$?";
    return core::output_of({"/bin/sh", "-c", command}, patience);
}

ControllersWord ask_about(std::uint32_t job, std::chrono::milliseconds patience) {
    const auto printed = squeue_of(job, kFields, false, patience);
    return printed ? parse_word(job, *printed) : ControllersWord{};
}

}  // namespace slurm
