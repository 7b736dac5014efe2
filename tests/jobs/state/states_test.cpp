#include "jobs/state/states.h"

#include <catch2/catch.hpp>
#include <set>
#include <string>

using namespace jobs;

TEST_CASE("every state can be reached, and nothing moves out of an end") {
    for (const Thing thing : {Thing::application, Thing::release, Thing::enclave}) {
        std::set<std::string_view> reached{""};
        for (std::size_t round = 0; round < transitions().size(); ++round)
            for (const Transition& t : transitions())
                if (t.thing == thing && reached.contains(t.from)) reached.insert(t.to);
        for (const Transition& t : transitions())
            if (t.thing == thing) CHECK(reached.contains(t.from));
        for (const std::string_view end : {"rejected", "withdrawn", "refused", "exported", "closed"})
            for (const Transition& t : transitions()) CHECK_FALSE((t.thing == thing && t.from == end));
    }
}

TEST_CASE("one state and one record lead to one state") {
    std::set<std::string> seen;
    for (const Transition& t : transitions())
        CHECK(seen.insert(std::string(t.from) + "|" + std::string(t.kind) +
                          std::to_string(static_cast<int>(t.thing)))
                  .second);
}

TEST_CASE("no release is exported without two approvals before it") {
    CHECK_FALSE(next_state(Thing::release, "in-review", "release.export-started"));
    CHECK_FALSE(next_state(Thing::release, "half-approved", "release.export-started"));
    CHECK_FALSE(next_state(Thing::release, "in-review", "release.approved"));
    CHECK(next_state(Thing::release, "approved", "release.export-started") == "exporting");
}

TEST_CASE("no grant without an approved application") {
    for (const char* state : {"", "in-review", "rejected", "withdrawn"})
        CHECK_FALSE(next_state(Thing::application, state, "grant.issued"));
}

TEST_CASE("an enclave opens after it was created or suspended, and closes only when nothing runs in it") {
    CHECK(next_state(Thing::enclave, "created", "enclave.opened") == "open");
    CHECK(next_state(Thing::enclave, "suspended", "enclave.opened") == "open");
    CHECK(next_state(Thing::enclave, "open", "enclave.suspended") == "suspended");
    CHECK_FALSE(next_state(Thing::enclave, "open", "enclave.closed"));
    CHECK(next_state(Thing::enclave, "suspended", "enclave.closed") == "closed");
    for (const char* kind : {"enclave.created", "enclave.opened", "enclave.suspended", "enclave.changed"})
        CHECK_FALSE(next_state(Thing::enclave, "closed", kind));
    for (const char* kind : {"enclave.opened", "enclave.suspended", "enclave.closed", "enclave.changed"})
        CHECK_FALSE(next_state(Thing::enclave, "", kind));
}
