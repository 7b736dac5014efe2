#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace staging {

// Tells what stands in a file's path, for files that have no header: "{patient}/{visit}_*.nii.gz". {name} is one
// or more characters of one component, as few as will do; * is any number of them; ** any number of folders.
// Names and patterns hold no regular expression: matching is bounded by pattern times path.
class PathPattern {
public:
    enum class Names { needed, optional };
    // Throws Error(usage) with a text that says what is wrong with the pattern.
    explicit PathPattern(std::string_view pattern, Names names = Names::needed);
    const std::vector<std::string>& names() const noexcept { return names_; }
    // The values in the order of names(); nothing if the path does not match as a whole.
    std::optional<std::vector<std::string>> match(std::string_view path) const;

private:
    struct Piece {
        enum Kind { literal, any, folders, group } kind;
        std::string text;        // literal
        std::size_t number = 0;  // group
    };
    std::vector<Piece> pieces_;
    std::vector<std::string> names_;
};

}  // namespace staging
