#include "core/keys/enclave_keys.h"

#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "core/base/files.h"
#include "support/scratch.h"

using namespace core;
using Catch::Contains;
namespace fs = std::filesystem;

namespace {

std::string held(const fs::path& file) {
    return id_of(OpeningKey::load(file).sealing_key());
}

// What each of a host's three files holds, "-" where it is not there.
std::string held_in(const fs::path& folder) {
    std::string out;
    for (const char* name : {"hel.enclave.key", "hel.enclave.next.key", "hel.enclave.old.key"})
        out +=
            (out.empty() ? "" : " ") + (fs::exists(folder / name) ? held(folder / name).substr(0, 8) : "-");
    return out;
}

}  // namespace

TEST_CASE("an enclave's next key takes over, and the old one opens until it is dropped") {
    const test::Scratch folder;
    const auto first = OpeningKey::generate(), second = OpeningKey::generate();
    const std::string a = id_of(first.sealing_key()).substr(0, 8),
                      b = id_of(second.sealing_key()).substr(0, 8);
    first.save(enclave_key(folder.path(), "hel"));
    CHECK_THROWS_WITH(switch_enclave_key(folder.path(), "hel"), Contains("rekey hel"));
    second.save(next_enclave_key(folder.path(), "hel"));
    CHECK_THROWS_WITH(drop_old_enclave_key(folder.path(), "hel"), Contains("--switch"));
    CHECK(enclave_keys(folder.path(), "hel").size() == 2);
    CHECK(switch_enclave_key(folder.path(), "hel"));
    CHECK(held_in(folder.path()) == b + " - " + a);
    CHECK(enclave_keys(folder.path(), "hel").front() == enclave_key(folder.path(), "hel"));
    CHECK_FALSE(switch_enclave_key(folder.path(), "hel"));
    second.save(next_enclave_key(folder.path(), "hel"));  // copied to all hosts once more
    CHECK_FALSE(switch_enclave_key(folder.path(), "hel"));
    CHECK(held_in(folder.path()) == b + " - " + a);
    // A third one waits until the first is gone.
    OpeningKey::generate().save(next_enclave_key(folder.path(), "hel"));
    CHECK_THROWS_WITH(switch_enclave_key(folder.path(), "hel"), Contains("--finish"));
    CHECK(drop_old_enclave_key(folder.path(), "hel"));
    CHECK(switch_enclave_key(folder.path(), "hel"));
    CHECK(drop_old_enclave_key(folder.path(), "hel"));
    CHECK_FALSE(drop_old_enclave_key(folder.path(), "hel"));
    CHECK(held_in(folder.path()).ends_with(" - -"));
    CHECK(held_in(folder.path()) != b + " - -");
}

TEST_CASE("a change of an enclave's key that was cut off goes on, and there is a key at every moment") {
    const test::Scratch folder;
    const auto first = OpeningKey::generate(), second = OpeningKey::generate();
    first.save(enclave_key(folder.path(), "hel"));
    second.save(next_enclave_key(folder.path(), "hel"));
    fs::create_hard_link(enclave_key(folder.path(), "hel"),
                         folder / "hel.enclave.old.key");  // as far as it came
    CHECK_THROWS_WITH(drop_old_enclave_key(folder.path(), "hel"), Contains("--switch"));
    CHECK(switch_enclave_key(folder.path(), "hel"));
    CHECK(held(enclave_key(folder.path(), "hel")) == id_of(second.sealing_key()));
    CHECK(held(folder / "hel.enclave.old.key") == id_of(first.sealing_key()));
}

TEST_CASE("a node that comes later has the next key alone") {
    const test::Scratch folder;
    const auto key = OpeningKey::generate();
    key.save(next_enclave_key(folder.path(), "hel"));
    CHECK(switch_enclave_key(folder.path(), "hel"));
    CHECK(held_in(folder.path()) == id_of(key.sealing_key()).substr(0, 8) + " - -");
}

TEST_CASE("private halves are known by their names, which is what a backup leaves out") {
    for (const char* name : {"hel.enclave.key", "hel.enclave.next.key", "a.b.enclave.old.key"})
        CHECK(is_enclave_key(name));
    for (const char* name : {"hel.enclave.pub", "hel.enclave.next.pub", "grant.key", "hel.key"})
        CHECK_FALSE(is_enclave_key(name));
}
