#include "staging/risk/search.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <queue>
#include <unordered_map>
#include <unordered_set>

namespace staging {
namespace {

// A node of the lattice: four bits a quasi-identifier, of which the highest is free for comparing.
using Node = std::uint64_t;
constexpr Node kFree = 0x8888888888888888;

bool is_below(Node a, Node b) {  // or equal
    return (((b | kFree) - a) & kFree) == kFree;
}
Levels levels_of(Node node, std::size_t count) {
    Levels out;
    for (std::size_t i = 0; i < count; ++i) out.push_back(static_cast<std::uint8_t>(node >> 4 * i & 7));
    return out;
}

Histogram histogram_of(std::span<const Share> group) {
    Histogram out;
    for (const Share& one : group) out.push_back({one.category, one.patients});
    return out;
}

class Search {
public:
    Search(const PatientTable& table, const Quasi& quasi, const RiskPolicy& policy, const Closeness& all,
           const Parts& parts)
        : table_(table), quasi_(quasi), policy_(policy), all_(all), parts_(parts) {
        for (const Hierarchy& one : quasi.hierarchies()) losses_.push_back(one.losses());
        sum_losses();
        made_.push_back({0, shares_from(nullptr, Levels(quasi.size(), 0)).take()});
        std::int64_t patients[] = {static_cast<std::int64_t>(table.size())};
        parts.sum(patients);
        patients_ = patients[0];
        allowed_ = part_of(policy.most_suppressed, patients_);
        whole_ = static_cast<std::int64_t>(quasi.size()) * kWholeLoss;
    }

    LeastLoss run() {
        Node top = 0;
        for (std::size_t i = 0; i < quasi_.size(); ++i)
            top |= Node{quasi_.hierarchies()[i].levels.size() - 1} << 4 * i;
        top_ = top;
        std::priority_queue<Waiting, std::vector<Waiting>, std::greater<>> waiting;
        std::unordered_set<Node> seen{0};
        const auto most_nodes = static_cast<std::size_t>(policy_.most_steps) * 1024;
        bool is_least = true;
        // If not even the top holds k and l, nothing does.
        if (judge(top).holds_monotone) waiting.push({least_of(0), 0});
        while (!waiting.empty()) {
            const Waiting next = waiting.top();
            waiting.pop();
            if (best_ && next >= *best_) break;
            if (steps_ >= policy_.most_steps || seen.size() > most_nodes) {
                is_least = false;
                break;
            }
            const Node node = next.second;
            if (!is_tagged(node) && !judge(node).holds_monotone) tag_upwards(node);
            each_above(node, [&](Node above) {
                if (seen.insert(above).second) waiting.push({least_of(above), above});
            });
        }
        if (!best_) return {std::nullopt, is_least};
        const auto& [loss, node] = *best_;
        Generalisation out;
        out.levels = levels_of(node, quasi_.size());
        out.suppressed = judged_.at(node).below;
        if (whole_ > 0 && patients_ > 0)
            out.loss =
                static_cast<double>(loss) / static_cast<double>(whole_) / static_cast<double>(patients_);
        out.is_least = is_least;
        out.steps = steps_;
        return {out, is_least};
    }

private:
    using Waiting = std::pair<std::int64_t, Node>;
    struct Judged {
        std::int64_t below = 0;  // patients
        bool holds_monotone = false;
    };
    struct Made {
        Node node;
        std::vector<Share> shares;
    };

    // What every level of every quasi-identifier costs by itself, over all patients.
    void sum_losses() {
        const std::size_t count = quasi_.size();
        std::vector<std::vector<std::int64_t>> alone(count);  // patients of one cell, by value
        for (std::size_t i = 0; i < count; ++i) {
            sums_.emplace_back(losses_[i].size(), 0);
            alone[i].assign(quasi_.hierarchies()[i].levels[0].codes.size(), 0);
        }
        for (std::size_t patient = 0; patient < table_.size(); ++patient) {
            const auto cells = table_.cells(patient);
            for (std::size_t i = 0; i < count; ++i) {
                if (cells.size() == 1) {
                    ++alone[i][quasi_.code(cells[0], i)];
                    continue;
                }
                for (std::size_t level = 0; level < losses_[i].size(); ++level)
                    sums_[i][level] += worst(cells, i, level);
            }
        }
        for (std::size_t i = 0; i < count; ++i) {
            for (std::size_t level = 0; level < losses_[i].size(); ++level)
                for (std::size_t value = 0; value < alone[i].size(); ++value)
                    sums_[i][level] += alone[i][value] * losses_[i][level][value];
            parts_.sum(sums_[i]);
        }
    }

    std::int64_t worst(std::span<const PackedCell> cells, std::size_t which, std::size_t level) const {
        std::int64_t most = 0;
        for (const PackedCell& cell : cells)
            most = std::max(most, losses_[which][level][quasi_.code(cell, which)]);
        return most;
    }

    // What a node costs if nobody is left out: no node costs less.
    std::int64_t least_of(Node node) const {
        std::int64_t sum = 0;
        for (std::size_t i = 0; i < quasi_.size(); ++i) sum += sums_[i][node >> 4 * i & 7];
        return sum;
    }

    template <class Take>
    void each_above(Node node, Take take) const {
        for (std::size_t i = 0; i < quasi_.size(); ++i)
            if ((node >> 4 * i & 7) < (top_ >> 4 * i & 7)) take(node + (Node{1} << 4 * i));
    }

    Shares shares_from(const std::vector<Share>* finer, const Levels& levels) const {
        Shares out;
        std::vector<PackedCell> cells;
        const std::size_t count = finer ? finer->size() : table_.size();
        for (std::size_t i = 0; i < count; ++i) {
            Share share;
            share.patient = finer ? (*finer)[i].patient : static_cast<std::uint32_t>(i);
            share.patients = finer ? (*finer)[i].patients : 1;
            share.category = table_.category(share.patient);
            cells.clear();
            for (const PackedCell& cell : table_.cells(share.patient))
                cells.push_back(quasi_.at(cell, levels));
            share.group = name_of(cells);
            out.add(share);
        }
        return out;
    }

    // From the fewest shares that some finer node has left.
    Shares shares(Node node, const Levels& levels) {
        const Made* from = &made_[0];
        for (const Made& one : made_)
            if (is_below(one.node, node) && one.shares.size() < from->shares.size()) from = &one;
        Shares out = shares_from(&from->shares, levels);
        constexpr std::size_t kMostMade = 64;
        const std::size_t size = out.all().size();
        if (made_.size() < kMostMade && kept_ + size <= made_[0].shares.size() &&
            2 * size <= from->shares.size()) {
            kept_ += size;
            made_.push_back({node, out.all()});
        }
        return out;
    }

    // The same of all patients of a group.
    std::int64_t loss_of(std::uint32_t patient, const Levels& levels) const {
        std::int64_t sum = 0;
        for (std::size_t i = 0; i < quasi_.size(); ++i) sum += worst(table_.cells(patient), i, levels[i]);
        return sum;
    }

    // What is missing, or several, is no value of the sensitive column.
    GroupMeasures sizes_of(std::span<const Share> group) const {
        GroupMeasures out;
        for (const Share& one : group) out.patients += one.patients;
        out.categories =
            std::ranges::count_if(group, [&](const Share& one) { return all_.is_value(one.category); });
        return out;
    }

    bool holds(std::span<const Share> group, const GroupMeasures& sizes) const {
        return hold_monotone(policy_, sizes) &&
               ((policy_.entropy_l == 0 && policy_.recursive_l == 0 && policy_.t == 0) ||
                hold(policy_, measure(histogram_of(group), policy_, all_)));
    }

    const Judged& judge(Node node) {
        const auto [at, is_new] = judged_.try_emplace(node);
        if (!is_new) return at->second;
        ++steps_;
        const Levels levels = levels_of(node, quasi_.size());
        Shares here = shares(node, levels);
        if (!parts_.alone()) {
            std::vector<Share> mine = std::move(here).take();
            for (Share& share : mine) share.loss = loss_of(share.patient, levels);
            here = Shares();
            parts_.bring(mine, here);
        }
        // Patients that break k or l; that break anything; what the latter lose here.
        std::int64_t sums[3] = {};
        here.each_group([&](std::span<const Share> group) {
            const GroupMeasures sizes = sizes_of(group);
            if (!hold_monotone(policy_, sizes)) sums[0] += sizes.patients;
            if (holds(group, sizes)) return;
            sums[1] += sizes.patients;
            sums[2] += sizes.patients * group[0].loss;
        });
        parts_.sum(sums);
        at->second = {sums[1], sums[0] <= allowed_};
        if (!at->second.holds_monotone) tagged_.push_back(node);
        if (sums[1] > allowed_) return at->second;
        if (parts_.alone())
            here.each_group([&](std::span<const Share> group) {
                const GroupMeasures sizes = sizes_of(group);
                if (!holds(group, sizes)) sums[2] += sizes.patients * loss_of(group[0].patient, levels);
            });
        const Waiting cost{least_of(node) - sums[2] + sums[1] * whole_, node};
        if (!best_ || cost < *best_) best_ = cost;
        return at->second;
    }

    bool is_tagged(Node node) const {
        return std::any_of(tagged_.begin(), tagged_.end(), [&](Node one) { return is_below(node, one); });
    }

    // From a node that breaks k or l: the highest that does on a path to the top, which does not.
    void tag_upwards(Node node) {
        std::vector<Node> path{node};
        while (path.back() != top_) {
            Waiting next{INT64_MAX, 0};
            each_above(path.back(), [&](Node above) {
                next = std::min(next, Waiting{least_of(above), above});
            });
            path.push_back(next.second);
        }
        std::size_t breaks = 0, holds = path.size() - 1;
        while (holds - breaks > 1 && steps_ < policy_.most_steps) {
            const std::size_t middle = (breaks + holds) / 2;
            (!is_tagged(path[middle]) && judge(path[middle]).holds_monotone ? holds : breaks) = middle;
        }
    }

    const PatientTable& table_;
    const Quasi& quasi_;
    const RiskPolicy& policy_;
    const Closeness& all_;
    const Parts& parts_;
    std::vector<std::vector<std::vector<std::int64_t>>> losses_;  // by quasi-identifier, level, value
    std::vector<std::vector<std::int64_t>> sums_;                 // by quasi-identifier, level
    std::int64_t patients_ = 0, allowed_ = 0, whole_ = 0, steps_ = 0;
    Node top_ = 0;
    std::vector<Made> made_;
    std::size_t kept_ = 0;
    std::unordered_map<Node, Judged> judged_;
    std::vector<Node> tagged_;
    std::optional<Waiting> best_;
};

}  // namespace

std::vector<std::int64_t> count_categories(const PatientTable& table, std::size_t categories,
                                           const Parts& parts) {
    std::vector<std::int64_t> out(categories, 0);
    for (std::size_t i = 0; i < table.size(); ++i) ++out[table.category(i)];
    parts.sum(out);
    return out;
}

Shares shares_at(const PatientTable& table, const Quasi& quasi, const Levels& levels) {
    Shares out;
    std::vector<PackedCell> cells;
    for (std::size_t i = 0; i < table.size(); ++i) {
        cells.clear();
        for (const PackedCell& cell : table.cells(i)) cells.push_back(quasi.at(cell, levels));
        Share share;
        share.group = name_of(cells);
        share.patients = 1;
        share.category = table.category(i);
        share.patient = static_cast<std::uint32_t>(i);
        out.add(share);
    }
    return out;
}

std::int64_t part_of(double part, std::int64_t patients) {
    constexpr double kRounding = 1e-12;  // 0.29 of 100 is 29
    return static_cast<std::int64_t>(std::floor(part * static_cast<double>(patients) * (1 + kRounding)));
}

LeastLoss least_loss(const PatientTable& table, const Quasi& quasi, const RiskPolicy& policy,
                     const Closeness& all, const Parts& parts) {
    return Search(table, quasi, policy, all, parts).run();
}

}  // namespace staging
