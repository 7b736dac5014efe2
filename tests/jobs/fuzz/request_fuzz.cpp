// libFuzzer's entry: a line as any account may send it. Whatever it is, it is refused in words of ours, or it is a request whose
// fields are as its operation's row says.
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "jobs/service/operations.h"
#include "jobs/wire/channel.h"

namespace {

using jobs::Field;
using jobs::Kind;
using nlohmann::json;

void must(bool holds) {
    if (!holds) std::abort();
}

// Bytes of a caller's that are in no word of ours. An error must not repeat them: it goes to logs.
constexpr std::string_view kMark = "\x01\x7f";

void check_text(const std::string& text, std::int64_t most, bool several_lines) {
    must(static_cast<std::int64_t>(text.size()) <= most);
    must(jobs::is_printable(text, several_lines));
}

void check_field(const json& body, const Field& field) {
    const auto found = body.find(field.name);
    if (found == body.end()) return must(field.need == jobs::Need::optional);
    switch (field.kind) {
        case Kind::line:
        case Kind::text: {
            const auto text = found->get<std::string>();
            check_text(text, field.most, field.kind == Kind::text);
            must(static_cast<std::int64_t>(text.size()) >= field.least);
            break;
        }
        case Kind::integer: {
            const auto value = found->get<std::int64_t>();
            must(value >= field.least && value <= field.most);
            must(json(value) == *found);
            break;
        }
        case Kind::flag:
            must(found->is_boolean());
            break;
        case Kind::lines:
            must(static_cast<std::int64_t>(found->size()) <= field.most);
            for (const json& one : *found) check_text(one.get<std::string>(), 256, false);
            break;
        case Kind::members:
            for (const auto& [name, list] : found->items()) {
                must(field.choices.find(name) != std::string_view::npos);
                for (const json& one : list) check_text(one.get<std::string>(), 256, false);
            }
            break;
        default:  // names and ids
            check_text(found->get<std::string>(), 256, false);
            must(found->get_ref<const std::string&>().find('/') == std::string::npos);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view line(reinterpret_cast<const char*>(data), size);
    try {
        const json body = jobs::parse_request(line);
        (void)body.dump(-1, ' ', true, json::error_handler_t::replace);
        if (const auto* operation = jobs::find_operation(jobs::text_field(body, "op", 1, 64))) {
            jobs::check_fields(body, operation->fields);
            for (const Field& field : operation->fields) check_field(body, field);
            must(body.size() <= operation->fields.size() + 1);
        }
    } catch (const core::Error& e) {
        const std::string_view why = e.what();
        must(e.fault() == core::Fault::usage);
        must(jobs::is_printable(why) && why.size() < 400);
        must(why.find_first_of(kMark) == std::string_view::npos);
    }
    try {  // the same bytes as an answer's page, which `aloft` reads
        const auto page = jobs::page_of(json::parse(line), "rows");
        must(page.rows.is_array());
    } catch (const core::Error&) {
    } catch (const json::exception&) {
    }
    return 0;
}
