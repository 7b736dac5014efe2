// JSON into a document and back. What a parser drops (repeated keys, padding, digits beyond a double, escapes,
// what stands behind a NUL) is refused or gone; what it keeps are numbers of six digits and words.
#include "jobs/release/canonical_json.h"

#include <algorithm>
#include <bit>
#include <nlohmann/json.hpp>
#include <numeric>

#include "jobs/release/texts.h"
#include "jobs/release/words.h"

namespace jobs {

using nlohmann::json;

const Value* Value::member(std::string_view key) const {
    if (kind != Kind::object) return nullptr;
    for (std::size_t i = 0; i < keys.size(); ++i)
        if (keys[i].text == key) return &items[i];
    return nullptr;
}
Value* Value::member(std::string_view key) {
    return const_cast<Value*>(std::as_const(*this).member(key));
}

namespace {

constexpr std::size_t kDepthLimit = 12;
constexpr std::uint64_t kTokenBits = 3;  // which kind comes next, or an end

class Builder : public json::json_sax_t {
public:
    Builder(const Context& context, Findings& findings) : context_(context), findings_(findings) {}

    bool null() override { return put({}); }
    bool boolean(bool value) override {
        Value out;
        out.kind = Value::Kind::boolean;
        out.flag = value;
        bits += 1;
        return put(std::move(out));
    }
    bool number_integer(json::number_integer_t value) override {
        return put_number(Number::from(std::int64_t{value}));
    }
    bool number_unsigned(json::number_unsigned_t value) override {
        return put_number(value > INT64_MAX ? std::nullopt : Number::from(static_cast<std::int64_t>(value)));
    }
    bool number_float(json::number_float_t value, const json::string_t&) override {
        return put_number(Number::from(double{value}));
    }
    bool string(json::string_t& given) override {
        const std::string key = key_above();
        Text text = read_text(given, key, context_, Typed::yes);
        switch (text.kind) {
            case Text::Kind::missing:
                return put({});
            case Text::Kind::number:
                return put_number(text.number);
            case Text::Kind::dropped:
                findings_.flag(
                    "digest-dropped", where(),
                    "a digest of nothing that leaves with it: left empty, 32 bytes could be anything");
                return put({});
            case Text::Kind::refused:
                findings_.refuse(text.code, where(), text.change);
                return put({});
            case Text::Kind::word:
                break;
        }
        Value out;
        out.kind = Value::Kind::word;
        out.text = std::move(text.word);
        bits += text.bits;
        return put(std::move(out));
    }
    bool binary(json::binary_t&) override { return false; }
    bool start_object(std::size_t) override { return open(Value::Kind::object); }
    bool start_array(std::size_t) override { return open(Value::Kind::list); }
    bool key(json::string_t& given) override {
        Level& level = levels_.back();
        const auto word = context_.vocabulary.find(given);
        if (!word) {
            const Text why = refuse_text(given, context_);
            findings_.refuse(why.code,
                             where() + "/" + std::to_string(level.value.items.size() + 1) + " (its key)",
                             why.change);
        }
        Value::Key key = word ? Value::Key{word->text, word->is_name} : Value::Key{};
        bits += word ? word->bits : 0;
        const auto same = [&](const Value::Key& other) { return other.text == key.text; };
        if (word && std::any_of(level.value.keys.begin(), level.value.keys.end(), same)) {
            findings_.refuse(
                "duplicate-key", where(),
                "two keys that are written alike (case and separators make no difference); rename one");
            return false;
        }
        level.value.keys.push_back(std::move(key));
        return true;
    }
    bool end_object() override { return close(); }
    bool end_array() override { return close(); }
    bool parse_error(std::size_t at, const std::string&, const nlohmann::detail::exception&) override {
        findings_.refuse("type", "byte " + std::to_string(at),
                         "not JSON from here on (NaN and comments are none)");
        return false;
    }

    std::optional<Value> root;
    std::uint64_t bits = 0;

private:
    struct Level {
        Value value;
    };

    std::string where() const {
        std::string out;
        for (const Level& level : levels_) out += "/" + std::to_string(level.value.items.size() + 1);
        if (levels_.empty()) return out;
        const Value& last = levels_.back().value;
        const bool has_key = last.keys.size() > last.items.size();
        return out + (has_key ? own_word(last.keys.back().text, last.keys.back().is_name) : "");
    }
    std::string key_above() const {
        for (auto level = levels_.rbegin(); level != levels_.rend(); ++level)
            if (level->value.kind == Value::Kind::object) return level->value.keys.back().text;
        return "";
    }
    bool put_number(std::optional<Number> number) {
        if (!number) {
            findings_.refuse(
                "digits", where(),
                "a number beyond ten digits before the point, or 10^12; a measure has six digits");
            return put({});
        }
        Value out;
        out.kind = Value::Kind::number;
        bits += number->bits();
        out.number = number;
        return put(std::move(out));
    }
    bool open(Value::Kind kind) {
        if (levels_.size() >= kDepthLimit) {
            findings_.refuse("depth", where(), "nested more than 12 deep");
            return false;
        }
        if (!count()) return false;
        levels_.push_back({});
        levels_.back().value.kind = kind;
        return true;
    }
    bool close() {
        Value value = std::move(levels_.back().value);
        levels_.pop_back();
        if (value.kind == Value::Kind::object) {
            std::vector<std::size_t> order(value.keys.size());
            std::iota(order.begin(), order.end(), std::size_t{0});
            std::sort(order.begin(), order.end(),
                      [&](std::size_t a, std::size_t b) { return value.keys[a].text < value.keys[b].text; });
            Value sorted;
            sorted.kind = Value::Kind::object;
            for (const std::size_t i : order) {
                sorted.keys.push_back(std::move(value.keys[i]));
                sorted.items.push_back(std::move(value.items[i]));
            }
            value = std::move(sorted);
        }
        return attach(std::move(value));
    }
    bool put(Value value) {
        if (!count()) return false;
        return attach(std::move(value));
    }
    bool attach(Value value) {
        bits += kTokenBits;
        value.where = where();
        if (levels_.empty())
            root = std::move(value);
        else
            levels_.back().value.items.push_back(std::move(value));
        return true;
    }
    // Null, true and [] say something, too.
    bool count() {
        if (++parts_ <= 2 * context_.rules.numbers) return true;
        findings_.refuse(
            "size", where(),
            "more than " + std::to_string(context_.rules.numbers) + " numbers are data, not results");
        return false;
    }

    const Context& context_;
    Findings& findings_;
    std::vector<Level> levels_;
    std::int64_t parts_ = 0;
};

void write(const Value& value, int depth, std::string& out) {
    const auto line = [&](int to) { out += '\n' + std::string(static_cast<std::size_t>(to), ' '); };
    switch (value.kind) {
        case Value::Kind::null:
            out += "null";
            return;
        case Value::Kind::boolean:
            out += value.flag ? "true" : "false";
            return;
        case Value::Kind::number:
            out += value.number->is_hidden() ? "null" : value.number->text();
            return;
        case Value::Kind::word:
            out += json(value.text).dump();
            return;
        case Value::Kind::list:
        case Value::Kind::object:
            break;
    }
    const bool object = value.kind == Value::Kind::object;
    if (value.items.empty()) {
        out += object ? "{}" : "[]";
        return;
    }
    out += object ? '{' : '[';
    for (std::size_t i = 0; i < value.items.size(); ++i) {
        if (i) out += ',';
        line(depth + 1);
        if (object) out += json(value.keys[i].text).dump() + ": ";
        write(value.items[i], depth + 1, out);
    }
    line(depth);
    out += object ? '}' : ']';
}

}  // namespace

std::optional<Value> read_json(std::string_view text, const Context& context, Findings& findings,
                               std::uint64_t& bits) {
    if (text.find('\0') != std::string_view::npos) {  // a parser may take it for the end
        findings.refuse("type", "byte " + std::to_string(text.find('\0') + 1), "a NUL byte is no JSON");
        return std::nullopt;
    }
    Builder builder(context, findings);
    const bool whole = json::sax_parse(text, &builder);
    bits += builder.bits;
    if (!whole && !findings.refused()) findings.refuse("type", "", "not JSON");
    if (findings.refused()) return std::nullopt;
    if (!builder.root ||
        (builder.root->kind != Value::Kind::object && builder.root->kind != Value::Kind::list)) {
        findings.refuse("type", "", "not a JSON object or list");
        return std::nullopt;
    }
    return std::move(builder.root);
}

std::string write_json(const Value& value) {
    std::string out;
    write(value, 0, out);
    return out + '\n';
}

}  // namespace jobs
