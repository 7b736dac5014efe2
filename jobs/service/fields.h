#pragma once
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// The fields of a request: what each may hold, said once in an operation's row (operations.cpp), checked before
// its handler runs.

namespace jobs {

enum class Kind {
    line,         // printable UTF-8 without control characters; bounds in bytes
    text,         // the same, with line ends and tabs
    name,         // a plain name (core/policy/names.h)
    dataset,      // NAME@VERSION
    application,  // an id: A-7
    release,
    grant,        // G-7
    request,      // J-7, a job that was asked for
    hash,         // 64 hexadecimal digits
    integer,      // bounds in its value
    flag,         // true or false
    lines,        // a list of lines of at most 256 bytes; bounds in its length
    members,      // {"accounts": lines, "nodes": lines, ...} of an enclave; bounds in each list's length
};

enum class Need { required, optional };

struct Field {
    std::string_view name;
    Kind kind;
    std::int64_t least = 0, most = 0;
    Need need = Need::required;
    std::string_view choices = {};  // of a line: "approve|reject"
};

// Throws Error(usage) that names the field, never its value, unless `body` holds these fields as they must be
// and no others beside "op".
void check_fields(const nlohmann::json& body, std::span<const Field> fields);

// "3 to 200 bytes", for the documentation.
std::string describe(const Field& field);

// True if a terminal or a log may show `text` as it is: UTF-8 without control characters.
bool is_printable(std::string_view text, bool several_lines = false);

// One field each. They throw Error(usage) that names it if it is not what is expected.
std::string text_field(const nlohmann::json& body, const char* key, std::size_t least, std::size_t most);
std::string id_field(const nlohmann::json& body, const char* key, const char* prefix);
std::int64_t integer_field(const nlohmann::json& body, const char* key, std::int64_t least,
                           std::int64_t most);
std::vector<std::string> list_field(const nlohmann::json& body, const char* key, std::size_t least,
                                    std::size_t most);

// A request as it travels: one object of JSON, nested 16 deep at most. Throws Error(usage).
nlohmann::json parse_request(std::string_view line);

}  // namespace jobs
