#include "slurm/node/outcome.h"

#include <sys/wait.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/base/event.h"
#include "core/base/files.h"
#include "core/ledger/spool.h"
#include "core/policy/slurm_states.h"
#include "slurm/node/controller.h"
#include "slurm/node/records.h"

namespace slurm {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds kAnswer{5000};
constexpr const char* kTelling = ".telling";
constexpr int kRequeueExit = static_cast<int>(core::Fault::requeue);
constexpr const char* kFields = "JobID:12,RestartCnt:12,State:20,exit_code:12";

// `status`: as wait(2) gives it (Slurm 22.05), or the exit code and the signal, "0:9" (24.11).
std::string exit_class(std::string_view status) {
    int value = 0, signal = 0;
    const char* last = status.data() + status.size();
    std::from_chars_result read = std::from_chars(status.data(), last, value);
    const bool is_pair = read.ec == std::errc{} && read.ptr != last && *read.ptr == ':';
    if (is_pair) read = std::from_chars(read.ptr + 1, last, signal);
    if (read.ec != std::errc{} || read.ptr != last) return "unknown";
    if (is_pair ? signal != 0 : WIFSIGNALED(value)) return "signal";
    if (!is_pair && !WIFEXITED(value)) return "unknown";
    const int code = is_pair ? value : WEXITSTATUS(value);
    return code == 0 ? "zero" : code == kRequeueExit ? "requeue" : "nonzero";
}

}  // namespace

Outcome parse_outcome(std::uint32_t job, std::string_view start, std::string_view printed) {
    using Known = Outcome::Known;
    std::istringstream lines{std::string(printed)};
    Outcome found;
    bool is_complete = false;
    for (std::string line; std::getline(lines, line);) {
        if (line.find("Invalid job id") != std::string::npos) return {Known::yes, "unknown", "unknown"};
        if (line == "rc=0") is_complete = true;
        std::istringstream words(line);
        std::string id, run, state, status;
        words >> id >> run >> state >> status;
        if (id != std::to_string(job) || state.empty()) continue;
        if (run != start) {
            found = {Known::yes, "requeued", "unknown"};  // what it ended with may be another run's by now
            continue;
        }
        found = {Known::not_yet, {}, {}};
        if (const auto outcome = core::outcome_of_state(state); !outcome.empty())
            found = {Known::yes, std::string(outcome), exit_class(status)};
    }
    if (!is_complete) return {};
    // It answered, and lists no such job.
    return found.known == Known::no_answer ? Outcome{Known::yes, "unknown", "unknown"} : found;
}

Outcome ask_outcome(std::uint32_t job, std::string_view start) {
    const auto printed = squeue_of(job, kFields, true, kAnswer);
    return printed ? parse_outcome(job, start, *printed) : Outcome{};
}

void remember_end(const Policy& ended, const fs::path& state) {
    if (ended.nodes.empty() || ended.nodes.front() != core::short_host_name()) return;
    core::make_directories(state / "ended", 0700);
    const nlohmann::json kept = {{"job", ended.job},
                                 {"start", ended.start},
                                 {"account", ended.account},
                                 {"enclave", ended.enclave},
                                 {"grant", ended.grant}};
    core::write_atomically(state / "ended" / (std::to_string(ended.job) + "-" + ended.start + ".json"),
                           kept.dump() + "\n", 0600);
}

void record_outcomes(const core::Site& site, const fs::path& state,
                     const std::function<Outcome(std::uint32_t, std::string_view)>& ask) {
    core::make_directories(state / "ended", 0700);  // before the first job, which leaves nothing behind
    std::vector<fs::path> ended;
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(state / "ended", none))
        if ((entry.path().extension() == ".json" || entry.path().extension() == kTelling) &&
            !entry.path().filename().string().starts_with("."))
            ended.push_back(entry.path());
    std::sort(ended.begin(), ended.end());
    for (const fs::path& file : ended) try {
            const auto kept = nlohmann::json::parse(core::read_text(file));
            Policy policy;
            policy.job = kept.at("job").get<std::uint32_t>();
            policy.start = kept.at("start").get<std::string>();
            for (const auto& [key, value] : {std::pair{"account", &policy.account},
                                             {"enclave", &policy.enclave},
                                             {"grant", &policy.grant}})
                *value = kept.at(key).get<std::string>();
            const Outcome outcome = ask(policy.job, policy.start);
            if (outcome.known == Outcome::Known::no_answer) return;
            if (outcome.known == Outcome::Known::not_yet) continue;
            fs::path telling = file;  // what an agent that was killed was telling of is told again
            if (file.extension() != kTelling) telling += kTelling;
            fs::rename(file, telling);  // one that cannot be moved would be told for ever
            try {
                record_job(site, "job-outcome", policy,
                           {{"outcome", outcome.outcome}, {"exit", outcome.exit}}, state);
            } catch (...) {
                fs::rename(telling, file);
                throw;
            }
            fs::remove(telling, none);
        } catch (const nlohmann::json::exception&) {
            core::Event("warning", "ended_job_not_read").with("file", file.filename().string());
            fs::remove(file, none);
        } catch (const std::exception& e) {  // it keeps none after it from being told
            core::Event("warning", "outcome_not_told")
                .with("file", file.filename().string())
                .with("text", e.what());
        }
}

}  // namespace slurm
