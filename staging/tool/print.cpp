#include "staging/tool/print.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/base/width.h"

namespace staging {
namespace {

using Json = nlohmann::ordered_json;

std::string text_of(const Json& value) {
    if (value.is_string()) return value.get<std::string>();
    if (!value.is_object()) return value.dump();
    std::string out;
    for (const auto& [name, inner] : value.items())
        out += (out.empty() ? "" : ", ") + name + " " + text_of(inner);
    return out;
}

bool is_number(const std::string& text) {
    return !text.empty() && text.find_first_not_of("0123456789.+-e%") == std::string::npos;
}

bool is_table(const Json& value) {
    if (!value.is_object() || value.empty()) return false;
    for (const auto& [name, row] : value.items())
        if (!row.is_object()) return false;
    return true;
}

}  // namespace

void print_table(std::ostream& out, const std::vector<std::vector<std::string>>& rows) {
    std::vector<std::size_t> widths;
    for (const auto& row : rows)
        for (std::size_t i = 0; i < row.size(); ++i) {
            widths.resize(std::max(widths.size(), i + 1));
            widths[i] = std::max(widths[i], core::width_of(row[i]));
        }
    for (const auto& row : rows) {
        std::string line;
        for (std::size_t i = 0; i < row.size(); ++i) {
            const std::string fill(widths[i] - core::width_of(row[i]), ' ');
            line += (i ? "  " : "") + (is_number(row[i]) ? fill + row[i] : row[i] + fill);
        }
        line.erase(line.find_last_not_of(' ') + 1);
        out << line << '\n';
    }
}

void print_words(std::ostream& out, const Json& result) {
    for (const auto& [key, value] : result.items()) {
        if (!is_table(value)) {
            out << key << ": " << text_of(value) << '\n';
            continue;
        }
        std::vector<std::vector<std::string>> rows{{key}};
        for (const auto& [name, row] : value.items())
            for (const auto& [column, cell] : row.items())
                if (std::find(rows[0].begin() + 1, rows[0].end(), column) == rows[0].end())
                    rows[0].push_back(column);
        for (const auto& [name, row] : value.items()) {
            std::vector<std::string> line{name};
            for (std::size_t i = 1; i < rows[0].size(); ++i)
                line.push_back(row.contains(rows[0][i]) ? text_of(row.at(rows[0][i])) : "");
            rows.push_back(std::move(line));
        }
        print_table(out, rows);
    }
}

}  // namespace staging
