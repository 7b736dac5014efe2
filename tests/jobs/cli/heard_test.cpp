#include "jobs/cli/heard.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <thread>

#include "support/published.h"
#include "support/scratch.h"

using namespace std::chrono_literals;

namespace {

struct Host {
    test::Scratch scratch;
    core::Site site = test::host_site(scratch.path());
    nlohmann::json answer = nlohmann::json::object();
    test::Published published{site, 0, 1};  // it tells who belongs where also when it is old

    Host() { published.write(); }
    std::string heard(std::chrono::milliseconds limit) {
        return jobs::heard_here(
            site, answer, [](const core::SignedList& list) { return !list.grants.empty(); }, limit);
    }
};

}  // namespace

TEST_CASE("who has issued a grant goes on when this host has heard of it") {
    Host host;
    std::thread mirror([&host] {
        std::this_thread::sleep_for(200ms);
        host.published.list.grants = {{70001, {"G-1"}}};
        host.published.write();
    });
    CHECK(host.heard(60s) == "");
    mirror.join();
    CHECK(host.answer.at("heard_here") == true);
    CHECK_FALSE(core::read_list(host.site).grants.empty());
}

TEST_CASE("a host that hears nothing is named, one that keeps no list is not waited for") {
    Host host;
    CHECK(host.heard(100ms) == "\nthis host has not heard of it yet; see: aloft doctor");
    CHECK(host.answer.at("heard_here") == false);
    core::write_atomically(host.site.mirror / "list.json", "{}");  // not signed
    CHECK(host.heard(24h) != "");
    std::filesystem::remove(host.site.mirror / "list.json");
    host.answer = nlohmann::json::object();
    CHECK(host.heard(24h) == "");
    CHECK(host.answer.empty());
}
