#include "core/policy/list.h"

#include <catch2/catch.hpp>
#include <filesystem>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/time.h"
#include "core/policy/grant.h"
#include "support/published.h"
#include "support/scratch.h"

using namespace core;
using Catch::Contains;

namespace {

constexpr std::int64_t kNow = 1'790'000'000;

struct Host {
    test::Scratch scratch;
    Site site;
    test::Published published;

    Host() : site(test::host_site(scratch.path())), published(site, kNow - 10, kNow + 290) {
        published.write();
    }
    void list(std::int64_t issued, std::int64_t expires) {
        published.list.issued = issued;
        published.list.expires = expires;
        published.write();
    }
    // When the list was issued that cannot be used at `now`; -1: it can.
    std::int64_t stale(std::int64_t now = kNow) const {
        try {
            open_list(site, now);
        } catch (const ListIsStale& e) {
            CHECK(e.fault() == Fault::refused);
            return e.issued;
        }
        return -1;
    }
};

}  // namespace

TEST_CASE("a list says what it said when it was signed") {
    Host host;
    host.published.list.grants = {{70001, {"G-1", "G-2"}}, {70002, {"G-3"}}};
    host.published.list.open_enclaves = {"hel"};
    host.published.list.policies = {{"hel", {std::string(64, 'a'), "hel-gpu", {70001, 70002}}}};
    host.published.list.seq = 17;
    host.published.list.sha256 = std::string(64, 'b');
    host.published.write();
    const SignedList list = open_list(host.site, kNow);
    CHECK(list.grants == host.published.list.grants);
    CHECK(list.open_enclaves == std::vector<std::string>{"hel"});
    CHECK(list.policies.at("hel").partition == "hel-gpu");
    CHECK(list.policies.at("hel").uids == std::vector<std::uint32_t>{70001, 70002});
    CHECK(list.policies.at("hel").sha256 == std::string(64, 'a'));
    CHECK(list.seq == 17);
    CHECK(list.sha256 == std::string(64, 'b'));
    CHECK(list.issued == kNow - 10);
}

TEST_CASE("a list that cannot be used now is told apart from a refusal, with the time of its signature") {
    Host host;
    CHECK(host.stale() == -1);
    SECTION("past its end, to the second: no clock is forgiven on this side") {
        CHECK(host.stale(kNow + 289) == -1);
        CHECK(host.stale(kNow + 290) == kNow - 10);
    }
    SECTION("older than the site allows, whatever it says itself") {
        host.site.revocation_stale_seconds = 200;
        CHECK(host.stale(kNow + 189) == -1);
        CHECK(host.stale(kNow + 190) == kNow - 10);
    }
    SECTION("from the future by more than clocks differ") {
        host.list(kNow + 60, kNow + 360);
        CHECK(host.stale() == -1);
        host.list(kNow + 61, kNow + 361);
        CHECK(host.stale() == kNow + 61);
    }
    SECTION("missing") {
        std::filesystem::remove(host.site.mirror / "list.json");
        CHECK(host.stale() == 0);
        CHECK_THROWS_WITH(read_list(host.site), Contains("aloft-mirror"));
    }
    SECTION("of whatever age, it still says who belongs where") {
        CHECK(read_list(host.site).issued == kNow - 10);
    }
}

TEST_CASE("a list that is forged, of another purpose or of another version is refused, not waited for") {
    Host host;
    const auto refusal = [&](const std::string& envelope) {
        write_atomically(host.site.mirror / "list.json", envelope);
        try {
            open_list(host.site, kNow);
        } catch (const ListIsStale&) {
            return std::string("stale");
        } catch (const Error& e) {
            return std::string(e.what());
        }
        return std::string("accepted");
    };
    CHECK_THAT(refusal(sign_list(host.published.list, SigningKey::generate())),
               Contains("signature is not valid"));
    CHECK_THAT(refusal(sign_grant({}, host.published.key)), Contains("another purpose"));
    CHECK_THAT(refusal("no envelope"), Contains("not a signed envelope"));
    for (const char* payload :
         {R"({"issued":"2026-11-23T20:35:08Z"})", R"([])",
          R"({"issued":"2026-11-23T20:35:08Z","expires":"2026-11-23T20:35:08Z","seq":1,"sha256":"",
                                    "grants":{"e-alice":["G-1"]},"enclaves":[],"policies":{}})"})
        CHECK_THAT(refusal(dsse_sign(host.published.key, "application/vnd.aloft.list+json", payload)),
                   Contains("not of this version") || Contains("by something else than its number"));
}
