#include "jobs/slurm/cluster_checks.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "core/base/child.h"
#include "core/base/hosts.h"
#include "core/base/message.h"
#include "core/base/split.h"
#include "core/policy/slurm_settings.h"
#include "jobs/slurm/client.h"

namespace jobs {

using core::failure;
using core::Fault;

namespace {

constexpr std::int64_t kSlurmKillWaitSeconds = 30;  // slurm.conf(5)

bool is_number(const std::string& text) {
    return !text.empty() && text.size() <= 9 && text.find_first_not_of("0123456789") == std::string::npos;
}

Partition parse_partition(const std::string& line) {
    Partition partition;
    std::istringstream words(line);
    for (std::string word; words >> word;) {
        const auto equals = word.find('=');
        if (equals == std::string::npos) continue;
        const std::string key = word.substr(0, equals), value = word.substr(equals + 1);
        if (key == "PartitionName") partition.name = value;
        if (key == "OverSubscribe") partition.oversubscribe = value;
        if (key == "OverTimeLimit") partition.over_time_limit = value;
        if (key == "State") partition.state = value;
        if (key == "Default") partition.is_default = value == "YES";
        if (key == "Nodes") partition.nodes = core::expand_hosts(value);
    }
    return partition;
}

// The checks of one enclave, one after the other.
class Look {
public:
    Look(const core::Enclave& enclave, const SlurmSettings& settings, const std::string& host)
        : enclave_(enclave), settings_(settings), host_(host) {}

    void at_config() {
        const auto value = [this](std::string_view name) { return settings_.value(std::string(name)); };
        for (Check& check : core::judge_slurm_settings(value)) add(std::move(check));
        if (value("AccountingStorageType").ends_with("/slurmdbd"))
            add(core::judge_slurmdbd(settings_.accounting));
    }

    void at_partitions() {
        const auto found =
            std::find_if(settings_.partitions.begin(), settings_.partitions.end(),
                         [this](const Partition& partition) { return partition.name == enclave_.partition; });
        const bool is_there = found != settings_.partitions.end();
        need("partition " + enclave_.partition, is_there, is_there ? "there" : "absent",
             conf("PartitionName=" + enclave_.partition + " Nodes=" + core::joined(enclave_.nodes, ",") +
                  " OverSubscribe=EXCLUSIVE"));
        if (is_there) at_own(*found);
        for (const Partition& other : settings_.partitions)
            if (other.name != enclave_.partition) at_other(other);
    }

    std::vector<Check> checks;

private:
    static std::string conf(const std::string& line) { return "slurm.conf: " + line; }

    void add(Check check) {
        check.host = host_;
        check.layer = "slurm";
        if (check.found.empty()) check.found = "not set";
        checks.push_back(std::move(check));
    }
    void need(const std::string& what, bool good, const std::string& found, const std::string& remedy) {
        add(core::required(what, good, found, remedy));
    }
    void want(const std::string& what, bool good, const std::string& found, const std::string& remedy) {
        add(core::advised(what, good, found, remedy));
    }

    void at_own(const Partition& own) {
        const std::string line = "PartitionName=" + own.name + " ";
        need("whole nodes", own.oversubscribe == "EXCLUSIVE", "OverSubscribe=" + own.oversubscribe,
             conf(line + "OverSubscribe=EXCLUSIVE") + ": else a neighbour on the node could relay");
        need("not the default", !own.is_default, own.is_default ? "Default=YES" : "Default=NO",
             conf(line + "Default=NO"));
        need("the partition's OverTimeLimit", own.over_time_limit == "NONE" || own.over_time_limit == "0",
             own.over_time_limit, conf(line + "without OverTimeLimit"));
        std::vector<std::string> foreign, missing;
        for (const std::string& node : own.nodes)
            if (!enclave_.has_node(node)) foreign.push_back(node);
        for (const std::string& node : enclave_.nodes)
            if (std::find(own.nodes.begin(), own.nodes.end(), node) == own.nodes.end())
                missing.push_back(node);
        need("only its nodes", foreign.empty() && !own.nodes.empty(),
             own.nodes.empty() ? "no nodes"
             : foreign.empty() ? core::joined(own.nodes, ",")
                               : "also " + core::joined(foreign, ","),
             conf(line + "Nodes=" + core::joined(enclave_.nodes, ",")) + ", or aloft admin enclave add " +
                 enclave_.name + " --node");
        want("all its nodes", missing.empty(),
             missing.empty() ? "all" : "without " + core::joined(missing, ","),
             conf(line + "Nodes=" + core::joined(enclave_.nodes, ",")) + ", or aloft admin enclave remove " +
                 enclave_.name + " --node");
        want("partition is up", own.state == "UP", own.state,
             "scontrol update PartitionName=" + own.name + " State=UP");
    }

    // A node keeps traces of a job that the next one finds (PROMISE.md), so the next one must be the enclave's as well.
    void at_other(const Partition& other) {
        std::vector<std::string> common;
        for (const std::string& node : other.nodes)
            if (enclave_.has_node(node)) common.push_back(node);
        if (common.empty()) return;
        need("partition " + other.name + " on the same nodes", false, "offers " + core::joined(common, ","),
             conf("PartitionName=" + other.name + " Nodes= without " + core::joined(common, ",")) +
                 ": an enclave's nodes are its own");
    }

    const core::Enclave& enclave_;
    const SlurmSettings& settings_;
    const std::string host_;
};

bool is_installed(const std::string& program) {
    const char* path = std::getenv("PATH");
    for (const std::string& folder : core::split(path ? path : "", ':'))
        if (!folder.empty() && ::access((folder + "/" + program).c_str(), X_OK) == 0) return true;
    return false;
}

std::string slurm_says(const std::string& program, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), program);
    const core::Finished done = core::run_program(arguments, "");
    if (done.code != 0)
        throw failure(Fault::system, "{} failed: {} Is slurmctld running, and slurm.conf on this host?",
                      program, done.errors.substr(0, 500));
    return done.output;
}

}  // namespace

std::string SlurmSettings::value(const std::string& key) const {
    const auto found = config.find(key);
    return found == config.end() || found->second == "(null)" ? "" : found->second;
}

std::int64_t SlurmSettings::kill_wait_seconds() const {
    const std::string text = value("KillWait"), number = text.substr(0, text.find(' '));  // "5 sec"
    return is_number(number) ? std::stol(number) : kSlurmKillWaitSeconds;
}

SlurmSettings parse_settings(std::string_view config, std::string_view partitions) {
    SlurmSettings settings;
    std::istringstream lines{std::string(config)};
    for (std::string line; std::getline(lines, line);)
        if (const auto equals = line.find('='); equals != std::string::npos)
            settings.config[core::trimmed(line.substr(0, equals))] = core::trimmed(line.substr(equals + 1));
    std::istringstream rows{std::string(partitions)};
    for (std::string line; std::getline(rows, line);)
        if (line.starts_with("PartitionName=")) settings.partitions.push_back(parse_partition(line));
    return settings;
}

std::optional<SlurmSettings> ask_slurm() {
    if (!is_installed("scontrol")) return std::nullopt;
    SlurmSettings settings = parse_settings(slurm_says("scontrol", {"show", "config"}),
                                            slurm_says("scontrol", {"--oneliner", "show", "partition"}));
    if (settings.value("AccountingStorageType").ends_with("/slurmdbd") && is_installed("sacctmgr"))
        settings.accounting = slurm_says("sacctmgr", {"--noheader", "show", "configuration"});
    return settings;
}

std::vector<Check> checks_of_slurm(const core::Enclave& enclave, const SlurmSettings& settings,
                                   const std::string& host) {
    Look look(enclave, settings, host);
    look.at_config();
    look.at_partitions();
    return std::move(look.checks);
}

}  // namespace jobs
