#include "slurm/node/keys.h"

#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "core/keys/enclave_keys.h"
#include "core/ledger/spool.h"
#include "made_node.h"

namespace fs = std::filesystem;

namespace {

std::string id_of(const fs::path& open) {
    return core::VerifyKey::load(open).id();
}

}  // namespace

TEST_CASE("a node's next key signs only when it is told to, and goes on where it was cut off") {
    for (const int cut : {0, 1, 2, 3}) {
        INFO(cut);
        const test::MadeNode node;
        const fs::path keys = node.site.config / "keys";
        CHECK_FALSE(slurm::make_node_key(node.site));  // its public half was missing
        CHECK(id_of(keys / "node.pub") == node.key.verify_key().id());
        CHECK_FALSE(slurm::switch_node_key(node.site));
        CHECK(slurm::make_next_node_key(node.site));
        CHECK_FALSE(slurm::make_next_node_key(node.site));
        const std::string next = id_of(keys / "node.next.pub");
        CHECK(core::SigningKey::load(keys / "node.key").verify_key().id() == node.key.verify_key().id());
        if (cut == 1) fs::remove(keys / "node.next.pub");                     // while it was made
        if (cut == 2) fs::rename(keys / "node.next.key", keys / "node.key");  // while it took over
        if (cut == 2) CHECK_THROWS_AS(slurm::make_next_node_key(node.site), core::Error);  // no third one
        CHECK(slurm::switch_node_key(node.site) == (cut != 2));
        if (cut == 3) CHECK_FALSE(slurm::switch_node_key(node.site));
        CHECK(core::SigningKey::load(keys / "node.key").verify_key().id() == next);
        CHECK(id_of(keys / "node.pub") == next);
        CHECK_FALSE(fs::exists(keys / "node.next.key"));
        CHECK_FALSE(fs::exists(keys / "node.next.pub"));
    }
}

TEST_CASE("halves that do not belong together are not taken for a pair") {
    const test::MadeNode node;
    const fs::path keys = node.site.config / "keys";
    core::SigningKey::generate().verify_key().save(keys / "node.pub");
    CHECK_THROWS_WITH(slurm::make_node_key(node.site), Catch::Contains("is not the public half"));
    fs::remove(keys / "node.key");
    CHECK_THROWS_WITH(slurm::make_node_key(node.site), Catch::Contains("private half is not here"));
    CHECK_FALSE(fs::exists(keys / "node.key"));
}

TEST_CASE("an enclave's old key stays on a node as long as a seal there needs it") {
    test::MadeNode node;
    const fs::path keys = node.site.config / "keys", seals = node.scratch / "mirror/keys/hel";
    node.site.mirror = node.scratch / "mirror";
    core::make_directories(seals);
    const auto first = core::OpeningKey::generate(), next = core::OpeningKey::generate();
    first.save(core::enclave_key(keys, "hel"));
    next.save(core::next_enclave_key(keys, "hel"));
    const auto seal = [&](const char* dataset, const core::OpeningKey& to) {
        const auto sealed = to.sealing_key().seal(core::SecretKey::generate());
        core::write_atomically(seals / (std::string(dataset) + ".sealed"), core::to_base64(sealed) + "\n");
    };
    seal("digits@1", next);
    seal("wdbc@1", first);
    REQUIRE(core::switch_enclave_key(keys, "hel"));
    CHECK_THROWS_WITH(slurm::drop_old_enclave_key(node.site, "hel"), Catch::Contains("wdbc@1.sealed"));
    CHECK(fs::exists(keys / "hel.enclave.old.key"));
    seal("wdbc@1", next);
    CHECK(slurm::drop_old_enclave_key(node.site, "hel"));
    CHECK_FALSE(fs::exists(keys / "hel.enclave.old.key"));
}

TEST_CASE("aloftd's host knows a node by both keys while one takes over, and by no other node's") {
    test::Scratch scratch;
    core::Site site;
    site.config = scratch / "etc";
    const fs::path nodes = site.config / "keys" / "nodes";
    core::make_directories(nodes);
    const auto first = core::SigningKey::generate(), next = core::SigningKey::generate(),
               another = core::SigningKey::generate();
    another.verify_key().save(nodes / "n1.next.pub");  // of a host whose name is n1.next
    CHECK_THROWS_AS(core::load_node_keys(site, "n1"), core::Error);
    first.verify_key().save(nodes / "n1.pub");
    CHECK(core::load_node_keys(site, "n1").size() == 1);
    next.verify_key().save(nodes / "n1~next.pub");
    const auto keys = core::load_node_keys(site, "n1");
    REQUIRE(keys.size() == 2);
    CHECK(keys[0].id() == first.verify_key().id());
    CHECK(keys[1].id() == next.verify_key().id());
    CHECK(core::load_node_keys(site, "n1.next").size() == 1);
}
