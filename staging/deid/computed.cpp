#include "staging/deid/computed.h"

#include <cstddef>

#include "staging/deid/definition.h"

namespace staging {

std::vector<std::string> orientation_names() {
    constexpr char kLetters[3][2] = {{'L', 'R'}, {'P', 'A'}, {'S', 'I'}};
    constexpr std::size_t kOrders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    std::vector<std::string> names;
    for (const std::size_t(&order)[3] : kOrders)
        for (unsigned signs = 0; signs < 8; ++signs)
            names.push_back({kLetters[order[0]][signs & 1], kLetters[order[1]][signs >> 1 & 1],
                             kLetters[order[2]][signs >> 2 & 1]});
    return names;
}

std::vector<core::Column> computed_columns(SampleKind kind, bool faces) {
    using core::ColumnType;
    if (kind == SampleKind::row) return {};
    std::vector<core::Column> out{{"inverted", ColumnType::category, {"no", "yes"}}};
    if (kind == SampleKind::image) return out;
    for (const char* name : {"size_k", "size_j", "size_i"}) out.push_back({name, ColumnType::i64, {}});
    for (const char* name : {"spacing_k_mm", "spacing_j_mm", "spacing_i_mm"})
        out.push_back({name, ColumnType::f64, {}});
    out.push_back({"orientation", ColumnType::category, orientation_names()});
    out.push_back({"part", ColumnType::i64, {}});
    for (const char* row : {"x", "y", "z"})
        for (const char* along : {"i", "j", "k", ""})
            out.push_back({std::string("affine_") + row + along, ColumnType::f64, {}});
    if (faces) out.push_back({"face", ColumnType::category, {"not_looked_for", "header_only", "cut_off"}});
    return out;
}

}  // namespace staging
