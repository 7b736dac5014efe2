#include "trainer/eval/groups.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <set>

#include "trainer/eval/suppress.h"

namespace trainer {
namespace {

// What "site" or "site*vendor" compares; nothing if the dataset has no such column.
std::optional<std::vector<const Predictions::Stratum*>> parts_of(const Predictions& predictions,
                                                                 const std::string& name) {
    std::vector<const Predictions::Stratum*> parts;
    for (std::size_t from = 0; from <= name.size();) {
        const auto star = std::min(name.find('*', from), name.size());
        const auto found =
            std::find_if(predictions.strata.begin(), predictions.strata.end(),
                         [&](const auto& stratum) { return stratum.name == name.substr(from, star - from); });
        if (found == predictions.strata.end()) return std::nullopt;
        parts.push_back(&*found);
        from = star + 1;
    }
    return parts;
}

}  // namespace

std::vector<std::size_t> all_of(const Predictions& predictions) {
    std::vector<std::size_t> all(predictions.samples());
    std::iota(all.begin(), all.end(), std::size_t{0});
    return all;
}

std::int64_t patients_of(const Predictions& predictions, const std::vector<std::size_t>& samples) {
    std::set<std::uint64_t> patients;
    for (const std::size_t i : samples) patients.insert(predictions.patient[i]);
    return static_cast<std::int64_t>(patients.size());
}

std::vector<Group> groups_of(const Predictions& predictions, const EvaluateOptions& options,
                             const AreOfFew& are_of_few) {
    // Atoms: the samples that no stratum tells apart.
    std::map<std::vector<std::int32_t>, std::size_t> atoms;
    std::vector<std::size_t> atom_of;
    for (std::size_t i = 0; i < predictions.samples(); ++i) {
        std::vector<std::int32_t> codes;
        for (const auto& stratum : predictions.strata) codes.push_back(stratum.code[i]);
        atom_of.push_back(atoms.try_emplace(codes, atoms.size()).first->second);
    }
    std::vector<FigureSet> sets{
        {std::vector<bool>(atoms.size(), true), patients_of(predictions, all_of(predictions)), 0}};
    std::vector<Group> out;
    int kind = 0;
    for (const std::string& name : std::set<std::string>(options.strata.begin(), options.strata.end())) {
        const auto parts = parts_of(predictions, name);
        if (!parts) continue;
        ++kind;
        std::map<std::string, std::vector<std::size_t>> by_value;
        for (std::size_t i = 0; i < predictions.samples(); ++i) {
            std::string value;
            for (const auto* part : *parts) {
                if (!value.empty()) value += " * ";
                const std::int32_t code = part->code[i];
                value += code < 0 ? "(missing)" : part->values.at(static_cast<std::size_t>(code));
            }
            by_value[value].push_back(i);
        }
        for (auto& [value, samples] : by_value) {
            FigureSet set{std::vector<bool>(atoms.size(), false), patients_of(predictions, samples), kind};
            for (const std::size_t i : samples) set.atoms[atom_of[i]] = true;
            sets.push_back(std::move(set));
            out.push_back({name, value, std::move(samples)});
        }
    }
    const auto of_atoms = [&](const std::vector<bool>& wanted) {
        std::vector<std::size_t> samples;
        for (std::size_t i = 0; i < atom_of.size(); ++i)
            if (wanted[atom_of[i]]) samples.push_back(i);
        return are_of_few(samples);
    };
    const auto hidden = suppressed(sets, options.min_stratum, are_of_few ? IsOfFew(of_atoms) : IsOfFew());
    for (std::size_t i = 0; i < out.size(); ++i) out[i].hidden = hidden[i + 1];
    return out;
}

std::vector<bool> hidden_classes(const Predictions& predictions, const EvaluateOptions& options) {
    const std::size_t classes = predictions.classes.size();
    std::vector<FigureSet> sets{
        {std::vector<bool>(classes, true), patients_of(predictions, all_of(predictions)), 0}};
    for (std::size_t c = 0; c < classes; ++c) {
        std::vector<std::size_t> samples;
        for (std::size_t i = 0; i < predictions.samples(); ++i)
            if (static_cast<std::size_t>(predictions.label[i]) == c) samples.push_back(i);
        sets.push_back({std::vector<bool>(classes, false), patients_of(predictions, samples), 1});
        sets.back().atoms[c] = true;
    }
    const auto hidden = suppressed(sets, options.min_stratum);
    return {hidden.begin() + 1, hidden.end()};
}

}  // namespace trainer
