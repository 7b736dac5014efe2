#include "slurm/admit/places.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <map>
#include <optional>

#include "core/base/error.h"
#include "core/base/files.h"
#include "support/published.h"

namespace {

namespace fs = std::filesystem;
constexpr std::uint32_t kAlice = 70001, kBob = 70002, kCarol = 70010;

struct Host {
    fs::path folder = fs::temp_directory_path() / ("aloft-places-" + std::to_string(::getpid()));
    std::map<std::string, std::uint32_t> names{{"e-alice", kAlice}, {"e-bob", kBob}, {"carol", kCarol}};
    std::vector<std::string> log;

    Host() {
        fs::remove_all(folder);
        fs::create_directories(folder / "etc");
    }
    ~Host() { fs::remove_all(folder); }

    void write(const fs::path& file, const std::string& text) {
        fs::create_directories((folder / "etc" / file).parent_path());
        std::ofstream(folder / "etc" / file) << text;
    }
    fs::path mirror() const { return folder / "mirror"; }
    void damage(const std::string& file, const std::string& text) { std::ofstream(mirror() / file) << text; }
    void site() {
        write("site.toml",
              "name = \"s\"\n[shared]\ndatasets = \"/d\"\nworkspaces = \"/w\"\npublished = \"/p\"\nspool = "
              "\"/s\"\nreleased = \"/r\"\n[host]\nmirror = \"" +
                  mirror().string() + "\"\n");
    }
    // What aloft-mirror lays down. An account that `names` does not know gets no number.
    void policy(const std::vector<std::string>& accounts = {"e-alice", "e-bob"}) {
        const core::Site site = test::host_site(folder);
        if (!published) published.emplace(site, 1, 2);
        core::make_directories(site.mirror / "enclaves");
        if (!fs::exists(site.config / "keys" / "grant.pub")) {
            core::make_directories(site.config / "keys");
            published->key.verify_key().save(site.config / "keys" / "grant.pub");
        }
        core::Enclave enclave;
        enclave.name = "hel";
        enclave.partition = "secret";
        enclave.accounts = accounts;
        enclave.nodes = {"node1"};
        enclave.max_minutes = 60;
        std::map<std::string, std::uint32_t> uids;
        for (const std::string& account : accounts)
            if (names.contains(account)) uids[account] = names[account];
        published->policy(enclave, uids);
        remember();
    }
    std::optional<test::Published> published;
    // As aloft-mirror keeps it.
    void remember() {
        core::remember(core::known_of(core::Enclaves::load(test::host_site(folder))), memory());
    }
    fs::path memory() const { return folder / "known"; }
    slurm::Places start() {
        return {folder / "etc/site.toml", memory(), [this](const std::string& line) { log.push_back(line); }};
    }
};

std::string placed(slurm::Places& known, std::uint32_t uid, const std::string& partition) {
    try {
        const auto place = known.place(uid, partition);
        return place ? place->enclave.name + " " + place->account : "open";
    } catch (const core::Error& e) {
        CHECK(e.fault() == core::Fault::refused);
        return "refused";
    }
}

void only_enclave_jobs_are_refused(slurm::Places& known) {
    CHECK(placed(known, kAlice, "") == "refused");
    CHECK(placed(known, kAlice, "open") == "refused");
    CHECK(placed(known, kAlice, "secret") == "refused");
    CHECK(placed(known, kCarol, "open,secret") == "refused");
    CHECK(placed(known, kCarol, "open") == "open");
    CHECK(placed(known, kCarol, "") == "open");
}

}  // namespace

TEST_CASE("with a sound configuration each job has its place") {
    Host host;
    host.site();
    host.policy();
    auto known = host.start();
    CHECK(placed(known, kAlice, "") == "hel e-alice");
    CHECK(placed(known, kBob, "secret") == "hel e-bob");
    CHECK(placed(known, kAlice, "open") == "refused");
    CHECK(placed(known, kCarol, "secret") == "refused");
    CHECK(placed(known, kCarol, "open") == "open");
    CHECK(known.is_enclave_account(kAlice));
    CHECK_FALSE(known.is_enclave_account(kCarol));
}

TEST_CASE("no configuration at all: everybody's jobs run, since there is no enclave") {
    Host host;
    auto known = host.start();
    CHECK(placed(known, kCarol, "open") == "open");
    CHECK(placed(known, kAlice, "") == "open");
}

TEST_CASE("a configuration that is damaged later refuses the enclave's jobs and nobody else's") {
    Host host;
    host.site();
    host.policy();
    auto known = host.start();
    REQUIRE(placed(known, kAlice, "") == "hel e-alice");
    SECTION("half a policy") {
        host.damage("enclaves/hel.json", "{\"payload\": \"abc");
    }
    SECTION("an empty policy") {
        host.damage("enclaves/hel.json", "");
    }
    SECTION("no policy") {
        fs::remove(host.mirror() / "enclaves/hel.json");
    }
    SECTION("no policies") {
        fs::remove_all(host.mirror() / "enclaves");
    }
    SECTION("no site.toml") {
        fs::remove(host.folder / "etc/site.toml");
    }
    SECTION("half of site.toml") {
        host.write("site.toml", "name = \"s\"\n[sha");
    }
    SECTION("nothing") {
        fs::remove_all(host.folder / "etc");
    }
    SECTION("no list") {
        fs::remove(host.mirror() / "list.json");
    }
    SECTION("a forged list") {
        host.damage("list.json", "{\"payload\": \"abc\", \"signatures\": []}");
    }
    only_enclave_jobs_are_refused(known);
    auto restarted = host.start();
    only_enclave_jobs_are_refused(restarted);
    fs::create_directories(host.folder / "etc/keys");
    host.site();
    host.policy();
    CHECK(placed(known, kAlice, "") == "hel e-alice");
    CHECK(placed(restarted, kAlice, "") == "hel e-alice");
}

TEST_CASE("a first configuration that is not whole already tells whose jobs to refuse") {
    Host host;
    host.site();
    host.policy();
    host.damage("enclaves/hel.json", "x");
    auto known = host.start();
    only_enclave_jobs_are_refused(known);
    CHECK_FALSE(host.log.empty());
    host.policy();
    CHECK(placed(known, kAlice, "") == "hel e-alice");
}

TEST_CASE("another enclave's unsound policy closes that one only") {
    Host host;
    host.site();
    host.policy();
    host.published->list.policies["new"] = {std::string(64, '0'), "new", {kCarol}};
    host.published->write();
    auto known = host.start();
    CHECK(placed(known, kAlice, "") == "hel e-alice");
    CHECK(placed(known, kCarol, "new") == "refused");
    CHECK(placed(known, kCarol, "open") == "refused");
}

TEST_CASE("an account that left its enclave does not become an ordinary one by that") {
    Host host;
    host.site();
    host.policy();
    auto known = host.start();
    REQUIRE(placed(known, kBob, "") == "hel e-bob");
    host.policy({"e-alice"});
    CHECK(placed(known, kBob, "open") == "refused");
    CHECK(placed(known, kAlice, "") == "hel e-alice");
    auto restarted = host.start();
    CHECK(placed(restarted, kBob, "open") == "refused");
    fs::remove(host.memory() / "known");
    auto forgotten = host.start();
    CHECK(placed(forgotten, kBob, "open") == "open");
}

TEST_CASE("what is told to be an enclave's while slurmctld runs, it knows without a restart") {
    Host host;
    auto known = host.start();
    CHECK(placed(known, kAlice, "") == "open");
    core::remember({{}, {{kAlice, "hel"}}, {{"secret", "hel"}}}, host.memory());
    only_enclave_jobs_are_refused(known);
}

TEST_CASE("an account counts from when its number is signed") {
    Host host;
    host.site();
    host.names.erase("e-bob");
    host.policy();
    auto known = host.start();
    CHECK(placed(known, kCarol, "open") == "open");
    CHECK(placed(known, kCarol, "secret") == "refused");
    host.names["e-bob"] = kBob;
    host.policy();
    CHECK(placed(known, kBob, "") == "hel e-bob");
    CHECK(placed(known, kBob, "open") == "refused");
    CHECK(placed(known, kAlice, "") == "hel e-alice");
}

TEST_CASE("a memory that is damaged or cannot be read does no harm to others") {
    Host host;
    host.site();
    host.policy();
    core::write_atomically(host.memory() / "known",
                           std::string_view("uid x hel\nuid 7\n\npartition\nnonsense"));
    auto known = host.start();
    CHECK(placed(known, kAlice, "") == "hel e-alice");
    CHECK(placed(known, kCarol, "open") == "open");
    fs::remove_all(host.memory());
    fs::create_directories(host.memory() / "known/x");
    auto again = host.start();
    CHECK(placed(again, kAlice, "") == "hel e-alice");
    CHECK(placed(again, kCarol, "open") == "open");
}
