#include "jobs/relay/config.h"

#include <arpa/inet.h>

#include <array>
#include <set>

#include "core/base/config.h"
#include "core/base/error.h"
#include "core/keys/host_keys.h"
#include "core/keys/seed.h"
#include "core/policy/names.h"

namespace jobs {

using core::Config;
using core::Error;
using core::Fault;

namespace {

constexpr const char* kSpool = "/var/lib/aloft-relay";

HostKind kind_in(const Config& table) {
    const auto kind = host_kind_of(table.text("kind"));
    if (!kind) table.refuse("kind", "is \"researchers\" or \"people\"");
    return *kind;
}

std::string address_in(const Config& table) {
    try {
        return plain_address(table.text("address"));
    } catch (const Error&) {
        table.refuse("address", "is an address in digits; names are not looked up");
    }
}

Endpoint endpoint_in(const Config& table) {
    Endpoint out;
    out.address = address_in(table);
    const auto port = table.integer("port");
    if (port < 1 || port > 65535) table.refuse("port", "is 1 to 65535");
    out.port = static_cast<std::uint16_t>(port);
    return out;
}

std::vector<core::VerifyKey> keys_of(const core::Site& site, const std::string& name) {
    core::check_plain_name(name, "relay.toml: a host's name");
    return core::load_host_keys(site.config / "keys" / "relays", name);
}

}  // namespace

LoginRelay LoginRelay::load(const core::Site& site) {
    const Config file = Config::load(site.config / "relay.toml");
    LoginRelay out;
    out.kind = kind_in(file);
    const Config aloftd = file.table("aloftd");
    out.aloftd = endpoint_in(aloftd);
    out.aloftd_keys = keys_of(site, aloftd.text("name"));
    out.spool = file.text_or("spool", kSpool);
    file.finish();
    return out;
}

ServeRelay ServeRelay::load(const core::Site& site) {
    const Config file = Config::load(site.config / "relay.toml");
    ServeRelay out;
    out.listen = endpoint_in(file.table("serve"));
    out.spool = file.text_or("spool", kSpool);
    const Config hosts = file.table("hosts");
    std::set<std::string> seen;
    for (const std::string& name : hosts.keys()) {
        const Config table = hosts.table(name);
        if (name.find('.') != std::string::npos)
            throw Error(Fault::usage, "relay.toml: " + name +
                                          " has a domain; a host is called what `hostname -s` says on it, "
                                          "for by that name it signs its reports");
        RelayHost host;
        host.kind = kind_in(table);
        host.address = address_in(table);
        host.enclaves = table.texts("enclaves");
        for (const std::string& enclave : host.enclaves) core::check_plain_name(enclave, table.where());
        if (host.enclaves.empty() == (host.kind == HostKind::researchers))
            table.refuse("enclaves", "names whose accounts log in there, of a host for researchers only");
        host.keys = keys_of(site, name);
        for (const core::VerifyKey& key : host.keys)
            if (!seen.insert(key.id()).second)
                throw Error(Fault::usage, "keys/relays/" + name + ".pub is another host's key as well");
        out.hosts.emplace(name, std::move(host));
    }
    file.finish();
    if (out.hosts.empty())
        throw Error(Fault::usage, "relay.toml: no login host; give each a table [hosts.NAME]");
    return out;
}

core::SecretKey own_relay_key(const core::Site& site) {
    return core::load_signing_seed(site.config / "keys" / "relay.key");
}

std::string plain_address(const std::string& text) {
    std::array<unsigned char, sizeof(in6_addr)> bytes{};
    std::array<char, INET6_ADDRSTRLEN> out{};
    for (const int family : {AF_INET, AF_INET6})
        if (::inet_pton(family, text.c_str(), bytes.data()) == 1 &&
            ::inet_ntop(family, bytes.data(), out.data(), out.size()))
            return out.data();
    throw Error(Fault::usage, "not an address in digits");
}

}  // namespace jobs
