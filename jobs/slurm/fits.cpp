#include "jobs/slurm/fits.h"

#include <algorithm>
#include <charconv>
#include <regex>
#include <sstream>

#include "core/base/child.h"
#include "core/base/error.h"
#include "core/base/message.h"
#include "core/base/split.h"
#include "core/policy/job_options.h"
#include "core/policy/slurm_lines.h"

namespace jobs {

using core::Error;
using core::failure;
using core::Fault;

namespace {

std::int64_t number(std::string_view text) {
    std::int64_t value = -1;
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
    return fault == std::errc{} && end == text.data() + text.size() ? value : -1;
}

// "gpu:a100:4(S:0-1),gpu:2,craynetwork:1" into GPUs by type.
std::map<std::string, std::int64_t> gpus_of(const std::string& resources) {
    static const std::regex sockets("\\([^)]*\\)?");  // they may have commas
    std::map<std::string, std::int64_t> gpus;
    for (const std::string& one : core::split(std::regex_replace(resources, sockets, ""), ',')) {
        const std::vector<std::string> parts = core::split(one, ':');
        if (parts.empty() || parts[0] != "gpu") continue;
        const std::int64_t count = parts.size() > 1 ? number(parts.back()) : 1;
        gpus[parts.size() > 2 ? parts[1] : ""] += std::max<std::int64_t>(count, 0);
    }
    return gpus;
}

// "a100:2", "2" or "a100".
struct Gpus {
    std::string type;
    std::int64_t count = 1;
};

Gpus read_gpus(const std::string& asked) {
    const std::size_t colon = asked.rfind(':');
    const std::int64_t count = number(colon == std::string::npos ? asked : asked.substr(colon + 1));
    if (count < 0) return {asked, 1};
    return {colon == std::string::npos ? "" : asked.substr(0, colon), count};
}

std::int64_t gpus_on(const NodeSize& node, const std::string& type) {
    std::int64_t all = 0;
    for (const auto& [kind, count] : node.gpus)
        if (type.empty() || kind == type) all += count;
    return all;
}

std::string kind_of(const Gpus& gpus) {
    return gpus.type.empty() ? "GPUs" : "GPUs of type " + gpus.type;
}

// The nodes that still come into question, narrowed by one wish after the other.
class Narrow {
public:
    Narrow(std::int64_t wanted, const std::vector<NodeSize>& nodes) : wanted_(wanted), nodes_(nodes) {}

    template <class Size>
    void by(const std::string& wish, std::int64_t least, const std::string& unit, Size size) {
        std::int64_t largest = 0;
        for (const NodeSize& node : nodes_) largest = std::max(largest, size(node));
        std::erase_if(nodes_, [&](const NodeSize& node) { return size(node) < least; });
        require(wish + " " + std::to_string(least) + " " + unit + " on each node; the largest has " +
                std::to_string(largest));
    }
    void by_features(const std::string& names) {
        for (const std::string& name : core::split(names, '&'))
            std::erase_if(nodes_, [&](const NodeSize& node) { return !node.features.contains(name); });
        require("--constraint asks for nodes with " + names);
    }
    void require(const std::string& asked) const {
        if (static_cast<std::int64_t>(nodes_.size()) >= wanted_) return;
        throw failure(Fault::refused,
                      "this job could never run: {}. Nodes of the enclave that would do: {} of the {} that "
                      "are asked for",
                      asked, nodes_.size(), wanted_);
    }
    // Of all `wanted_` nodes together, the best ones.
    std::int64_t most_gpus(const std::string& type) const {
        std::vector<std::int64_t> counts;
        for (const NodeSize& node : nodes_) counts.push_back(gpus_on(node, type));
        std::sort(counts.rbegin(), counts.rend());
        std::int64_t all = 0;
        for (std::size_t i = 0; i < counts.size() && static_cast<std::int64_t>(i) < wanted_; ++i)
            all += counts[i];
        return all;
    }

private:
    std::int64_t wanted_;
    std::vector<NodeSize> nodes_;
};

}  // namespace

std::vector<NodeSize> parse_nodes(std::string_view shown, const std::string& partition) {
    std::vector<NodeSize> nodes;
    std::istringstream lines{std::string(shown)};
    for (std::string line; std::getline(lines, line);) {
        NodeSize node;
        bool is_of_it = false;
        std::istringstream words(line);
        for (std::string word; words >> word;) {
            const std::size_t equals = word.find('=');
            if (equals == std::string::npos) continue;
            const std::string key = word.substr(0, equals), value = word.substr(equals + 1);
            if (key == "NodeName") node.name = value;
            if (key == "CPUTot") node.cores = number(value);
            if (key == "RealMemory") node.memory_mib = number(value);
            if (key == "Gres") node.gpus = gpus_of(value);
            if (key == "AvailableFeatures")
                for (const std::string& feature : core::split(value, ',')) node.features.insert(feature);
            if (key == "Partitions")
                for (const std::string& one : core::split(value, ','))
                    is_of_it = is_of_it || one == partition;
        }
        if (is_of_it && !node.name.empty() && node.cores > 0 && node.memory_mib > 0)
            nodes.push_back(std::move(node));
    }
    return nodes;
}

std::optional<std::vector<NodeSize>> ask_nodes(const std::string& partition) {
    try {
        const core::Finished shown = core::run_program({"scontrol", "--oneliner", "show", "node"}, "");
        if (shown.code != 0) return std::nullopt;
        std::vector<NodeSize> nodes = parse_nodes(shown.output, partition);
        if (nodes.empty()) return std::nullopt;
        return nodes;
    } catch (const Error&) {  // no scontrol on this host
        return std::nullopt;
    }
}

void require_fit(const JobWish& wish, const std::vector<NodeSize>& nodes) {
    Narrow narrow(wish.nodes, nodes);
    narrow.require("--nodes asks for " + std::to_string(wish.nodes));
    if (!wish.constraint.empty()) narrow.by_features(wish.constraint);
    narrow.by("--ntasks-per-node and --cpus-per-task ask for",
              wish.tasks_per_node * std::max<std::int64_t>(wish.cpus_per_task, 1), "cores",
              [](const NodeSize& node) { return node.cores; });
    if (!wish.memory.empty())
        narrow.by("--mem asks for", static_cast<std::int64_t>(core::memory_mib(wish.memory)), "MiB",
                  [](const NodeSize& node) { return node.memory_mib; });
    const auto each_node = [&](const char* option, const std::string& asked, std::int64_t times) {
        if (asked.empty()) return;
        const Gpus gpus = read_gpus(asked);
        narrow.by(std::string(option) + " asks for", gpus.count * times, kind_of(gpus),
                  [&](const NodeSize& node) { return gpus_on(node, gpus.type); });
    };
    each_node("--gpus-per-node", wish.gpus_per_node, 1);
    each_node("--gpus-per-task", wish.gpus_per_task, wish.tasks_per_node);
    if (wish.gpus.empty()) return;
    const Gpus gpus = read_gpus(wish.gpus);
    if (const std::int64_t most = narrow.most_gpus(gpus.type); most < gpus.count)
        throw failure(Fault::refused,
                      "this job could never run: --gpus asks for {} {}; {} of the enclave's nodes have {} "
                      "together. Ask for fewer, or for more nodes",
                      gpus.count, kind_of(gpus), wish.nodes, most);
}

std::int64_t gpus_asked(const JobWish& wish) {
    const auto count = [](const std::string& gpus) { return gpus.empty() ? 0 : read_gpus(gpus).count; };
    return std::max({count(wish.gpus), count(wish.gpus_per_node) * wish.nodes,
                     count(wish.gpus_per_task) * wish.tasks_per_node * wish.nodes});
}

namespace {

// As scontrol prints limits, with hours: whole minutes; nothing for none.
std::optional<std::int64_t> minutes_of(const std::string& text) {
    const auto seconds = core::slurm_seconds(text);
    return seconds && std::ranges::count(text, ':') == 2 ? std::optional(*seconds / 60) : std::nullopt;
}

}  // namespace

std::optional<PartitionLimits> parse_limits(std::string_view shown, const std::string& partition) {
    std::istringstream lines{std::string(shown)};
    for (std::string line; std::getline(lines, line);) {
        PartitionLimits limits;
        bool is_it = false;
        std::istringstream words(line);
        for (std::string word; words >> word;) {
            if (word == "PartitionName=" + partition) is_it = true;
            if (word.starts_with("MaxTime=")) limits.minutes = minutes_of(word.substr(8));
            if (word.starts_with("MaxNodes="))
                if (const std::int64_t most = number(word.substr(9)); most >= 0) limits.nodes = most;
        }
        if (is_it) return limits;
    }
    return std::nullopt;
}

std::optional<PartitionLimits> ask_limits(const std::string& partition) {
    try {
        const core::Finished shown = core::run_program({"scontrol", "--oneliner", "show", "partition"}, "");
        return shown.code == 0 ? parse_limits(shown.output, partition) : std::nullopt;
    } catch (const Error&) {  // no scontrol on this host
        return std::nullopt;
    }
}

void require_within(const JobWish& wish, const PartitionLimits& limits) {
    const auto refuse = [](const char* option, std::int64_t asked, std::int64_t most) {
        throw failure(
            Fault::refused,
            "this job could never run: {} asks for {}; the enclave's partition gives a job {} at most",
            std::string(option), asked, most);
    };
    if (limits.nodes && wish.nodes > *limits.nodes) refuse("--nodes", wish.nodes, *limits.nodes);
    if (limits.minutes && wish.minutes > *limits.minutes) refuse("--time", wish.minutes, *limits.minutes);
}

}  // namespace jobs
