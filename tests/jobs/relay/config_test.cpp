#include "jobs/relay/config.h"

#include <catch2/catch.hpp>
#include <cstdlib>

#include "core/base/error.h"
#include "core/base/files.h"

using namespace jobs;
using Catch::Contains;
using core::Error;

namespace {

// A host's /etc/aloft with the keys of "control", "login-hel" and "desk".
class Etc {
public:
    Etc() {
        char name[] = "/tmp/aloft-relay-etc-XXXXXX";
        site.config = ::mkdtemp(name);
        std::filesystem::create_directories(site.config / "keys" / "relays");
        for (const char* host : {"control", "login-hel", "desk"})
            core::SigningKey::generate().verify_key().save(key(host));
    }
    ~Etc() { std::filesystem::remove_all(site.config); }
    std::filesystem::path key(const std::string& host) const {
        return site.config / "keys" / "relays" / (host + ".pub");
    }
    void write(const std::string& text) const {
        core::write_atomically(site.config / "relay.toml", text, 0644);
    }
    core::Site site;
};

const std::string kLogin =
    "kind = \"researchers\"\n[aloftd]\nname = \"control\"\naddress = \"192.0.2.10\"\nport = 6830\n";
const std::string kServe =
    "[serve]\naddress = \"192.0.2.10\"\nport = 6830\n"
    "[hosts.login-hel]\nkind = \"researchers\"\naddress = \"192.0.2.21\"\nenclaves = [\"hel\"]\n"
    "[hosts.desk]\nkind = \"people\"\naddress = \"fd00:0::22\"\n";

std::string replaced(std::string text, const std::string& what, const std::string& with) {
    const auto at = text.find(what);
    REQUIRE(at != std::string::npos);
    return text.replace(at, what.size(), with);
}

}  // namespace

TEST_CASE("a login host's relay knows where aloftd is and by which key") {
    const Etc etc;
    etc.write(kLogin);
    const LoginRelay relay = LoginRelay::load(etc.site);
    CHECK(relay.kind == HostKind::researchers);
    CHECK(relay.aloftd.address == "192.0.2.10");
    CHECK(relay.aloftd.port == 6830);
    CHECK(relay.aloftd_keys.size() == 1);
}

TEST_CASE("aloftd's host knows each login host by address, kind, enclaves and key") {
    const Etc etc;
    etc.write(kServe);
    const ServeRelay relay = ServeRelay::load(etc.site);
    REQUIRE(relay.hosts.size() == 2);
    CHECK(relay.hosts.at("login-hel").enclaves == std::vector<std::string>{"hel"});
    CHECK(relay.hosts.at("desk").address == "fd00::22");
    CHECK(relay.hosts.at("desk").kind == HostKind::people);
}

TEST_CASE("what is missing, misspelt or not possible in relay.toml is refused") {
    const Etc etc;
    const auto login = [&](const std::string& what, const std::string& with) {
        etc.write(replaced(kLogin, what, with));
        CHECK_THROWS_AS(LoginRelay::load(etc.site), Error);
    };
    login("kind = \"researchers\"", "kind = \"both\"");
    login("kind = \"researchers\"\n", "");
    login("192.0.2.10", "control.example.org");
    login("6830", "0");
    login("6830", "65536");
    login("\"control\"", "\"../control\"");
    login("\"control\"", "\"nobody\"");
    login("port = 6830", "port = 6830\nprot = 1");
    const auto serve = [&](const std::string& what, const std::string& with) {
        etc.write(replaced(kServe, what, with));
        CHECK_THROWS_AS(ServeRelay::load(etc.site), Error);
    };
    serve("enclaves = [\"hel\"]\n", "");
    serve("kind = \"people\"", "kind = \"people\"\nenclaves = [\"hel\"]");
    serve("[\"hel\"]", "[\"../hel\"]");
    serve("address = \"192.0.2.21\"\n", "");
    serve("[hosts.desk]", "[hosts.nobody]");
    std::filesystem::copy_file(etc.key("desk"), etc.key("desk.example.org"));
    etc.write(replaced(kServe, "[hosts.desk]", "[hosts.\"desk.example.org\"]"));
    CHECK_THROWS_WITH(ServeRelay::load(etc.site),
                      Contains("desk.example.org has a domain") && Contains("hostname -s"));
    etc.write("[serve]\naddress = \"192.0.2.10\"\nport = 6830\n");
    CHECK_THROWS_WITH(ServeRelay::load(etc.site), Contains("no login host"));
}

TEST_CASE("one key is one host's") {
    const Etc etc;
    std::filesystem::copy_file(etc.key("desk"), etc.key("login-hel"),
                               std::filesystem::copy_options::overwrite_existing);
    etc.write(kServe);
    CHECK_THROWS_WITH(ServeRelay::load(etc.site), Contains("another host's key as well"));
}

TEST_CASE("another host's key counts for no host whose name begins its own") {
    const Etc etc;
    const auto other = core::SigningKey::generate().verify_key();
    for (const char* host : {"control.hel", "control.next", "control.old-0123456789abcdef", "desk.b"})
        other.save(etc.key(host));
    etc.write(kLogin);
    CHECK(LoginRelay::load(etc.site).aloftd_keys.size() == 1);
    etc.write(kServe);
    CHECK(ServeRelay::load(etc.site).hosts.at("desk").keys.size() == 1);
    other.save(etc.key("desk~next"));  // the mark that no host's name has
    const auto keys = ServeRelay::load(etc.site).hosts.at("desk").keys;
    REQUIRE(keys.size() == 2);
    CHECK(keys[1].bytes == other.bytes);
}
