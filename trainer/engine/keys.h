#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/base/config.h"

namespace trainer {

// One key of a table of a recipe: where its value is kept, what it may be, what it means. Parsing, the identity of a
// run and `aloft-train recipe --explain` are made of it; what a default-constructed Options says is the default.
template <class Options>
struct Key {
    std::string_view name;
    std::variant<double Options::*, std::int64_t Options::*, bool Options::*> member;
    double least, most;  // both allowed; of a flag without meaning
    std::string_view meaning;
    bool is_later =
        false;  // in the identity only where it is not the default: a run of before is the same run
};

// The greatest number below `x`, for ranges without their end.
constexpr double just_below(double x) {
    return x * (1 - 0x1p-53);
}

// The row that the key `name` of a table names; `otherwise` if it is not there. Throws Error(usage).
template <class Rows>
const auto& chosen(const core::Config& table, const Rows& rows, std::string_view otherwise) {
    const std::string name = table.text_or("name", otherwise);
    std::vector<std::string> names;
    for (const auto& each : rows) {
        if (each.name == name) return each;
        names.emplace_back(each.name);
    }
    std::string all;
    for (std::size_t i = 0; i < names.size(); ++i)
        all += (i == 0 ? "\"" : i + 1 == names.size() ? " or \"" : ", \"") + names[i] + '"';
    const auto near = core::nearest(name, names);
    table.refuse("name", near ? "did you mean \"" + *near + "\"?" : "expected " + all);
}

// Reads the key if it is there. Throws Error(usage).
template <class Options>
void read(const core::Config& table, Options& out, const Key<Options>& key) {
    std::visit(
        [&](auto member) {
            auto& value = out.*member;
            using T = std::remove_reference_t<decltype(value)>;
            if constexpr (std::is_same_v<T, bool>) {
                value = table.flag_or(key.name, value);
                return;
            } else if constexpr (std::is_same_v<T, std::int64_t>) {
                value = table.integer_or(key.name, value);
            } else {
                value = table.number_or(key.name, value);
            }
            const auto number = static_cast<double>(value);
            if (!(number >= key.least && number <= key.most))
                table.refuse(key.name, "out of range: expected " + nlohmann::json(key.least).dump() + " to " +
                                           nlohmann::json(key.most).dump());
        },
        key.member);
}

// The value, for the identity and for people.
template <class Options>
nlohmann::ordered_json value_of(const Options& options, const Key<Options>& key) {
    return std::visit([&](auto member) { return nlohmann::ordered_json(options.*member); }, key.member);
}

// What the identity says of a table: its keys in their order.
template <class Options, class Keys>
nlohmann::ordered_json told_of(const Options& options, const Options& defaults, const Keys& keys) {
    nlohmann::ordered_json out = {{"name", options.name}};
    for (const Key<Options>& key : keys)
        if (!key.is_later || value_of(options, key) != value_of(defaults, key))
            out[std::string(key.name)] = value_of(options, key);
    return out;
}

}  // namespace trainer
