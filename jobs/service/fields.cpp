#include "jobs/service/fields.h"

#include <algorithm>

#include "core/base/message.h"
#include "core/base/printable.h"
#include "core/policy/names.h"

namespace jobs {

using core::failure;
using core::Fault;
using nlohmann::json;

namespace {

constexpr std::size_t kLineInListBytes = 256;

[[noreturn]] void refuse(std::string_view field, const std::string& why) {
    throw failure(Fault::usage, "{}: {}", std::string(field), why);
}

// C1 controls, what turns the direction of text, what is not seen, line and paragraph separators.
bool is_hidden(char32_t code) {
    return (code >= 0x80 && code <= 0x9f) || (code >= 0x200b && code <= 0x200f) ||
           (code >= 0x2028 && code <= 0x202e) || (code >= 0x2060 && code <= 0x206f) || code == 0xfeff;
}

bool is_line(const json& value) {
    return value.is_string() && value.get_ref<const std::string&>().size() <= kLineInListBytes &&
           is_printable(value.get_ref<const std::string&>());
}

void check_list(const Field& field, std::string_view name, const json& value) {
    if (!value.is_array() || static_cast<std::int64_t>(value.size()) < field.least ||
        static_cast<std::int64_t>(value.size()) > field.most ||
        !std::all_of(value.begin(), value.end(), is_line))
        refuse(name, "expected a list of " + std::to_string(field.least) + " to " +
                         std::to_string(field.most) + " texts of one line");
}

bool is_choice(std::string_view choices, std::string_view word) {
    while (!choices.empty()) {
        const auto bar = choices.find('|');
        if (choices.substr(0, bar) == word) return true;
        choices = bar == std::string_view::npos ? "" : choices.substr(bar + 1);
    }
    return false;
}

std::string alternatives(std::string_view choices) {
    std::string out(choices);
    for (std::size_t at; (at = out.find('|')) != std::string::npos;) out.replace(at, 1, " or ");
    return out;
}

const char* prefix_of(Kind kind) {
    return kind == Kind::application ? "A-"
           : kind == Kind::release   ? "R-"
           : kind == Kind::grant     ? "G-"
                                     : "J-";
}

void check_text(const Field& field, const json& body) {
    const std::string text =
        text_field(body, std::string(field.name).c_str(), static_cast<std::size_t>(field.least),
                   static_cast<std::size_t>(field.most));
    if (!is_printable(text, field.kind == Kind::text))
        refuse(field.name, "has characters that cannot be shown; write plain text");
    // What the service itself writes for a text that lies outside the ledger (state/texts.h).
    if (text.starts_with("text:")) refuse(field.name, "must not begin with \"text:\"");
    if (!field.choices.empty() && !is_choice(field.choices, text))
        refuse(field.name, "expected " + alternatives(field.choices));
}

void check_one(const Field& field, const json& body) {
    const std::string name(field.name);
    const json& value = body.at(name);
    switch (field.kind) {
        case Kind::line:
        case Kind::text:
            return check_text(field, body);
        case Kind::name:
            return core::check_plain_name(text_field(body, name.c_str(), 1, 64), name);
        case Kind::dataset:
            core::parse_dataset_name(text_field(body, name.c_str(), 3, 130));
            return;
        case Kind::application:
        case Kind::release:
        case Kind::grant:
        case Kind::request:
            id_field(body, name.c_str(), prefix_of(field.kind));
            return;
        case Kind::hash:
            if (text_field(body, name.c_str(), 64, 64).find_first_not_of("0123456789abcdef") !=
                std::string::npos)
                refuse(name, "expected 64 hexadecimal digits");
            return;
        case Kind::integer:
            integer_field(body, name.c_str(), field.least, field.most);
            return;
        case Kind::flag:
            if (!value.is_boolean()) refuse(name, "expected true or false");
            return;
        case Kind::lines:
            return check_list(field, name, value);
        case Kind::members:
            if (!value.is_object()) refuse(name, "expected an object of lists");
            for (const auto& [key, list] : value.items()) {
                if (!is_choice(field.choices, key))
                    refuse(name, "has a list that is none of " + alternatives(field.choices));
                check_list(field, name, list);
            }
            return;
    }
}

}  // namespace

bool is_printable(std::string_view text, bool several_lines) {
    while (!text.empty()) {
        const core::Utf8 next = core::first_utf8(text);
        if (next.bytes == 0) return false;
        const bool control = next.code < 0x20 || next.code == 0x7f;
        if (control && !(several_lines && (next.code == '\n' || next.code == '\t' || next.code == '\r')))
            return false;
        if (is_hidden(next.code)) return false;
        text.remove_prefix(next.bytes);
    }
    return true;
}

void check_fields(const json& body, std::span<const Field> fields) {
    for (const Field& field : fields) {
        if (body.contains(field.name))
            check_one(field, body);
        else if (field.need == Need::required)
            refuse(field.name, "missing; expected " + describe(field));
    }
    const auto is_known = [fields](const std::string& key) {
        return key == "op" || std::any_of(fields.begin(), fields.end(),
                                          [&](const Field& field) { return field.name == key; });
    };
    for (const auto& entry : body.items())
        if (!is_known(entry.key()))
            throw failure(Fault::usage,
                          "the request has a field that its operation does not know; are aloft and aloftd of "
                          "one version?");
}

std::string describe(const Field& field) {
    const std::string bounds = std::to_string(field.least) + " to " + std::to_string(field.most);
    if (!field.choices.empty() && field.kind == Kind::line) return alternatives(field.choices);
    switch (field.kind) {
        case Kind::line:
            return "a line of " + bounds + " bytes";
        case Kind::text:
            return "a text of " + bounds + " bytes";
        case Kind::name:
            return "a plain name";
        case Kind::dataset:
            return "NAME@VERSION";
        case Kind::application:
        case Kind::release:
        case Kind::grant:
        case Kind::request:
            return "an id such as " + std::string(prefix_of(field.kind)) + "17";
        case Kind::hash:
            return "64 hexadecimal digits";
        case Kind::integer:
            return "an integer from " + bounds;
        case Kind::flag:
            return "true or false";
        case Kind::lines:
            return "a list of " + bounds + " lines";
        case Kind::members:
            return "lists of " + alternatives(field.choices);
    }
    return "";
}

std::string text_field(const json& body, const char* key, std::size_t least, std::size_t most) {
    const auto found = body.find(key);
    if (found == body.end() || !found->is_string()) refuse(key, "missing; expected a text");
    std::string text = found->get<std::string>();
    if (text.size() < least || text.size() > most)
        refuse(key, "must have " + std::to_string(least) + " to " + std::to_string(most) + " bytes");
    return text;
}

std::string id_field(const json& body, const char* key, const char* prefix) {
    std::string id = text_field(body, key, 3, 20);
    if (!id.starts_with(prefix) || id.find_first_not_of("0123456789", 2) != std::string::npos)
        refuse(key, std::string("expected an id of the form ") + prefix + "17");
    return id;
}

std::int64_t integer_field(const json& body, const char* key, std::int64_t least, std::int64_t most) {
    const auto found = body.find(key);
    if (found == body.end() || !found->is_number_integer()) refuse(key, "missing; expected an integer");
    // A number above 2^63 is unsigned here, and would come out negative.
    const bool fits = !found->is_number_unsigned() || found->get<std::uint64_t>() <= INT64_MAX;
    const std::int64_t value = fits ? found->get<std::int64_t>() : 0;
    if (!fits || value < least || value > most)
        refuse(key, "must be from " + std::to_string(least) + " to " + std::to_string(most));
    return value;
}

std::vector<std::string> list_field(const json& body, const char* key, std::size_t least, std::size_t most) {
    const auto found = body.find(key);
    check_list({key, Kind::lines, static_cast<std::int64_t>(least), static_cast<std::int64_t>(most)}, key,
               found == body.end() ? json() : *found);
    return found->get<std::vector<std::string>>();
}

json parse_request(std::string_view line) {
    const auto callback = [](int depth, json::parse_event_t,
                             json&) {  // brackets must not become a deep recursion
        if (depth > 16) throw failure(Fault::usage, "a request is nested too deeply");
        return true;
    };
    try {
        json body = json::parse(line, callback);
        if (!body.is_object()) throw failure(Fault::usage, "a request is one JSON object");
        return body;
    } catch (const json::exception&) {
        throw failure(Fault::usage, "a request is one line of JSON");
    }
}

}  // namespace jobs
