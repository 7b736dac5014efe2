#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace jobs {

// A number as it leaves: whole, exactly; any other with six significant digits or fewer. What lies beyond
// cannot be told from noise, and holds a message as well as a measure.
class Number {
public:
    // Nothing if it is not finite, larger than 10^12, or whole and of more than ten digits.
    static std::optional<Number> from(double value);
    static std::optional<Number> from(std::int64_t value);

    bool is_whole() const noexcept { return whole_; }
    std::int64_t whole() const noexcept { return integer_; }  // if is_whole()
    double value() const noexcept { return value_; }
    int decimals() const noexcept { return decimals_; }  // digits behind the point; of 1e-7: 7
    // To the nearest multiple. What is not 0 or `top` (of a share 1, of per cent 100) becomes neither: it stays one step off, "at
    // most" or "at least". Rounds from the value as it is: round a copy once.
    void round_to_step(double step, double top);
    double least() const noexcept { return least_; }  // what it may have been before it was rounded
    double most() const noexcept { return most_; }
    void hide() noexcept { hidden_ = true; }  // leaves as null, or as an empty cell
    bool is_hidden() const noexcept { return hidden_; }
    std::string text() const;             // the one way to write it
    std::uint64_t bits() const noexcept;  // upper bound of what it says

private:
    Number() = default;
    void settle();
    bool whole_ = true, hidden_ = false;
    std::int64_t integer_ = 0;
    double value_ = 0, least_ = 0, most_ = 0;
    int decimals_ = 0;
};

// Decimal text as people and programs write numbers ("3", "3.0", "3e0", "+3"), and nothing else. `looks` tells
// a number that is none of ours (too large) from a text that is no number.
enum class Looks { number, too_large, no_number };
Looks read_number(std::string_view text, std::optional<Number>& out);

}  // namespace jobs
