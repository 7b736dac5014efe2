// What a job may read is decided before a sample is read, and ends in one clear line.
#include "trainer/engine/permission.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>

#include "core/base/time.h"
#include "core/policy/grant.h"
#include "core/shard/made.h"
#include "support/scratch.h"

using namespace core;
using Catch::Contains;

namespace {

// A site with a sealed dataset and a grant for it, on rank 0's disk; every rank sees it.
struct Office {
    std::unique_ptr<test::Scratch> scratch;
    Comm comm{MPI_COMM_WORLD};
    std::filesystem::path root;
    SigningKey steward = SigningKey::generate(), grants = SigningKey::generate();
    Grant grant{"G-1", "A-1", "e-alice",           static_cast<std::uint32_t>(getuid()), "hel", {"made@1"},
                {},    0,     now_seconds() + 3600};

    Office() {
        // As root the site of the environment does not count; ranks that are root give that up for this test.
        if (geteuid() == 0) REQUIRE(seteuid(65534) == 0);
        Bytes name;
        if (comm.is_root()) {
            scratch = std::make_unique<test::Scratch>();
            root = scratch->path();
            make_directories(root / "etc/keys");
            write_atomically(root / "etc/site.toml",
                             "name = \"test\"\n[shared]\ndatasets = \"/d\"\nworkspaces = \"/w\"\n"
                             "published = \"/p\"\nspool = \"/s\"\nreleased = \"/r\"\n",
                             0644);
            steward.verify_key().save(root / "etc/keys/steward.pub");
            grants.verify_key().save(root / "etc/keys/grant.pub");
            made::dataset(root / "data", made::images(), {20});
            seal_version(Version(root / "data", {}, Seal::optional), steward, now_seconds());
            made::key().save(root / "dataset.key");
            const ByteView text = view(root.native());
            name.assign(text.begin(), text.end());
        }
        comm.broadcast(name);
        root = std::string(text(name));
        give(grant, grants);
        setenv("ALOFT_SITE", (root / "etc/site.toml").c_str(), 1);
        setenv("ALOFT_GRANT", (root / "grant.json").c_str(), 1);
    }
    ~Office() {
        comm.barrier();
        scratch.reset();
        if (getuid() == 0) CHECK(seteuid(0) == 0);  // MPI's shared memory is root's
        unsetenv("ALOFT_SITE");
        unsetenv("ALOFT_GRANT");
    }
    void give(const Grant& changed, const SigningKey& key) const {
        if (comm.is_root()) write_atomically(root / "grant.json", sign_grant(changed, key), 0644);
        comm.barrier();
    }
    // What opening the dataset says on this rank: "FAULT: text".
    std::string outcome(const std::string& key = "dataset.key") const {
        try {
            const auto dataset = trainer::open_dataset({{root / "data", root / key, ""}}, comm);
            return dataset->samples("") == 20 ? "opened" : "another dataset";
        } catch (const AgreedError& e) {
            return std::to_string(static_cast<int>(e.fault())) + ": " + e.what();
        }
    }
};

}  // namespace

TEST_CASE("a sealed dataset with its key and a valid grant opens") {
    const Office office;
    CHECK(office.outcome() == "opened");
}

TEST_CASE("a grant that does not hold is refused, with what to do") {
    const Office office;
    Grant grant = office.grant;
    SECTION("ended") {
        grant.not_after = now_seconds() - 1;
        office.give(grant, office.grants);
        CHECK_THAT(office.outcome(), Contains("5: ") && Contains("ended at") && Contains("aloft apply"));
    }
    SECTION("of other datasets") {
        grant.datasets = {"made@2", "mad@1"};
        office.give(grant, office.grants);
        CHECK_THAT(office.outcome(), Contains("5: ") && Contains("does not cover made@1"));
    }
    SECTION("of another account") {
        grant.uid += 1;
        office.give(grant, office.grants);
        CHECK_THAT(office.outcome(), Contains("5: ") && Contains("another account"));
    }
    SECTION("not signed by the site") {
        office.give(grant, SigningKey::generate());
        CHECK_THAT(office.outcome(), Contains("5: ") && Contains("signature is not valid"));
    }
}

TEST_CASE("without the dataset's own key nothing opens") {
    const Office office;
    CHECK_THAT(office.outcome("absent.key"), Contains("5: no key for made@1: ") && Contains("absent.key"));
    if (office.comm.is_root()) made::key(8).save(office.root / "other.key");
    office.comm.barrier();
    CHECK_THAT(office.outcome("other.key"), Contains("5: ") && Contains("not the key of"));
}

TEST_CASE("a version that is not sealed, or changed after it was, is refused") {
    const Office office;
    const auto seal = office.root / "data/manifest.sig.json", manifest = office.root / "data/manifest.json";
    SECTION("changed") {
        if (office.comm.is_root()) write_atomically(manifest, read_text(manifest) + " ", 0644);
        office.comm.barrier();
        CHECK_THAT(office.outcome(), Contains("5: ") && Contains("changed after a steward sealed it"));
    }
    SECTION("not sealed") {
        if (office.comm.is_root()) std::filesystem::remove(seal);
        office.comm.barrier();
        CHECK_THAT(office.outcome(), Contains("5: ") && Contains("not sealed"));
    }
}
