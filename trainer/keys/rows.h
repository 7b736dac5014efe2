#pragma once
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace trainer {

// What changes with a key, each with all that those behind it change: whether a run goes on is decided by it.
enum class Counts {
    weights,  // the order of samples and the weights of a step: another value is another run
    selection,  // which weights are kept; but a plateau schedule follows that score, and then it is of the weights
    figures,  // which weights are kept, and what is said of them: may change when a run goes on
    nothing   // speed, memory, files: the same weights and figures
};

// The greatest number below `x`, for ranges without their end.
constexpr double just_below(double x) {
    return x * (1 - 0x1p-53);
}
// As `most` no end, and negative, as `least`, no beginning; no end but for what is infinite; the least above 0.
constexpr double kEndless = std::numeric_limits<double>::infinity();
constexpr double kFinite = std::numeric_limits<double>::max();
constexpr double kAboveNothing = std::numeric_limits<double>::denorm_min();

// Whether `word` is one of `words`, which are apart by blanks.
bool names(std::string_view words, std::string_view word);

// What a value may be.
struct Allowed {
    enum class Type { text, texts, word_or_words, integer, integers, number, numbers, flag, table };
    Type type = Type::text;
    double least = -kEndless, most = kEndless;  // of a number, or of each in a list; both are allowed
    std::string_view words = {};  // of a text, or of each in a list, apart by blanks; empty: any

    bool holds(double number) const { return number >= least && number <= most; }
    // An end of the range as people know it: just_below(1) is 1, which is not held itself.
    struct End {
        double at;
        bool is_open;
    };
    End beginning() const;
    End end() const;
    bool holds(std::string_view word) const;
    std::string limits() const;  // "1 or more", "\"a\" or \"b\""; "" if there are none
    std::string text() const;    // "an integer, 1 or more"
    // Why a value that is not held is refused: "out of range: expected 0 to 1", "expected \"a\" or \"b\"".
    std::string refusal() const;
};
std::string name_of(Allowed::Type type);  // "integer"

// One row of the table of keys, of whatever keeps its value.
struct KeyRow {
    std::string table;            // "train", "optimizer.layers"; "": before all tables
    std::string name;             // of the key in it
    std::vector<std::string> of;  // what knows it, by the value of `by`; empty: all do
    std::string by;               // "optimizer.name", "task.name"
    Allowed allowed;
    nlohmann::ordered_json
        otherwise;  // where the recipe does not say it; null: there is none, as `meaning` says
    std::string unit, meaning;
    Counts counts = Counts::weights;
    std::int64_t since = 2;  // Key::since
    bool is_needed = false;  // a recipe without it is refused, where the table is there at all
    bool is_list = false;    // of tables that may be there several times: [[augment]]

    std::string path() const { return table.empty() ? name : table + '.' + name; }
};

std::string name_of(Counts counts);     // "weights"
std::string meaning_of(Counts counts);  // for people: what becomes of a run that goes on with another value

// A row that is read by hand.
KeyRow row(std::string_view path, Allowed allowed, nlohmann::ordered_json otherwise, std::string_view unit,
           std::string_view meaning, std::int64_t since = 2, Counts counts = Counts::weights);

}  // namespace trainer
