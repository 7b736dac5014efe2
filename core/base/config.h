#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace core {

// One table of a TOML file, read key by key. Every key must be asked for: `finish()` refuses those that were
// not, and names the nearest one that exists, so that a misspelt setting never passes silently.
//   const auto file = Config::load(path);
//   const auto shards = file.table("shards");
//   target = shards.integer_or("target_bytes", 1 << 30);
//   file.finish();
// Every function throws Error(usage) that names the file, the key and what was expected, never the value.
class Config {
public:
    static Config load(const std::filesystem::path& path);
    static Config parse(std::string_view toml, const std::string& name);  // `name` stands for the file
    // load, then replaces single values as a command line names them: "optimizer.rate=0.01". What follows '='
    // is a TOML value, or a text without quotes. Tables on the way are made if they are absent.
    static Config load(const std::filesystem::path& path, const std::vector<std::string>& settings);

    bool has(std::string_view key) const;
    std::string text(std::string_view key) const;
    std::string text_or(std::string_view key, std::string_view otherwise) const;
    std::int64_t integer(std::string_view key) const;
    std::int64_t integer_or(std::string_view key, std::int64_t otherwise) const;
    double number(std::string_view key) const;  // an integer is a number too
    double number_or(std::string_view key, double otherwise) const;
    bool flag_or(std::string_view key, bool otherwise) const;
    std::vector<std::string> texts(std::string_view key) const;      // empty if absent
    std::vector<std::string> words(std::string_view key) const;      // a text or a list of texts
    std::vector<std::int64_t> integers(std::string_view key) const;  // empty if absent
    std::vector<double> numbers(std::string_view key) const;         // empty if absent
    Config table(std::string_view key) const;                        // an absent table reads as an empty one
    std::vector<Config> tables(std::string_view key) const;          // [[array of tables]]; empty if absent
    std::vector<std::string> keys() const;      // in alphabetical order; marks none as read
    const std::string& where() const noexcept;  // "FILE" or "FILE: table"

    // For tools' own checks: Error(usage) "FILE: table.key: text".
    [[noreturn]] void refuse(std::string_view key, const std::string& text) const;

    // Throws Error(usage) if this table or one reached through it has a key that nobody asked for.
    void finish() const;

private:
    struct Node;
    explicit Config(std::shared_ptr<Node> node);
    std::shared_ptr<Node> node_;
};

// The candidate with the smallest edit distance, if it is near enough to be a slip of the keyboard.
std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace core
