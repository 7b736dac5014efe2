#include "core/base/config.h"

#include <toml++/toml.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "core/base/error.h"
#include "core/base/files.h"

namespace core {

struct Config::Node {
    std::string name;                   // for messages
    std::shared_ptr<toml::table> root;  // keeps `table` alive
    const toml::table* table = nullptr;
    std::set<std::string, std::less<>> asked;
    std::vector<std::shared_ptr<Node>> children;
};

namespace {

const toml::table kEmpty;

}  // namespace

Config::Config(std::shared_ptr<Node> node) : node_(std::move(node)) {}

Config Config::parse(std::string_view toml, const std::string& name) {
    auto node = std::make_shared<Node>();
    node->name = name;
    try {
        node->root = std::make_shared<toml::table>(toml::parse(toml, name));
    } catch (const toml::parse_error& e) {
        const auto at = e.source().begin;
        throw Error(Fault::usage, name + ": line " + std::to_string(at.line) + ", column " +
                                      std::to_string(at.column) + ": not valid TOML");
    }
    node->table = node->root.get();
    return Config(std::move(node));
}

Config Config::load(const std::filesystem::path& path) {
    try {
        return parse(read_text(path, 1 << 20), path.string());
    } catch (const Error& e) {
        throw Error(e.fault() == Fault::system ? Fault::usage : e.fault(), e.what());
    }
}

Config Config::load(const std::filesystem::path& path, const std::vector<std::string>& settings) {
    Config config = load(path);
    for (const std::string& setting : settings) {
        const auto equals = setting.find('=');
        const auto bad = [&] {
            return Error(Fault::usage, "setting " + setting.substr(0, equals) + ": expected table.key=value");
        };
        if (equals == std::string::npos) throw bad();
        toml::table* table = config.node_->root.get();
        std::string_view key = std::string_view(setting).substr(0, equals);
        for (auto dot = key.find('.'); dot != std::string_view::npos; dot = key.find('.')) {
            table->insert(key.substr(0, dot), toml::table{});  // nothing happens if it is there
            table = (*table)[key.substr(0, dot)].as_table();
            if (!table) throw bad();
            key.remove_prefix(dot + 1);
        }
        if (key.empty()) throw bad();
        const std::string value = setting.substr(equals + 1);
        try {
            const toml::table parsed = toml::parse("v = " + value);
            if (parsed.size() != 1) throw bad();
            table->insert_or_assign(key, *parsed.get("v"));
        } catch (const toml::parse_error&) {
            table->insert_or_assign(key, value);
        }
    }
    return config;
}

const std::string& Config::where() const noexcept {
    return node_->name;
}

void Config::refuse(std::string_view key, const std::string& text) const {
    throw Error(Fault::usage, node_->name + ": " + std::string(key) + ": " + text);
}

namespace {

template <class Node>
const toml::node* find(Node& node, std::string_view key) {
    node.asked.emplace(key);
    return node.table->get(key);
}

// The value as T, or nothing if the key is absent; Error(usage) if it has another type.
template <class T, class Node>
std::optional<T> get(Node& node, std::string_view key, const char* expected) {
    const toml::node* value = find(node, key);
    if (!value) return std::nullopt;
    const auto typed = value->template value_exact<T>();
    if (!typed) throw Error(Fault::usage, node.name + ": " + std::string(key) + ": expected " + expected);
    return *typed;
}

template <class T, class Node>
T need(Node& node, std::string_view key, const char* expected) {
    auto value = get<T>(node, key, expected);
    if (!value)
        throw Error(Fault::usage, node.name + ": " + std::string(key) + ": missing; expected " + expected);
    return *std::move(value);
}

template <class Node>
std::optional<double> get_number(Node& node, std::string_view key) {
    const toml::node* value = find(node, key);
    if (!value) return std::nullopt;
    if (const auto number = value->template value<double>(); number && value->is_number()) return *number;
    throw Error(Fault::usage, node.name + ": " + std::string(key) + ": expected a number");
}

template <class T, class Node>
std::vector<T> get_list(Node& node, std::string_view key, const char* expected) {
    std::vector<T> out;
    const toml::node* value = find(node, key);
    if (!value) return out;
    const toml::array* array = value->as_array();
    if (array)
        for (const toml::node& element : *array) {
            const auto typed = element.template value<T>();
            if (!typed) {
                array = nullptr;
                break;
            }
            out.push_back(*typed);
        }
    if (!array)
        throw Error(Fault::usage, node.name + ": " + std::string(key) + ": expected a list of " + expected);
    return out;
}

}  // namespace

bool Config::has(std::string_view key) const {
    return node_->table->contains(key);
}
std::string Config::text(std::string_view key) const {
    return need<std::string>(*node_, key, "a text");
}
std::string Config::text_or(std::string_view key, std::string_view otherwise) const {
    return get<std::string>(*node_, key, "a text").value_or(std::string(otherwise));
}
std::int64_t Config::integer(std::string_view key) const {
    return need<std::int64_t>(*node_, key, "an integer");
}
std::int64_t Config::integer_or(std::string_view key, std::int64_t otherwise) const {
    return get<std::int64_t>(*node_, key, "an integer").value_or(otherwise);
}
double Config::number(std::string_view key) const {
    const auto value = get_number(*node_, key);
    if (!value) refuse(key, "missing; expected a number");
    return *value;
}
double Config::number_or(std::string_view key, double otherwise) const {
    return get_number(*node_, key).value_or(otherwise);
}
bool Config::flag_or(std::string_view key, bool otherwise) const {
    return get<bool>(*node_, key, "true or false").value_or(otherwise);
}
std::vector<std::string> Config::texts(std::string_view key) const {
    return get_list<std::string>(*node_, key, "texts");
}
std::vector<std::string> Config::words(std::string_view key) const {
    const toml::node* value = find(*node_, key);
    if (value && value->is_string()) return {text(key)};
    return get_list<std::string>(*node_, key, "texts, or a text");
}
std::vector<std::int64_t> Config::integers(std::string_view key) const {
    return get_list<std::int64_t>(*node_, key, "integers");
}
std::vector<double> Config::numbers(std::string_view key) const {
    return get_list<double>(*node_, key, "numbers");
}

Config Config::table(std::string_view key) const {
    const toml::node* value = find(*node_, key);
    if (value && !value->is_table()) refuse(key, "expected a table");
    auto child = std::make_shared<Node>();
    child->name = node_->name + ": [" + std::string(key) + "]";
    child->root = node_->root;
    child->table = value ? value->as_table() : &kEmpty;
    node_->children.push_back(child);
    return Config(std::move(child));
}

std::vector<Config> Config::tables(std::string_view key) const {
    std::vector<Config> out;
    const toml::node* value = find(*node_, key);
    if (!value) return out;
    const toml::array* array = value->as_array();
    if (!array || !array->is_homogeneous(toml::node_type::table)) refuse(key, "expected [[tables]]");
    for (std::size_t i = 0; i < array->size(); ++i) {
        auto child = std::make_shared<Node>();
        child->name = node_->name + ": [[" + std::string(key) + "]] " + std::to_string(i + 1);
        child->root = node_->root;
        child->table = array->get(i)->as_table();
        node_->children.push_back(child);
        out.push_back(Config(std::move(child)));
    }
    return out;
}

std::vector<std::string> Config::keys() const {
    std::vector<std::string> out;
    for (const auto& [key, value] : *node_->table) out.emplace_back(key.str());
    std::sort(out.begin(), out.end());
    return out;
}

void Config::finish() const {
    const std::vector<std::string> known(node_->asked.begin(), node_->asked.end());
    for (const std::string& key : keys()) {
        if (node_->asked.contains(key)) continue;
        const auto near = nearest(key, known);
        refuse(key, "unknown key" + (near ? "; did you mean \"" + *near + "\"?" : std::string()));
    }
    for (const auto& child : node_->children) Config(child).finish();
}

std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& candidates) {
    std::optional<std::string> best;
    std::size_t best_distance = std::max<std::size_t>(2, word.size() / 3) + 1;
    for (const std::string& candidate : candidates) {  // Levenshtein, one row
        std::vector<std::size_t> row(candidate.size() + 1);
        std::iota(row.begin(), row.end(), std::size_t{0});
        for (std::size_t i = 1; i <= word.size(); ++i) {
            std::size_t diagonal = std::exchange(row[0], i);
            for (std::size_t j = 1; j <= candidate.size(); ++j) {
                const std::size_t change = diagonal + (word[i - 1] != candidate[j - 1]);
                diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, change}));
            }
        }
        if (row.back() < best_distance) {
            best_distance = row.back();
            best = candidate;
        }
    }
    return best;
}

}  // namespace core
