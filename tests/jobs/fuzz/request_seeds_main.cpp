// Writes the seeds of request_fuzz into a folder: of each operation a request that its row accepts, and the same with one field
// less; and pages.
#include <string>

#include "jobs/service/operations.h"
#include "support/seeds.h"

namespace {

using nlohmann::json;

json example(const jobs::Field& field) {
    switch (field.kind) {
        case jobs::Kind::line:
            if (!field.choices.empty()) return std::string(field.choices.substr(0, field.choices.find('|')));
            return std::string(static_cast<std::size_t>(field.least), 'a');
        case jobs::Kind::text:
            return std::string(static_cast<std::size_t>(field.least), 'a') + "\n";
        case jobs::Kind::name:
            return "hel";
        case jobs::Kind::dataset:
            return "digits@1";
        case jobs::Kind::application:
            return "A-7";
        case jobs::Kind::release:
            return "R-7";
        case jobs::Kind::grant:
            return "G-7";
        case jobs::Kind::request:
            return "J-7";
        case jobs::Kind::hash:
            return std::string(64, 'a');
        case jobs::Kind::integer:
            return field.least;
        case jobs::Kind::flag:
            return true;
        case jobs::Kind::lines:
            return json::array({"DUO:0000006"});
        case jobs::Kind::members:
            return {{"accounts", {"e-alice"}}, {"nodes", json::array()}};
    }
    return nullptr;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    test::Seeds seeds(argv[1]);
    const auto write = [&](const json& body) { seeds.add(body.dump()); };
    for (const jobs::Operation& one : jobs::operations()) {
        json body = {{"op", one.name}};
        for (const jobs::Field& field : one.fields) body[std::string(field.name)] = example(field);
        jobs::check_fields(body, one.fields);  // a seed that is refused would test little
        write(body);
        if (one.fields.empty()) continue;
        body.erase(std::string(one.fields.back().name));
        write(body);
    }
    write({{"ok", true}, {"rows", {{{"id", 1}}}}, {"next", 1}, {"more", true}});
    write({{"op", "usage"}, {"after", 18446744073709551615ull}});
    seeds.add(std::string(2000, '[') + std::string(2000, ']'));
}
