#include "core/policy/grant.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/time.h"
#include "support/published.h"
#include "support/scratch.h"

using namespace core;
using Catch::Contains;

namespace {

constexpr std::int64_t kNow = 1'790'000'000;

// A site with one grant of uid 70001, valid for an hour around kNow.
struct Office {
    test::Scratch scratch;
    Site site;
    Grant grant{"G-1",        "A-1",           "e-alice",  70001,      "hel",
                {"digits@1"}, {"DUO:0000006"}, kNow - 100, kNow + 3600};
    test::Published published;

    Office() : site(test::host_site(scratch.path())), published(site, kNow - 10, kNow + 290) {
        published.list.open_enclaves = {"hel"};
        published.grant(grant);
    }
    void list(std::int64_t issued, std::int64_t expires) {
        published.list.issued = issued;
        published.list.expires = expires;
        published.write();
    }
    std::filesystem::path file(const std::string& id = "G-1") const {
        return site.mirror / "grants" / (id + ".json");
    }
    std::string refusal(std::uint32_t uid = 70001, std::int64_t now = kNow,
                        const GrantWish& wish = {}) const {
        try {
            open_grant(site, uid, now, wish);
        } catch (const Error& e) {
            return e.fault() == Fault::refused ? e.what() : "wrong fault";
        }
        return "accepted";
    }
};

}  // namespace

TEST_CASE("a valid grant opens with all it says") {
    const Office office;
    const Grant grant = open_grant(office.site, 70001, kNow);
    CHECK(grant.id == "G-1");
    CHECK(grant.account == "e-alice");
    CHECK(grant.not_after == kNow + 3600);
    CHECK(grant.covers("digits@1"));
    CHECK_FALSE(grant.covers("digits@2"));
}

TEST_CASE("a grant counts from its first second to the one before its last") {
    Office office;
    office.list(kNow - 100, kNow + 7200);
    office.site.revocation_stale_seconds = 7200;
    CHECK_THAT(office.refusal(70001, kNow - 101), Contains("begins at"));
    CHECK(office.refusal(70001, kNow - 100) == "accepted");
    CHECK(office.refusal(70001, kNow + 3599) == "accepted");
    CHECK_THAT(office.refusal(70001, kNow + 3600),
               Contains("ended at") && Contains("aloft apply create") && Contains("aloft grant issue A-1"));
}

TEST_CASE("an account without a grant is told how to get one") {
    const Office office;
    CHECK_THAT(office.refusal(70002), Contains("has no grant") && Contains("aloft apply create"));
}

TEST_CASE("another account's grant, even under the right name, is refused") {
    Office office;
    office.published.list.grants[70002] = {"G-1"};
    office.published.write();
    CHECK_THAT(office.refusal(70002), Contains("belongs to another account"));
}

TEST_CASE("a changed or foreign grant is refused") {
    Office office;
    const std::string envelope = sign_grant(office.grant, office.published.key);
    SECTION("another key") {
        write_atomically(office.file(), sign_grant(office.grant, SigningKey::generate()));
        CHECK_THAT(office.refusal(), Contains("signature is not valid"));
    }
    SECTION("any byte of the payload") {
        const std::size_t begin = envelope.find("\"payload\": \"") + 12, end = envelope.find('"', begin);
        for (std::size_t at = begin; at < end; ++at) {
            std::string bad = envelope;
            bad[at] = bad[at] == 'A' ? 'B' : 'A';
            write_atomically(office.file(), bad);
            std::string refusal;
            try {
                open_grant(office.site, 70001, kNow);
            } catch (const Error& e) {
                refusal = e.what();
            }
            CHECK_FALSE(refusal.empty());
        }
    }
    SECTION("a list in its place") {
        write_atomically(office.file(), sign_list(office.published.list, office.published.key));
        CHECK_THAT(office.refusal(), Contains("another purpose"));
    }
    SECTION("another grant under its name") {
        Grant wider = office.grant;
        wider.id = "G-0";
        write_atomically(office.file(), sign_grant(wider, office.published.key));
        CHECK_THAT(office.refusal(), Contains("holds another grant"));
    }
    SECTION("its file is not here") {
        std::filesystem::remove(office.file());
        CHECK_THAT(office.refusal(), Contains("not on this host"));
        CHECK_THROWS_AS(open_grant(office.site, 70001, kNow), CannotTell);
        CHECK_THROWS_AS(open_grant(office.site, 70001, kNow, {"G-1", {}}), CannotTell);
    }
}

TEST_CASE("a revoked grant is refused, though its file comes back") {
    Office office;
    office.published.revoke("G-1");
    CHECK(std::filesystem::exists(office.file()));
    CHECK_THAT(office.refusal(), Contains("was revoked") && Contains("aloft grant list"));
    CHECK_THAT(office.refusal(70001, kNow, {"G-1", {}}), Contains("G-1 was revoked"));
}

TEST_CASE("of several grants of an account the newest that covers what is asked counts, or the chosen one") {
    Office office;
    Grant second = office.grant;
    second.id = "G-2";
    second.datasets = {"wdbc@1"};
    office.published.grant(second);
    const auto opened = [&](const GrantWish& wish) { return open_grant(office.site, 70001, kNow, wish).id; };
    CHECK(opened({}) == "G-2");
    CHECK(opened({{}, {"wdbc@1"}}) == "G-2");
    CHECK(opened({{}, {"digits@1"}}) == "G-1");  // a second project does not take the first away
    CHECK(opened({"G-1", {}}) == "G-1");
    CHECK_THAT(office.refusal(70001, kNow, {{}, {"digits@1", "wdbc@1"}}), Contains("G-2 does not cover"));
    CHECK_THAT(office.refusal(70001, kNow, {"G-3", {}}), Contains("G-3 was revoked"));
    second.not_after = kNow;
    office.published.grant(second);
    CHECK(opened({}) == "G-1");
}

TEST_CASE("while one key takes over from another, both are accepted; then the old one no more") {
    Office office;
    const auto keys = office.site.config / "keys";
    SigningKey next = SigningKey::generate();
    const VerifyKey next_open = next.verify_key();
    CHECK(office.refusal() == "accepted");
    office.published.key = std::move(next);
    office.published.grant(office.grant);
    CHECK_THAT(office.refusal(), Contains("signature is not valid"));
    next_open.save(keys / "grant.next.pub");
    CHECK(office.refusal() == "accepted");
    std::filesystem::remove(keys / "grant.pub");
    CHECK(office.refusal() == "accepted");
    std::filesystem::rename(keys / "grant.next.pub",
                            keys / "grants.pub");  // a key of another name is none of ours
    CHECK_THAT(office.refusal(), Contains("cannot open the key"));
}

TEST_CASE("the key of an enclave that is called as a key of the service is none of the service's") {
    Office office;
    const auto keys = office.site.config / "keys";
    OpeningKey::generate().sealing_key().save(keys / "grant.enclave.pub");
    SigningKey::generate().verify_key().save(keys / "grant.of.pub");
    CHECK(office.refusal() == "accepted");
    CHECK(publishing_keys(office.site).size() == 1);
}

TEST_CASE("a grant for an enclave that is not open is refused, whatever else is open") {
    Office office;
    office.published.list.open_enclaves =
        GENERATE(std::vector<std::string>{}, std::vector<std::string>{"he", "helen", "HEL", "other"});
    office.published.write();
    CHECK_THAT(office.refusal(), Contains("enclave hel is not open: suspended, closed or never opened") &&
                                     Contains("aloft admin enclave show hel"));
    office.published.list.open_enclaves = {"other", "hel"};
    office.published.write();
    CHECK(office.refusal() == "accepted");
}
