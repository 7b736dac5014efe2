#include "core/policy/slurm_settings.h"

#include <strings.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "core/base/split.h"

namespace core {
namespace {

bool same(const std::string& a, const std::string& b) {
    return ::strcasecmp(a.c_str(), b.c_str()) == 0;
}

// True if `list` ("Alloc,Contain") has one of the words of `any` ("alloc,contain").
bool lists(const std::string& list, const std::string& any) {
    const std::vector<std::string> wanted = split(any, ',');
    for (const std::string& word : split(list, ','))
        for (const std::string& one : wanted)
            if (same(trimmed(word), one)) return true;
    return false;
}

bool is_none(const std::string& value) {
    return value.empty() || same(value, "none") || value.ends_with("/none");
}

enum class Rule { lists, lists_none_of, is_set, is_none, is_no, is_whole_path, at_most };

struct Setting {
    const char* name;
    const char* otherwise;  // Slurm's own default, where the setting is not written
    Rule rule;
    const char* argument;
    bool required;
    const char* remedy;  // what slurm.conf should say, and why
};

// Slurm 22.05 and 24.11, slurm.conf(5).
constexpr Setting kSettings[] = {
    {"JobSubmitPlugins", "", Rule::lists, "aloft", true,
     "JobSubmitPlugins=aloft: else nothing checks grants at submission"},
    {"Prolog", "", Rule::is_set, "", true,
     "Prolog=" ALOFT_PREFIX
     "/libexec/aloft/prolog, or a script of the site's that calls it: else no job is fenced"},
    {"Epilog", "", Rule::is_set, "", true,
     "Epilog=" ALOFT_PREFIX
     "/libexec/aloft/epilog, or a script of the site's that calls it: else keys stay on the node"},
    {"PrologFlags", "", Rule::lists, "alloc,contain", true,
     "PrologFlags=Alloc: else Prolog runs when a job's first step does, not before"},
    {"PrologFlags", "", Rule::lists_none_of, "runinjob", true,
     "PrologFlags without RunInJob: Prolog would run in the job's extern step, which the fence ends"},
    {"PrologFlags", "", Rule::lists, "deferbatch", false,
     "PrologFlags with DeferBatch: else a job of several nodes fails where one node's Prolog takes longer"},
    {"SlurmctldParameters", "", Rule::lists_none_of, "enable_stepmgr", true,
     "SlurmctldParameters without enable_stepmgr: the job's extern step, which the fence ends, would start "
     "its steps"},
    {"OverTimeLimit", "0", Rule::at_most, "0", true, "OverTimeLimit=0: else jobs outlive their grants"},
    {"KillWait", "30", Rule::at_most, "30", true,
     "KillWait=30 or less: admission takes 30 seconds off a grant's end for it"},
    {"PreemptMode", "OFF", Rule::lists_none_of, "suspend,gang", true,
     "PreemptMode=OFF, CANCEL or REQUEUE: a suspended job shares its nodes with another"},
    {"ProctrackType", "proctrack/cgroup", Rule::lists, "proctrack/cgroup", true,
     "ProctrackType=proctrack/cgroup: else processes get away from their job"},
    {"TaskPlugin", "", Rule::lists, "task/cgroup", true,
     "TaskPlugin=task/cgroup: else a job reaches GPUs that are not its own"},
    {"PrivateData", "", Rule::lists, "jobs", true,
     "PrivateData=jobs: else names, folders and comments of jobs are a notice board for the whole cluster"},
    {"PlugStackConfig", "", Rule::is_whole_path, "", true,
     "without PlugStackConfig, or with a path from / on: slurmd looks for another one in its working folder, "
     "and loads no plugin where there is none"},
    {"TaskEpilog", "", Rule::is_none, "", true,
     "no TaskEpilog: it runs as the account, outside the fence's system call filter"},
    {"JobContainerType", "", Rule::is_none, "", true,
     "JobContainerType=job_container/none: another one enters a mount namespace that is not the job's view, "
     "and every task fails"},
    {"CliFilterPlugins", "", Rule::lists_none_of, "user_defaults,cli_filter/user_defaults", true,
     "CliFilterPlugins without user_defaults: it lets a file of the account's put options into the wrapper's "
     "srun"},
    {"UsePAM", "0", Rule::is_no, "", true,
     "UsePAM=0: modules of a PAM session run in slurmstepd, inside a job's fence, as root"},
    {"TaskProlog", "", Rule::is_none, "", false,
     "no TaskProlog: what it prints becomes variables of the job, and it is not in the job's view"},
    {"JobRequeue", "1", Rule::lists, "1,yes", false, "JobRequeue=1: else a lost node ends its jobs"},
    {"RequeueExit", "", Rule::lists, "75", false,
     "RequeueExit=75: programs that saved their state end with it"},
};

bool holds(const Setting& setting, const std::string& value) {
    switch (setting.rule) {
        case Rule::lists:
            return lists(value, setting.argument);
        case Rule::lists_none_of:
            return !lists(value, setting.argument);
        case Rule::is_set:
            return !value.empty();
        case Rule::is_none:
            return is_none(value);
        case Rule::is_no:
            return value.empty() || value == "0" || same(value, "no");
        case Rule::is_whole_path:
            return value.empty() || value.front() == '/';
        case Rule::at_most: {  // "5", "5 sec"
            char* end = nullptr;
            const long number = std::strtol(value.c_str(), &end, 10);
            return end != value.c_str() && (*end == 0 || *end == ' ') && number >= 0 &&
                   number <= std::atol(setting.argument);
        }
    }
    return false;
}

}  // namespace

std::vector<Check> judge_slurm_settings(const std::function<std::string(std::string_view name)>& value) {
    std::vector<Check> checks;
    for (const Setting& setting : kSettings) {
        std::string given = trimmed(value(setting.name));
        if (given == "(null)") given.clear();
        const bool good = holds(setting, given.empty() ? setting.otherwise : given);
        const auto check = setting.required ? &required : &advised;
        checks.push_back(check(setting.name, good, given.empty() ? "not set" : given,
                               std::string("slurm.conf: ") + setting.remedy));
    }
    return checks;
}

Check judge_slurmdbd(std::string_view configuration) {
    std::string found = "not told", line;
    bool is_slurmdbd = false;
    std::istringstream lines{std::string(configuration)};
    while (std::getline(lines, line)) {
        if (line.find("SlurmDBD configuration") != std::string::npos) is_slurmdbd = true;
        const auto equals = line.find('=');
        if (is_slurmdbd && equals != std::string::npos &&
            same(trimmed(line.substr(0, equals)), "PrivateData"))
            found = trimmed(line.substr(equals + 1));
    }
    return required("slurmdbd's PrivateData", lists(found, "jobs") && lists(found, "usage"), found,
                    "slurmdbd.conf: PrivateData=jobs,usage: else sacct shows names, folders and memory of "
                    "jobs to everybody");
}

}  // namespace core
