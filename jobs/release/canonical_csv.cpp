#include "jobs/release/canonical_csv.h"

#include <csv.h>

#include <algorithm>
#include <new>
#include <utility>

#include "jobs/release/texts.h"
#include "jobs/release/vocabulary.h"
#include "jobs/release/words.h"

namespace jobs {
namespace {

constexpr std::size_t kColumnLimit = 200;
constexpr const char* kTotal = "total";

std::string place_of(const Table::Heading& heading, std::size_t column) {
    return "column " + std::to_string(column) + own_word(heading.text, heading.is_name);
}

class Reader {
public:
    Reader(const Context& context, Findings& findings) : context_(context), findings_(findings) {
        if (csv_init(&parser_, CSV_STRICT | CSV_STRICT_FINI)) throw std::bad_alloc();
    }
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;
    ~Reader() { csv_free(&parser_); }

    void parse(std::string_view text) {
        const std::size_t read = csv_parse(&parser_, text.data(), text.size(), on_field, on_row, this);
        if (read != text.size() || csv_fini(&parser_, on_field, on_row, this)) {
            if (csv_error(&parser_) == CSV_ENOMEM) throw std::bad_alloc();
            findings_.refuse("type", "row " + std::to_string(row_),
                             "quotes are not closed, or stand within a cell");
        }
    }
    Table table;
    std::uint64_t bits = 0;

private:
    static void on_field(void* text, std::size_t size, void* self) {
        static_cast<Reader*>(self)->field({static_cast<const char*>(text), size});
    }
    static void on_row(int, void* self) { static_cast<Reader*>(self)->end_row(); }

    std::string where() const {
        const std::size_t at = column_ - 1;
        return "row " + std::to_string(row_) + ", " +
               place_of(row_ > 1 && at < table.headings.size() ? table.headings[at] : Table::Heading{},
                        column_);
    }

    void field(std::string_view given) {
        if (ended_) return;
        ++column_;
        if (column_ > kColumnLimit) return end("size", "more than 200 columns");
        row_ == 1 ? heading(given) : cell(given);
    }
    void heading(std::string_view given) {
        Table::Heading heading;
        if (!given.empty() || column_ > 1) {  // the column of labels may go without
            const auto word = context_.vocabulary.find(given);
            if (!word) {
                const Text why = refuse_text(given, context_);
                findings_.refuse(why.code, where(), why.change);
            } else {
                heading = {word->text, word->is_name};
                bits += word->bits;
                for (const Table::Heading& other : table.headings)
                    if (other.text == heading.text)
                        findings_.refuse("duplicate-key", where(),
                                         "two headings that are written alike (case and separators make no "
                                         "difference); rename one");
            }
        }
        table.headings.push_back(heading);
    }
    void cell(std::string_view given) {
        if (column_ > table.headings.size()) return end("type", "more cells than headings");
        bits += 2;
        Text text = read_text(given, table.headings[column_ - 1].text, context_, Typed::no);
        Table::Cell out;
        switch (text.kind) {
            case Text::Kind::missing:
            case Text::Kind::dropped:
                break;
            case Text::Kind::refused:
                findings_.refuse(text.code, where(), text.change);
                break;
            case Text::Kind::word:
                out.word = text.word;
                bits += text.bits;
                break;
            case Text::Kind::number:
                if (!text.number)
                    return findings_.refuse(
                        "digits", where(),
                        "a number beyond ten digits before the point, or 10^12; a measure has six digits");
                out.number = text.number;
                bits += text.number->bits();
                break;
        }
        if (++parts_ > context_.rules.numbers)
            return end("size", "more than " + std::to_string(context_.rules.numbers) +
                                   " cells are data, not results");
        cells_.push_back(std::move(out));
    }
    void end_row() {
        if (ended_) return;
        if (row_ > 1) {
            if (column_ != table.headings.size())
                return end("type", "another number of cells than the headings");
            table.rows.push_back(std::exchange(cells_, {}));
        }
        ++row_;
        column_ = 0;
    }
    void end(const char* code, const std::string& change) {
        findings_.refuse(code, where(), change);
        ended_ = true;
    }

    const Context& context_;
    Findings& findings_;
    csv_parser parser_{};
    std::vector<Table::Cell> cells_;
    std::size_t row_ = 1, column_ = 0;
    std::int64_t parts_ = 0;
    bool ended_ = false;
};

void check_sizes(const Table& table, const Context& context, Findings& findings) {
    std::vector<std::int64_t> sizes = context.group_sizes;
    sizes.push_back(context.patients);
    const std::size_t rows = table.rows.size();
    if (is_one_for_each(rows, sizes) || is_one_for_each(table.headings.size(), sizes) ||
        is_one_for_each(table.headings.empty() ? 0 : table.headings.size() - 1, sizes))
        findings.refuse("one-per-patient", "",
                        "as many rows or columns as patients or samples of the dataset or of a split; "
                        "release summaries of groups");
    else if (rows > static_cast<std::size_t>(context.rules.list_length))
        findings.refuse(
            "size", "",
            "more than " + std::to_string(context.rules.list_length) + " rows are data; thin a curve out");
    else if (rows > 100)
        findings.flag("long-list", "",
                      "a table of more than 100 rows: see that it is a curve and no list of cases");
}

// A first column without heading that counts the rows, as pandas writes it, gets one: it counts nobody.
void name_index(Table& table) {
    for (const std::int64_t first : {0, 1}) {
        bool counts_rows = table.headings[0].text.empty();
        for (std::size_t r = 0; r < table.rows.size() && counts_rows; ++r) {
            const auto& number = table.rows[r][0].number;
            counts_rows =
                number && number->is_whole() && number->whole() == static_cast<std::int64_t>(r) + first;
        }
        if (counts_rows) table.headings[0].text = "index";
    }
}

std::string quoted(const std::string& word) {
    if (word.find_first_of(",\"\n\r") == std::string::npos) return word;
    std::string out = "\"";
    for (const char c : word) out += c == '"' ? std::string("\"\"") : std::string(1, c);
    return out + '"';
}

std::string text_of(const Table::Cell& cell) {
    return cell.number ? (cell.number->is_hidden() ? "" : cell.number->text()) : cell.word;
}

std::string label_of(const std::string& word) {
    const auto terms = terms_of(word);
    return terms.size() == 1 && is_total(terms[0]) ? kTotal : word;
}

}  // namespace

std::optional<Table> read_csv(std::string_view text, const Context& context, Findings& findings,
                              std::uint64_t& bits) {
    if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
    if (const auto nul = text.find('\0'); nul != std::string_view::npos) {
        findings.refuse("type", "byte " + std::to_string(nul + 1), "a NUL byte is no CSV");
        return std::nullopt;
    }
    Reader reader(context, findings);
    reader.parse(text);
    if (!findings.refused() && (reader.table.headings.empty() || reader.table.rows.empty()))
        findings.refuse("type", "", "a table has headings and at least one row");
    if (!findings.refused()) name_index(reader.table);
    if (!findings.refused()) check_sizes(reader.table, context, findings);
    bits += reader.bits;
    if (findings.refused()) return std::nullopt;
    return std::move(reader.table);
}

std::string write_csv(const Table& table) {
    std::string out;
    for (std::size_t i = 0; i < table.headings.size(); ++i)
        out += (i ? "," : "") + quoted(table.headings[i].text);
    out += '\n';
    for (const auto& row : table.rows) {
        for (std::size_t i = 0; i < row.size(); ++i) out += (i ? "," : "") + quoted(text_of(row[i]));
        out += '\n';
    }
    return out;
}

std::vector<Scope> scopes_of(Table& table) {
    std::vector<Scope> scopes;
    for (std::size_t r = 0; r < table.rows.size(); ++r) {
        auto& row = table.rows[r];
        std::vector<std::string> labels;
        for (const Table::Cell& cell : row)
            if (!cell.number && !cell.word.empty()) labels.push_back(cell.word);
        Scope scope;
        for (std::size_t i = 0; i < row.size(); ++i)
            if (row[i].number)
                scope.items.push_back(
                    {&*row[i].number, table.headings[i].text, labels,
                     "row " + std::to_string(r + 2) + ", " + place_of(table.headings[i], i + 1),
                     labels.size()});
            else if (row[i].word.empty())
                scope.empty.push_back(table.headings[i].text);
        scopes.push_back(std::move(scope));
    }
    return scopes;
}

std::vector<CountCell> counts_of(const Table& table, const ReleaseRules& rules) {
    const std::size_t columns = table.headings.size();
    std::vector<bool> is_label(columns), is_counted(columns);
    bool headings_are_labels = false;
    for (std::size_t i = 0; i < columns; ++i) {
        const auto& heading = table.headings[i];
        bool words = false, whole = false;
        for (const auto& row : table.rows) {
            words = words || !row[i].word.empty();
            whole = whole || (row[i].number && row[i].number->is_whole() && !row[i].number->is_hidden());
        }
        is_label[i] = words || heading.text.empty() || (whole && !is_count(heading.text, {}, rules));
        is_counted[i] = whole && !is_label[i];
        headings_are_labels =
            headings_are_labels || (is_counted[i] && (heading.is_name || label_of(heading.text) == kTotal));
    }
    std::vector<CountCell> cells;
    for (const auto& row : table.rows) {
        std::vector<std::string> labels;
        for (std::size_t i = 0; i < columns; ++i)
            if (is_label[i])
                labels.push_back(row[i].number ? table.headings[i].text + "=" + row[i].number->text()
                                               : label_of(row[i].word));
        for (std::size_t i = 0; i < columns; ++i) {
            if (!is_counted[i]) continue;
            CountCell cell{headings_are_labels ? "*" : table.headings[i].text, labels, std::nullopt};
            if (headings_are_labels) {
                const auto terms = terms_of(table.headings[i].text);
                const bool whole_group =
                    !table.headings[i].is_name && terms.size() == 1 && counts_everybody(terms[0]);
                cell.labels.push_back(whole_group ? kTotal : label_of(table.headings[i].text));
            }
            if (row[i].number && row[i].number->is_whole() && !row[i].number->is_hidden())
                cell.value = row[i].number->whole();
            else if (row[i].number && !row[i].number->is_whole())
                continue;
            cells.push_back(std::move(cell));
        }
    }
    return cells;
}

std::string render(const Table& table) {
    std::vector<std::size_t> widths;
    for (const auto& heading : table.headings) widths.push_back(heading.text.size());
    for (const auto& row : table.rows)
        for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], text_of(row[i]).size());
    std::string out;
    const auto line = [&](auto text) {
        for (std::size_t i = 0; i < widths.size(); ++i) {
            const std::string cell = text(i);
            out += (i ? "  " : "") + cell;
            if (i + 1 < widths.size()) out += std::string(widths[i] - cell.size(), ' ');
        }
        out += '\n';
    };
    line([&](std::size_t i) { return table.headings[i].text; });
    for (const auto& row : table.rows) line([&](std::size_t i) { return text_of(row[i]); });
    return out;
}

}  // namespace jobs
