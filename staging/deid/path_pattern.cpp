#include "staging/deid/path_pattern.h"

#include <algorithm>

#include "core/base/error.h"

namespace staging {
namespace {

[[noreturn]] void refuse(const std::string& text) {
    throw core::Error(core::Fault::usage, text);
}

}  // namespace

PathPattern::PathPattern(std::string_view pattern, Names names) {
    if (pattern.empty() || pattern.size() > 256 || pattern.front() == '/')
        refuse("expected a pattern relative to the delivery's folder, of at most 256 signs");
    const auto is_group = [&](const Piece& piece) { return piece.kind != Piece::literal; };
    while (!pattern.empty()) {
        Piece piece{Piece::literal, {}, 0};
        if (pattern.starts_with("**/")) {
            piece.kind = Piece::folders;
            pattern.remove_prefix(3);
        } else if (pattern[0] == '*') {
            piece.kind = Piece::any;
            pattern.remove_prefix(1);
        } else if (pattern[0] == '{') {
            const auto end = pattern.find('}');
            if (end == std::string_view::npos) refuse("a { without its }");
            const std::string name(pattern.substr(1, end - 1));
            if (name.empty() || name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") != name.npos)
                refuse("a name in braces has small letters, digits and _ only");
            if (std::find(names_.begin(), names_.end(), name) != names_.end())
                refuse("{" + name + "} stands twice");
            piece.kind = Piece::group;
            piece.number = names_.size();
            names_.push_back(name);
            pattern.remove_prefix(end + 1);
        } else {
            const auto end = std::min(pattern.find_first_of("*{"), pattern.size());
            piece.text = pattern.substr(0, end);
            pattern.remove_prefix(end);
        }
        if (!pieces_.empty() && is_group(pieces_.back()) && is_group(piece) &&
            pieces_.back().kind != Piece::folders && piece.kind != Piece::folders)
            refuse("two wildcards beside each other: nothing tells where the first ends");
        pieces_.push_back(std::move(piece));
    }
    if (names_.empty() && names == Names::needed) refuse("no {name} in it");
}

std::optional<std::vector<std::string>> PathPattern::match(std::string_view path) const {
    if (path.size() > 4096) return std::nullopt;
    // can[p][i]: pieces from p match the path from i. Filled from the end; then read from the front, each
    // wildcard as short as it can be.
    const std::size_t n = path.size(), m = pieces_.size();
    std::vector<std::vector<char>> can(m + 1, std::vector<char>(n + 1, 0));
    can[m][n] = 1;
    for (std::size_t p = m; p-- > 0;) {
        const Piece& piece = pieces_[p];
        // Whether the rest matches from i or from a later place that no slash lies before.
        bool here = false;
        for (std::size_t i = n + 1; i-- > 0;) {
            const bool inside = i < n && path[i] != '/', later = here;
            here = can[p + 1][i] || (inside && later);
            switch (piece.kind) {
                case Piece::literal:
                    can[p][i] = path.substr(i).starts_with(piece.text) && can[p + 1][i + piece.text.size()];
                    break;
                case Piece::any:
                    can[p][i] = here;
                    break;
                case Piece::group:
                    can[p][i] = inside && later;
                    break;
                case Piece::folders:
                    // None, or as many whole folders as there are.
                    can[p][i] = can[p + 1][i];
                    if (!can[p][i]) {
                        const auto slash = path.substr(i).find('/');
                        if (slash != path.npos) can[p][i] = can[p][i + slash + 1];
                    }
                    break;
            }
        }
    }
    if (!can[0][0]) return std::nullopt;
    std::vector<std::string> values(names_.size());
    for (std::size_t p = 0, i = 0; p < m; ++p) {
        const Piece& piece = pieces_[p];
        std::size_t end = i;
        if (piece.kind == Piece::literal) {
            end += piece.text.size();
        } else if (piece.kind == Piece::folders) {
            while (!can[p + 1][end]) end += path.substr(end).find('/') + 1;
        } else {
            if (piece.kind == Piece::group) ++end;
            while (!can[p + 1][end]) ++end;
        }
        if (piece.kind == Piece::group) values[piece.number] = path.substr(i, end - i);
        i = end;
    }
    return values;
}

}  // namespace staging
