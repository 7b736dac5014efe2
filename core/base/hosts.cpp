#include "core/base/hosts.h"

#include <charconv>
#include <iterator>
#include <optional>

namespace core {
namespace {

constexpr std::size_t kMostNames = 65'536;  // of one item

// Where a list is cut into its items: commas outside brackets.
std::vector<std::string> items_of(std::string_view list) {
    std::vector<std::string> items;
    int depth = 0;
    std::string item;
    for (const char c : list) {
        depth += c == '[' ? 1 : c == ']' ? -1 : 0;
        if (c == ',' && depth == 0) {
            items.push_back(std::move(item));
            item.clear();
        } else {
            item += c;
        }
    }
    if (!item.empty()) items.push_back(item);
    return items;
}

std::optional<std::size_t> number_of(std::string_view digits) {
    std::size_t number = 0;
    const char* const last = digits.data() + digits.size();
    const auto [end, error] = std::from_chars(digits.data(), last, number);
    if (error != std::errc() || end != last || digits.size() > 9) return std::nullopt;
    return number;
}

// "1-3" as 1, 2, 3, as wide as its first number is written; a single number as it is. Nothing if it is neither,
// or too many.
std::vector<std::string> numbers_of(std::string_view range) {
    const auto dash = range.find('-');
    const std::string_view first = range.substr(0, dash),
                           last = dash == std::string_view::npos ? first : range.substr(dash + 1);
    const auto from = number_of(first), to = number_of(last);
    if (!from || !to || *to < *from || *to - *from >= kMostNames) return {};
    std::vector<std::string> numbers;
    for (std::size_t n = *from; n <= *to; ++n) {
        std::string text = std::to_string(n);
        if (text.size() < first.size()) text.insert(0, first.size() - text.size(), '0');
        numbers.push_back(std::move(text));
    }
    return numbers;
}

// The names of one item; empty if it is not written as such, or is too many.
std::vector<std::string> names_of(std::string_view item) {
    const auto open = item.find_first_of("[]");
    if (open == std::string_view::npos) return {std::string(item)};
    const auto close = item.find_first_of("[]", open + 1);
    if (item[open] != '[' || close == std::string_view::npos || item[close] != ']') return {};
    const std::vector<std::string> behind = names_of(item.substr(close + 1));
    std::vector<std::string> names;
    for (const std::string& range : items_of(item.substr(open + 1, close - open - 1))) {
        const auto numbers = numbers_of(range);
        if (numbers.empty() || names.size() + numbers.size() * behind.size() > kMostNames) return {};
        for (const std::string& number : numbers)
            for (const std::string& rest : behind)
                names.push_back(std::string(item.substr(0, open)) + number + rest);
    }
    return names;
}

}  // namespace

std::vector<std::string> expand_hosts(std::string_view list) {
    std::vector<std::string> all;
    if (list == "(null)") return all;
    for (const std::string& item : items_of(list)) {
        std::vector<std::string> names = names_of(item);
        if (names.empty()) names.push_back(item);
        all.insert(all.end(), std::make_move_iterator(names.begin()), std::make_move_iterator(names.end()));
    }
    return all;
}

}  // namespace core
