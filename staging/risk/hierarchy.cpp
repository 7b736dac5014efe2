#include "staging/risk/hierarchy.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <functional>
#include <map>
#include <optional>
#include <unordered_map>

#include "core/base/error.h"

namespace staging {
namespace {

using Values = std::vector<std::string>;

[[noreturn]] void refuse(const std::string& column, const std::string& why) {
    throw core::Error(core::Fault::usage, "risk.hierarchies." + column + ": " + why);
}

std::optional<std::int64_t> whole(std::string_view text) {
    std::int64_t out = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (failed != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return out;
}

// "24", "20-24" or "90+".
struct Band {
    std::int64_t from = 0, to = 0;
    bool open = false;
};
std::optional<Band> band_of(std::string_view text) {
    if (const auto number = whole(text)) return Band{*number, *number, false};
    if (text.ends_with('+')) {
        const auto from = whole(text.substr(0, text.size() - 1));
        return from ? std::optional(Band{*from, *from, true}) : std::nullopt;
    }
    const std::size_t dash = text.find('-', 1);
    if (dash == std::string_view::npos) return std::nullopt;
    const auto from = whole(text.substr(0, dash)), to = whole(text.substr(dash + 1));
    return from && to && *from <= *to ? std::optional(Band{*from, *to, false}) : std::nullopt;
}

std::int64_t floor_to(std::int64_t value, std::int64_t width) {
    const std::int64_t rest = value % width;
    return value - (rest < 0 ? rest + width : rest);
}

Values banded(const std::string& column, const Values& values, std::int64_t width) {
    std::int64_t end = INT64_MAX;  // where an open band begins
    for (const std::string& value : values)
        if (const auto band = band_of(value); band && band->open) end = std::min(end, band->from);
    Values out;
    std::size_t read = 0;
    for (const std::string& value : values) {
        const auto band = band_of(value);
        read += band ? 1 : 0;
        if (!band || band->open) {
            out.push_back(value);
            continue;
        }
        constexpr std::int64_t kMost = INT64_MAX / 4;
        if (band->from < -kMost || band->to > kMost) refuse(column, "widths: a number that is too large");
        const std::int64_t from = floor_to(band->from, width);
        if (from != floor_to(band->to, width))
            refuse(column, "widths: " + std::to_string(width) + " cuts the bands that the column has");
        out.push_back(std::to_string(from) + "-" + std::to_string(std::min(from + width, end) - 1));
    }
    if (read == 0 && values.size() > 1)
        refuse(column, "widths: the column has no whole numbers and no bands of them");
    return out;
}

// "2024-05-31" or "20240531"; nothing of a year or a month alone.
struct Date {
    std::string year, month;
};
std::optional<Date> date_of(std::string_view text) {
    const bool dashes = text.size() == 10 && text[4] == '-' && text[7] == '-';
    if (!dashes && text.size() != 8) return std::nullopt;
    const std::string year(text.substr(0, 4)), month(text.substr(dashes ? 5 : 4, 2));
    const std::string_view day = text.substr(dashes ? 8 : 6, 2);
    const auto is_in = [](std::string_view digits, std::int64_t least, std::int64_t most) {
        const auto number = digits[0] == '-' || digits[0] == '+' ? std::nullopt : whole(digits);
        return number && *number >= least && *number <= most;
    };
    if (!is_in(year, 1, 9999) || !is_in(month, 1, 12) || !is_in(day, 1, 31)) return std::nullopt;
    return Date{year, month};
}

Values dated(const std::string& column, const Values& values, const std::string& step) {
    Values out;
    std::size_t read = 0;
    for (const std::string& value : values) {
        const auto date = date_of(value);
        read += date ? 1 : 0;
        if (!date)
            out.push_back(value);
        else if (step == "month")
            out.push_back(date->year + "-" + date->month);
        else if (step == "quarter")
            out.push_back(date->year + "-Q" + std::to_string((std::stoi(date->month) + 2) / 3));
        else
            out.push_back(date->year);
    }
    if (read == 0 && values.size() > 1)
        refuse(column, "dates: the column has no dates (2024-05-31 or 20240531)");
    return out;
}

// The first signs of UTF-8 text.
std::string prefix_of(const std::string& value, std::int64_t signs) {
    for (std::size_t i = 0; i < value.size(); ++i)
        if ((static_cast<unsigned char>(value[i]) & 0xc0) != 0x80 && signs-- == 0)
            return value.substr(0, i) + "*";
    return value;
}

// A level from how each of the values is written there. Equal words are one value.
Hierarchy::Level level_of(const std::string& name, const Values& written, std::int64_t width = 0) {
    Hierarchy::Level level;
    level.name = name;
    level.width = width;
    std::unordered_map<std::string_view, std::uint32_t> known;
    for (const std::string& value : written) {
        const auto [at, is_new] = known.try_emplace(value, static_cast<std::uint32_t>(level.values.size()));
        if (is_new) level.values.push_back(value);
        level.codes.push_back(at->second);
    }
    return level;
}

}  // namespace

std::vector<std::vector<std::int64_t>> Hierarchy::losses() const {
    std::vector<std::vector<std::int64_t>> out;
    const auto all = static_cast<std::int64_t>(levels[0].codes.size()) -
                     std::count(is_beside.begin(), is_beside.end(), true);
    for (const Level& level : levels) {
        std::vector<std::int64_t> like(level.values.size(), 0);
        for (std::size_t i = 0; i < level.codes.size(); ++i)
            like[level.codes[i]] += is_beside.empty() || !is_beside[i];
        std::vector<std::int64_t> loss;
        for (const std::uint32_t code : level.codes)  // 0 are alike where only people beside the table are
            loss.push_back(all > 1 ? std::max<std::int64_t>(like[code] - 1, 0) * kWholeLoss / (all - 1) : 0);
        out.push_back(std::move(loss));
    }
    return out;
}

Hierarchy unchanged(const std::string& column, const Values& values) {
    return {column, {level_of("as it is", values)}};
}

Hierarchy make_hierarchy(const std::string& column, const Values& values, const HierarchyRule& rule) {
    Hierarchy out = unchanged(column, values);
    const auto add = [&](const std::string& name, const Values& written, std::int64_t width = 0) {
        Hierarchy::Level level = level_of(name, written, width);
        // Each value of a level must be a part of one value of the next.
        std::map<std::uint32_t, std::uint32_t> becomes;
        for (std::size_t i = 0; i < level.codes.size(); ++i)
            if (becomes.emplace(out.levels.back().codes[i], level.codes[i]).first->second != level.codes[i])
                refuse(column, "a step tells apart what the one before does not");
        if (level.values.size() < out.levels.back().values.size()) out.levels.push_back(std::move(level));
    };
    for (const std::int64_t width : rule.widths)
        add("bands of " + std::to_string(width), banded(column, values, width), width);
    for (const std::string& step : rule.dates) add(step, dated(column, values, step));
    for (const std::int64_t signs : rule.prefixes) {
        Values written;
        for (const std::string& value : values) written.push_back(prefix_of(value, signs));
        add("first " + std::to_string(signs), written);
    }
    Values written = values;
    for (int step = 1; !rule.parents.empty(); ++step) {
        bool moved = false;
        for (std::string& value : written)
            if (const auto parent = rule.parents.find(value); parent != rule.parents.end()) {
                value = parent->second;
                moved = true;
            }
        if (!moved) break;
        add("parts " + std::to_string(step), written);
    }
    add("*", Values(values.size(), "*"));
    return out;
}

Quasi::Quasi(std::vector<Hierarchy> hierarchies) : hierarchies_(std::move(hierarchies)) {
    constexpr std::size_t kMostColumns = 16, kMostLevels = 8;
    const auto refuse_all = [](const std::string& why) {
        throw core::Error(core::Fault::usage, "risk.quasi_identifiers: " + why);
    };
    if (hierarchies_.size() > kMostColumns) refuse_all("more than 16");
    std::array<unsigned, 2> used{};
    for (const Hierarchy& one : hierarchies_) {
        if (one.levels.size() > kMostLevels) refuse(one.column, "more than seven steps");
        const auto bits =
            static_cast<unsigned>(std::bit_width(std::max<std::size_t>(one.levels[0].values.size(), 2) - 1));
        const std::size_t word = used[0] + bits <= 64 ? 0 : 1;
        if (used[word] + bits > 64)
            refuse_all("too many different values together: their numbers must fit into 128 bits");
        places_.push_back({word, used[word], (std::uint64_t{1} << bits) - 1});
        used[word] += bits;
    }
}

}  // namespace staging
