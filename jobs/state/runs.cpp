// A job's runs, node by node: open from "job-started" to "job-ended" of that node, and counted for no longer than Slurm let them
// run. A node that loses its power tells no end: aloftd then records "job.lost" (service/job_records.cpp).
#include "jobs/state/state.h"

namespace jobs {

using nlohmann::json;

namespace {

constexpr std::int64_t kMostSeconds = 100ll * 366 * 86400;  // of one job on one node
constexpr std::int64_t kMostGpus = 1024;                    // of one node
constexpr std::int64_t kHeardSeconds = 60;                  // on its way; see runs.heard
constexpr const char* kEndSeconds = "900";                  // after its limit: KillWait and Epilog

// 0 for what is not within [0, most], or not there: a node of an earlier version. A sum of what is beyond would no longer fit.
std::int64_t sane(const json& details, const char* key, std::int64_t most) {
    const auto found = details.find(key);
    if (found == details.end() || !found->is_number_integer() || *found < 0 || *found > most) return 0;
    return found->get<std::int64_t>();
}

// Which of a job's runs: how often Slurm had started it again. Nothing: a node of an earlier version, whose runs are not told apart.
json start_of(const json& details) {
    const auto found = details.find("start");
    if (found == details.end() || !found->is_string()) return nullptr;
    const auto text = found->get<std::string>();
    if (text.empty() || text.size() > 9 || text.find_first_not_of("0123456789") != std::string::npos)
        return nullptr;
    return std::stoll(text);
}

}  // namespace

// Slurm starts a job again when its earlier run is over everywhere. A node speaks for others of a run only if it told that it was one.
void State::fold_run_started(const json& job, const std::string& node, const json& time, std::int64_t heard,
                             const json& details) {
    const json start = start_of(details);
    if (!start.is_null()) {
        database_.run(
            "UPDATE runs SET over = min(coalesce(over, max(unixepoch(?2), began)), max(unixepoch(?2), "
            "began)), heard = "
            "coalesce(heard, ?5) WHERE job = ?1 AND counted IS NULL AND start < ?3 AND EXISTS(SELECT 1 FROM "
            "runs AS its WHERE its.job = ?1 AND its.node = ?4 AND its.start = runs.start AND its.most > 0)",
            {job, time, start, node, heard - kHeardSeconds});
        for (const json& row : database_.rows(
                 "SELECT start FROM runs WHERE job = ? AND node = ? AND start < ? AND counted IS NULL",
                 {job, node, start}))
            count_lost_run(job, node, row.at("start"));
        if (!database_.rows("SELECT 1 FROM runs WHERE job = ? AND node = ? AND start = ?", {job, node, start})
                 .empty())
            return;  // told a second time, or after its end
        const std::int64_t most = sane(details, "most_seconds", kMostSeconds);
        if (most > 0)
            database_.run(
                "INSERT INTO runs VALUES(?1, ?2, ?3, unixepoch(?4), ?5, ?6, (SELECT max(min(began), "
                "unixepoch(?4)) FROM "
                "runs WHERE job = ?1 AND node = ?2 AND start > ?3), NULL, NULL, 0)",
                {job, node, start, time, most, sane(details, "gpus", kMostGpus)});
    }
    database_.run(
        "UPDATE jobs SET state = iif(EXISTS(SELECT 1 FROM runs WHERE job = ?2 AND start > ?3), state, "
        "'started'), "
        "started = coalesce(started, ?1) WHERE id = ?2",
        {time, job, start});
}

void State::fold_run_ended(const json& job, const std::string& node, const json& time, std::int64_t heard,
                           const json& details) {
    const std::int64_t seconds = sane(details, "seconds", kMostSeconds),
                       gpus = sane(details, "gpus", kMostGpus);
    const json start = start_of(details);
    const auto rows = database_.rows("SELECT began + most + " + std::string(kEndSeconds) +
                                         " AS last, most + " + kEndSeconds +
                                         " AS most, coalesce(counted, 0) AS counted, gpus, counted IS NOT "
                                         "NULL AS was_lost, told FROM runs WHERE job = ? "
                                         "AND node = ? AND start = ?",
                                     {job, node, start});
    json run = rows.empty() ? json() : rows.front();
    if (!run.is_null() && run.at("told") == 1) return;
    const bool was_lost = !run.is_null() && run.at("was_lost") == 1;
    const std::int64_t most = run.is_null() ? seconds : std::min(seconds, run.at("most").get<std::int64_t>());
    const std::int64_t counted = run.is_null() ? 0 : run.at("counted").get<std::int64_t>(),
                       counted_gpus = run.is_null() ? 0 : run.at("gpus").get<std::int64_t>();
    // A node that was out of reach tells the end of its job when it finds that Slurm has ended it, weeks later perhaps. What was
    // counted as lost is counted anew, in the month where it stands. A later run that is open goes on.
    database_.run(
        "UPDATE jobs SET state = iif(?6 OR EXISTS(SELECT 1 FROM runs WHERE job = ?1 AND start > ?5 AND "
        "counted IS NULL), "
        "state, 'ended'), ended = iif(?6, ended, max(coalesce(ended, ''), strftime('%Y-%m-%dT%H:%M:%SZ', "
        "min(unixepoch(?2), coalesce(?7, unixepoch(?2))), 'unixepoch'))), node_seconds = node_seconds + ?3, "
        "gpu_seconds "
        "= gpu_seconds + ?4, records_ended = records_ended + 1 WHERE id = ?1",
        {job, time, most - counted, most * gpus - counted * counted_gpus, start, was_lost ? 1 : 0,
         run.is_null() ? json() : run.at("last")});
    if (start.is_null()) return;
    database_.run(
        "INSERT INTO runs VALUES(?1, ?2, ?3, unixepoch(?4), 0, ?5, NULL, NULL, ?6, 1) ON CONFLICT(job, node, "
        "start) DO "
        "UPDATE SET counted = excluded.counted, gpus = excluded.gpus, told = 1",
        {job, node, start, time, gpus, most});
    if (run.is_null()) return;  // it told of no beginning: it may have been none of the job's nodes
    // Its other nodes have ended it too, or will not tell.
    database_.run(
        "UPDATE runs SET over = min(coalesce(over, max(unixepoch(?2), began)), max(unixepoch(?2), began)), "
        "heard = "
        "coalesce(heard, ?4) WHERE job = ?1 AND counted IS NULL AND start = ?3",
        {job, time, start, heard - kHeardSeconds});
}

void State::fold_run_lost(const json& job, const json& node, const json& start) {
    if (!node.is_string() || !start.is_number_integer() ||
        !count_lost_run(job, node.get<std::string>(), start))
        return;
    // The last run's word on how the job ended stays.
    database_.run(
        "UPDATE jobs SET state = 'ended', outcome = iif(outcome IS NULL OR outcome IN ('requeued', "
        "'unknown'), 'lost', "
        "outcome) WHERE id = ?1 AND NOT EXISTS(SELECT 1 FROM runs WHERE job = ?1 AND (counted IS NULL OR "
        "start > ?2))",
        {job, start});
}

bool State::count_lost_run(const json& job, const std::string& node, const json& start) {
    const auto rows = database_.rows(
        "SELECT began, gpus, max(0, min(coalesce(over, began + most), began + most) - began) AS counted FROM "
        "runs WHERE "
        "job = ? AND node = ? AND start = ? AND counted IS NULL",
        {job, node, start});
    if (rows.empty()) return false;
    const auto of = [&](const char* key) { return rows[0].at(key).get<std::int64_t>(); };
    database_.run("UPDATE runs SET counted = ? WHERE job = ? AND node = ? AND start = ?",
                  {of("counted"), job, node, start});
    database_.run(
        "UPDATE jobs SET node_seconds = node_seconds + ?1, gpu_seconds = gpu_seconds + ?2, ended = "
        "max(coalesce(ended, "
        "''), strftime('%Y-%m-%dT%H:%M:%SZ', ?3, 'unixepoch')) WHERE id = ?4",
        {of("counted"), of("counted") * of("gpus"), of("began") + of("counted"), job});
    return true;
}

}  // namespace jobs
