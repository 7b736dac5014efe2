#include "core/policy/grant.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/time.h"
#include "support/scratch.h"

using namespace core;
using Catch::Contains;

namespace {

constexpr std::int64_t kNow = 1'790'000'000;

// A site with one grant of uid 70001, valid for an hour around kNow.
struct Office {
    test::Scratch scratch;
    Site site;
    SigningKey key = SigningKey::generate();
    Grant grant{"G-1",        "A-1",           "e-alice",  70001,      "hel",
                {"digits@1"}, {"DUO:0000006"}, kNow - 100, kNow + 3600};

    Office() {
        site.config = scratch / "etc";
        site.mirror = scratch / "published";
        make_directories(site.config / "keys");
        make_directories(site.mirror / "grants");
        key.verify_key().save(site.config / "keys" / "grant.pub");
        publish(sign_grant(grant, key));
        list({}, kNow - 10, kNow + 290);
    }
    void publish(const std::string& envelope, int uid = 70001) {
        write_atomically(site.mirror / "grants" / (std::to_string(uid) + ".json"), envelope, 0644);
    }
    void list(const std::vector<std::string>& revoked, std::int64_t issued, std::int64_t expires,
              const std::vector<std::string>& open_enclaves = {"hel"}) {
        write_list(sign_revocations({revoked, open_enclaves, issued, expires}, key));
    }
    void write_list(const std::string& envelope) {
        write_atomically(site.mirror / "revocations.json", envelope, 0644);
    }
    std::string refusal(std::uint32_t uid = 70001, std::int64_t now = kNow) const {
        try {
            open_grant(site, uid, now);
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
    const Office office;
    Office mutable_office;
    mutable_office.list({}, kNow - 100, kNow + 7200);
    mutable_office.site.revocation_stale_seconds = 7200;
    CHECK_THAT(mutable_office.refusal(70001, kNow - 101),
               Contains("issued in the future") || Contains("begins at"));
    CHECK(mutable_office.refusal(70001, kNow - 100) == "accepted");
    CHECK(mutable_office.refusal(70001, kNow + 3599) == "accepted");
    CHECK_THAT(mutable_office.refusal(70001, kNow + 3600),
               Contains("ended at") && Contains("aloft apply create"));
}

TEST_CASE("an account without a grant is told how to get one") {
    const Office office;
    CHECK_THAT(office.refusal(70002), Contains("has no grant") && Contains("aloft apply create"));
}

TEST_CASE("another account's grant, even under the right name, is refused") {
    Office office;
    office.publish(sign_grant(office.grant, office.key), 70002);
    CHECK_THAT(office.refusal(70002), Contains("belongs to another account"));
}

TEST_CASE("a changed or foreign grant is refused") {
    Office office;
    const std::string envelope = sign_grant(office.grant, office.key);
    SECTION("another key") {
        office.publish(sign_grant(office.grant, SigningKey::generate()));
        CHECK_THAT(office.refusal(), Contains("signature is not valid"));
    }
    SECTION("any byte of the payload") {
        const std::size_t begin = envelope.find("\"payload\": \"") + 12, end = envelope.find('"', begin);
        for (std::size_t at = begin; at < end; ++at) {
            std::string bad = envelope;
            bad[at] = bad[at] == 'A' ? 'B' : 'A';
            office.publish(bad);
            std::string refusal;
            try {
                open_grant(office.site, 70001, kNow);
            } catch (const Error& e) {
                refusal = e.what();
            }
            CHECK_FALSE(refusal.empty());
        }
    }
    SECTION("a revocation list in its place") {
        office.publish(sign_revocations({{}, {"hel"}, kNow, kNow + 300}, office.key));
        CHECK_THAT(office.refusal(), Contains("another purpose"));
    }
}

TEST_CASE("a revoked grant is refused") {
    Office office;
    office.list({"G-0", "G-1"}, kNow - 10, kNow + 290);
    CHECK_THAT(office.refusal(), Contains("G-1 was revoked") && Contains("aloft grant show G-1"));
}

TEST_CASE("a grant for an enclave that is not open is refused, whatever else is open") {
    Office office;
    const auto open_enclaves =
        GENERATE(std::vector<std::string>{}, std::vector<std::string>{"he", "helen", "HEL", "other"});
    office.list({}, kNow - 10, kNow + 290, open_enclaves);
    CHECK_THAT(office.refusal(), Contains("enclave hel is not open: suspended, closed or never opened") &&
                                     Contains("aloft admin enclave show hel"));
    office.list({}, kNow - 10, kNow + 290, {"other", "hel"});
    CHECK(office.refusal() == "accepted");
}

TEST_CASE("a list of a version that names no open enclaves opens none") {
    Office office;
    office.write_list(dsse_sign(
        office.key, "application/vnd.aloft.revocations+json",
        R"({"issued":")" + rfc3339(kNow) + R"(","expires":")" + rfc3339(kNow + 300) + R"(","revoked":[]})"));
    CHECK_THAT(office.refusal(), Contains("not of this version"));
}

TEST_CASE("a list that cannot be used now is told apart from a refusal, with the time of its signature") {
    Office office;
    const auto issued = [&](std::int64_t now) -> std::int64_t {
        try {
            open_grant(office.site, 70001, now);
        } catch (const ListIsStale& e) {
            CHECK(e.fault() == Fault::refused);
            return e.issued;
        } catch (const Error&) {
        }
        return -1;
    };
    CHECK(issued(kNow) == -1);  // the list is good
    office.site.revocation_stale_seconds = 200;
    CHECK(issued(kNow + 189) == -1);
    CHECK(issued(kNow + 190) == kNow - 10);  // to the second: no clock is forgiven on this side
    office.list({}, kNow + 1000, kNow + 2000);
    CHECK(issued(kNow) == kNow + 1000);
    std::filesystem::remove(office.site.mirror / "revocations.json");
    CHECK(issued(kNow) == 0);
    office.list({"G-1"}, kNow - 10, kNow + 290);
    CHECK(issued(kNow) == -1);  // revoked
}

TEST_CASE("a revocation list that is stale, missing, forged or from the future means refuse") {
    Office office;
    SECTION("past its expiry") {
        office.list({}, kNow - 300, kNow - 1);
        CHECK_THAT(office.refusal(), Contains("is stale") && Contains("aloft-mirror"));
    }
    SECTION("older than the site allows, whatever it says itself") {
        office.list({}, kNow - 1000, kNow + 1000);
        CHECK_THAT(office.refusal(), Contains("is stale"));
    }
    SECTION("from the future") {
        office.list({}, kNow + 1000, kNow + 2000);
        CHECK_THAT(office.refusal(), Contains("in the future"));
    }
    SECTION("missing") {
        std::filesystem::remove(office.site.mirror / "revocations.json");
        CHECK_THAT(office.refusal(), Contains("is missing"));
    }
    SECTION("forged") {
        office.write_list(sign_revocations({{}, {"hel"}, kNow, kNow + 300}, SigningKey::generate()));
        CHECK_THAT(office.refusal(), Contains("signature is not valid"));
    }
}
