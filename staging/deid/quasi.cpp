#include "staging/deid/quasi.h"

#include <algorithm>

#include "core/base/error.h"
#include "staging/deid/cases.h"
#include "staging/deid/definition.h"

namespace staging {
namespace {

[[noreturn]] void refuse(const std::string& name, const std::string& why) {
    throw core::Error(core::Fault::usage, "risk.hierarchies: the quasi-identifier \"" + name + "\" " + why);
}

const ColumnRule* rule_of(const Definition& definition, const std::string& name) {
    const auto find = [&](const std::vector<ColumnChoice>& columns) -> const ColumnRule* {
        const auto found = std::ranges::find_if(
            columns, [&](const ColumnChoice& one) { return one.is_output && one.rule.name == name; });
        return found == columns.end() ? nullptr : &found->rule;
    };
    const ColumnRule* own = find(definition.columns);
    return own || !definition.labels ? own : find(definition.labels->table.columns);
}

// "" stands for what is missing, after all others.
std::vector<std::string> values_of(const Definition& definition, const core::Column& column,
                                   QuasiColumns::Place& place) {
    std::vector<std::string> values(column.names);
    if (column.type != core::ColumnType::category) {
        constexpr double kMostValues = 1 << 20;
        const ColumnRule* rule = rule_of(definition, column.name);
        const auto* bounds = rule ? std::get_if<Integer>(&rule->transform) : nullptr;
        if (!bounds)
            refuse(column.name, "has no list of values: it must be of categories, or of whole numbers");
        if (bounds->max - bounds->min >= kMostValues)
            refuse(column.name, "has bounds too far apart: at most 2^20");
        place.is_integer = true;
        place.min = static_cast<std::int64_t>(bounds->min);
        for (std::int64_t value = place.min; value <= static_cast<std::int64_t>(bounds->max); ++value)
            values.push_back(std::to_string(value));
    }
    values.emplace_back();
    return values;
}

const Hierarchy::Level& level_of(const QuasiColumns& quasi, std::size_t which) {
    return quasi.quasi.hierarchies()[which].levels[quasi.levels[which]];
}

std::uint32_t code_of(const QuasiColumns& quasi, std::size_t which, const core::Cell& cell,
                      const core::Column& column) {
    const auto missing =
        static_cast<std::uint32_t>(quasi.quasi.hierarchies()[which].levels[0].codes.size() - 1);
    if (const auto* name = std::get_if<std::string>(&cell)) {
        const std::int32_t code = column.code_of(*name);
        return code < 0 ? missing : static_cast<std::uint32_t>(code);
    }
    const auto* integer = std::get_if<std::int64_t>(&cell);
    if (!integer) return missing;
    const std::int64_t code = *integer - quasi.places[which].min;
    if (code < 0 || code >= missing) throw core::Error(core::Fault::bug, "a whole number outside its bounds");
    return static_cast<std::uint32_t>(code);
}

}  // namespace

QuasiColumns quasi_columns(const Definition& definition) {
    const RiskPolicy& policy = definition.profile.risk;
    QuasiColumns out;
    std::vector<Hierarchy> hierarchies;
    for (const std::string& name : policy.quasi_identifiers) {
        QuasiColumns::Place place;
        place.column = definition.schema.column(name);
        const auto values = values_of(definition, definition.schema.columns[place.column], place);
        const auto rule = policy.hierarchies.find(name);
        hierarchies.push_back(rule == policy.hierarchies.end() ? unchanged(name, values)
                                                               : make_hierarchy(name, values, rule->second));
        for (const Hierarchy::Level& level : hierarchies.back().levels)
            if (place.is_integer && level.width == 0 && level.name != "as it is" && level.name != "*")
                refuse(name, "is of whole numbers: only widths make it coarser");
        // What a build could not write.
        if (rule != policy.hierarchies.end())
            for (const auto& [value, parent] : rule->second.parents)
                if (parent.empty() || parent == "(missing)")
                    refuse(name, "has a part whose name stands for what is missing");
        out.places.push_back(place);
    }
    out.quasi = Quasi(std::move(hierarchies));
    out.levels.assign(out.places.size(), 0);
    return out;
}

PackedCell packed_cell(const QuasiColumns& quasi, std::span<const core::Cell> cells, std::size_t first,
                       const core::Schema& schema) {
    PackedCell out{};
    for (std::size_t i = 0; i < quasi.places.size(); ++i) {
        const std::size_t at = quasi.places[i].column;
        if (at >= first && at < first + cells.size())
            quasi.quasi.put(out, i, code_of(quasi, i, cells[at - first], schema.columns[at]));
    }
    return out;
}

void generalise(std::vector<core::Cell>& columns, const QuasiColumns& quasi) {
    for (std::size_t i = 0; i < quasi.places.size(); ++i) {
        const Hierarchy::Level& level = level_of(quasi, i);
        core::Cell& cell = columns[quasi.places[i].column];
        if (quasi.levels[i] == 0) continue;
        const bool is_top = level.values.size() == 1;
        if (quasi.places[i].is_integer) {
            auto* value = std::get_if<std::int64_t>(&cell);
            if (is_top)
                cell = core::Cell();
            else if (value)
                *value -= (*value % level.width + level.width) % level.width;
        } else if (is_top) {
            cell = core::Cell(level.values[0]);
        } else if (auto* name = std::get_if<std::string>(&cell)) {
            const auto& names = quasi.quasi.hierarchies()[i].levels[0].values;
            const auto found = std::ranges::find(names, *name);
            if (found == names.end())
                throw core::Error(core::Fault::bug, "a category that the schema does not have");
            *name = level.values[level.codes[static_cast<std::size_t>(found - names.begin())]];
        }
    }
}

void generalise(core::Schema& schema, const QuasiColumns& quasi) {
    for (std::size_t i = 0; i < quasi.places.size(); ++i) {
        core::Column& column = schema.columns[quasi.places[i].column];
        if (quasi.levels[i] == 0 || column.type != core::ColumnType::category) continue;
        column.names = level_of(quasi, i).values;
        std::erase(column.names, "");  // what is missing has no name
    }
}

}  // namespace staging
