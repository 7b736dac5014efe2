#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "jobs/release/counts.h"
#include "jobs/release/findings.h"
#include "jobs/release/gate.h"

namespace jobs {

// A CSV file as the gate understood it: headings and words of the vocabulary, numbers, empty cells.
struct Table {
    struct Cell {
        std::optional<Number> number;
        std::string word;  // "" with no number: empty
    };
    struct Heading {
        std::string text;
        bool is_name = false;
    };
    std::vector<Heading> headings;
    std::vector<std::vector<Cell>> rows;
};

// Parses (RFC 4180) with limits and against the vocabulary. Nothing if `findings` refuses. `bits` gains an upper
// bound of what the table says.
std::optional<Table> read_csv(std::string_view text, const Context& context, Findings& findings,
                              std::uint64_t& bits);

std::string write_csv(const Table& table);

std::vector<Scope> scopes_of(Table& table);  // a row each
std::vector<CountCell> counts_of(const Table& table, const ReleaseRules& rules);

// Columns padded to one width, for reviewers.
std::string render(const Table& table);

}  // namespace jobs
