#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "core/base/config.h"
#include "trainer/keys/rows.h"

namespace trainer {

// One key of a table of a recipe: where its value is kept, what it may be, what it means. Parsing, the identity of a
// run, `aloft-train recipe --explain` and its example are made of it; what a default-constructed Options says is the
// default.
template <class Options>
struct Key {
    using Member = std::variant<double Options::*, std::int64_t Options::*, std::uint64_t Options::*,
                                bool Options::*, std::string Options::*, std::vector<double> Options::*,
                                std::vector<std::int64_t> Options::*, std::vector<std::string> Options::*>;
    std::string_view name;
    Member member;
    double least, most;  // both allowed; of texts and flags without meaning
    std::string_view unit, meaning;
    // By which it came into the identity: keys of 1 are always told there, later ones only where they are not the
    // default, so that a run of before is the same run. A new key is never of 1.
    std::int64_t since = 2;
    Counts counts = Counts::weights;
    std::string_view words = {};  // of texts: Allowed::words
};

template <class Options>
Allowed allowed_by(const Key<Options>& key) {
    using Type = Allowed::Type;
    static constexpr Type kTypes[] = {Type::number, Type::integer, Type::integer,  Type::flag,
                                      Type::text,   Type::numbers, Type::integers, Type::texts};
    return {kTypes[key.member.index()], key.least, key.most, key.words};
}

// Reads the key if it is there. Throws Error(usage).
template <class Options>
void read(const core::Config& table, Options& out, const Key<Options>& key) {
    const Allowed allowed = allowed_by(key);
    const auto need = [&](bool holds) {
        if (!holds) table.refuse(key.name, allowed.refusal());
    };
    std::visit(
        [&](auto member) {
            auto& value = out.*member;
            using T = std::remove_reference_t<decltype(value)>;
            if constexpr (std::is_same_v<T, bool>) {
                value = table.flag_or(key.name, value);
            } else if constexpr (std::is_same_v<T, double>) {
                value = table.number_or(key.name, value);
                need(!table.has(key.name) || allowed.holds(value));
            } else if constexpr (std::is_same_v<T, std::int64_t> || std::is_same_v<T, std::uint64_t>) {
                value = static_cast<T>(table.integer_or(key.name, static_cast<std::int64_t>(value)));
                need(allowed.holds(static_cast<double>(static_cast<std::int64_t>(value))));
            } else if constexpr (std::is_same_v<T, std::string>) {
                value = table.text_or(key.name, value);
                need(allowed.holds(value));
            } else if (table.has(key.name)) {
                if constexpr (std::is_same_v<T, std::vector<double>>)
                    value = table.numbers(key.name);
                else if constexpr (std::is_same_v<T, std::vector<std::int64_t>>)
                    value = table.integers(key.name);
                else
                    value = table.texts(key.name);
                for (const auto& each : value)
                    if constexpr (std::is_same_v<T, std::vector<std::string>>)
                        need(allowed.holds(each));
                    else
                        need(allowed.holds(static_cast<double>(each)));
            } else {
                table.texts(key.name);  // asked for, so that it is known
            }
        },
        key.member);
}

// The value, for the identity and for people.
template <class Options>
nlohmann::ordered_json value_of(const Options& options, const Key<Options>& key) {
    return std::visit([&](auto member) { return nlohmann::ordered_json(options.*member); }, key.member);
}

// Adds to `out` what the key says, if it counts as much as `least` or more and what it says is to be told.
template <class Options>
void tell(nlohmann::ordered_json& out, const Options& options, const Options& defaults,
          const Key<Options>& key, Counts least = Counts::figures) {
    if (key.counts > least) return;
    if (key.since == 1 || value_of(options, key) != value_of(defaults, key))
        out[std::string(key.name)] = value_of(options, key);
}

// Rows of a table whose keys are `keys`, of those that `knows` the name of; of the one that is `of`, by the value of `by`.
template <class Options, class Keys, class Knows>
void add_rows(std::vector<KeyRow>& out, std::string_view table, const Options& defaults, const Keys& keys,
              std::string_view by, const std::vector<std::string>& of, const Knows& knows) {
    for (const Key<Options>& key : keys)
        if (knows(key.name))
            out.push_back({std::string(table), std::string(key.name), of, std::string(by), allowed_by(key),
                           value_of(defaults, key), std::string(key.unit), std::string(key.meaning),
                           key.counts, key.since});
}
template <class Options, class Keys>
void add_rows(std::vector<KeyRow>& out, std::string_view table, const Options& defaults, const Keys& keys) {
    add_rows(out, table, defaults, keys, "", {}, [](std::string_view) { return true; });
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

}  // namespace trainer
