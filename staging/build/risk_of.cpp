#include "staging/build/risk_of.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "staging/deid/cases.h"

namespace staging {
namespace {

void add(std::string& values, const core::Cell& cell) {
    if (const auto* category = std::get_if<std::string>(&cell))
        values += *category;
    else if (const auto* integer = std::get_if<std::int64_t>(&cell))
        values += std::to_string(*integer);
    else if (const auto* real = std::get_if<double>(&cell))
        values += std::to_string(*real);
    values += '\0';
}

core::Id16 as_id(const PackedCell& cell) {
    core::Id16 out;
    std::memcpy(out.data(), cell.data(), out.size());
    return out;
}

std::uint32_t number_of(const core::Cell& cell, const core::Column& column) {
    const auto* name = std::get_if<std::string>(&cell);
    return name ? static_cast<std::uint32_t>(column.code_of(*name) + 1) : 0;
}

}  // namespace

core::Id16 quasi_of(std::span<const core::Cell> columns, const Definition& definition,
                    const Pseudonyms& pseudonyms) {
    const std::size_t first = first_label_column(definition);
    if (definition.quasi)
        return as_id(packed_cell(*definition.quasi, columns.first(std::min(columns.size(), first)), 0,
                                 definition.schema));
    std::string values;
    for (const std::string& name : definition.profile.risk.quasi_identifiers)
        if (const std::size_t at = definition.schema.column(name); at < first) add(values, columns[at]);
    return pseudonyms.of("quasi", {}, core::view(values));
}

std::uint32_t sensitive_of(std::span<const core::Cell> columns, const Definition& definition) {
    if (definition.profile.risk.sensitive.empty()) return 0;
    const std::size_t at = definition.schema.column(definition.profile.risk.sensitive);
    return at < first_label_column(definition) ? number_of(columns[at], definition.schema.columns[at]) : 0;
}

RiskOf with_labels(const RiskOf& image, std::span<const core::Cell> labels, const Definition& definition,
                   const Pseudonyms& pseudonyms) {
    const std::size_t first = first_label_column(definition);
    RiskOf out = image;
    if (definition.quasi) {
        const core::Id16 more = as_id(packed_cell(*definition.quasi, labels, first, definition.schema));
        for (std::size_t i = 0; i < more.size(); ++i) out.quasi[i] |= more[i];
    }
    std::string values;
    for (const std::string& name : definition.profile.risk.quasi_identifiers)
        if (const std::size_t at = definition.schema.column(name); at >= first && !definition.quasi)
            add(values, labels[at - first]);
    if (!values.empty()) out.quasi = pseudonyms.of("quasi of labels", image.quasi, core::view(values));
    if (const std::string& name = definition.profile.risk.sensitive; !name.empty())
        if (const std::size_t at = definition.schema.column(name); at >= first)
            out.sensitive = number_of(labels[at - first], definition.schema.columns[at]);
    return out;
}

}  // namespace staging
