#include "jobs/service/operations.h"

#include <catch2/catch.hpp>
#include <set>

using namespace jobs;

TEST_CASE("each operation has one row, complete and without contradiction") {
    std::set<std::string_view> names;
    for (const Operation& one : operations()) {
        INFO(one.name);
        CHECK(names.insert(one.name).second);
        CHECK(one.handler != nullptr);
        CHECK_FALSE(one.who.is_nobody());
        CHECK_FALSE(one.about.empty());
        CHECK(one.descriptors_least <= one.descriptors_most);
        CHECK(find_operation(one.name) == &one);
        // Who decides on a thing of another must be known to be another.
        if (one.person == Person::apart) CHECK(one.object != Object::none);
        std::set<std::string_view> fields;
        for (const Field& field : one.fields) {
            CHECK(fields.insert(field.name).second);
            CHECK(field.name != "op");
            CHECK(field.least <= field.most);
        }
        if (one.object == Object::job)
            CHECK(fields.contains("job"));
        else if (one.object != Object::none)
            CHECK(fields.contains("id"));
    }
    CHECK(find_operation("no.such") == nullptr);
    CHECK(find_operation("") == nullptr);
}

TEST_CASE("nobody may change a thing of another without a role, and none but its author takes it back") {
    for (const Operation& one : operations()) {
        INFO(one.name);
        if (one.object == Object::none) continue;
        CHECK_FALSE(one.others.meets(who::anybody | who::enclave));
        // But for what lies here under a grant that was revoked, whose author may be gone (tests/jobs/flow).
        if (one.name == "release.withdraw")
            CHECK_FALSE(one.others.meets(who::auditor | who::reviewer | who::release_reviewer));
        else if (one.name.ends_with(".withdraw") || one.object == Object::request)
            CHECK(one.others.is_nobody());
    }
}

TEST_CASE("the table can be read as a document and by programs") {
    const auto table = operations_json();
    CHECK(table.size() == operations().size());
    const std::string text = operations_markdown();
    for (const auto& row : table)
        CHECK(text.find("| `" + row.at("operation").get<std::string>() + "` |") != std::string::npos);
}
