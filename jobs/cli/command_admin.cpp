// aloft admin: keys (command_enclave.cpp and command_preflight.cpp have the rest). These write the site's
// configuration, so they run as root (or who owns it).
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/keys/keys.h"
#include "core/policy/names.h"
#include "jobs/wire/channel.h"
#include "jobs/cli/commands.h"

namespace jobs {

using core::Error;
using core::Fault;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

// A key pair: the private half to `secret`, owned as the folder it lies in, the public half to `open`.
void save_pair(const core::SigningKey& key, const fs::path& secret, const fs::path& open) {
    core::make_directories(open.parent_path(), 0755);
    core::make_directories(secret.parent_path(), 0700);
    if (fs::exists(open))
        throw Error(Fault::usage, open.string() + ": exists already; a key is never overwritten");
    key.save(secret);
    struct stat folder {};
    if (::geteuid() == 0 && (::stat(secret.parent_path().c_str(), &folder) ||
                             ::chown(secret.c_str(), folder.st_uid, folder.st_gid)))
        throw Error(Fault::system, core::with_errno("cannot hand over " + secret.string(), errno));
    key.verify_key().save(open);
}

void make_service_keys(const Common& common) {
    const core::Site site = common.site();
    const fs::path folder = site.state / "keys";
    json made = json::object();
    if (!common.dry_run) {
        struct stat owner {};
        if (::stat(site.state.c_str(), &owner))
            throw Error(Fault::usage,
                        site.state.string() + ": make this folder first, owned by aloftd's account, 0700");
        core::make_directories(folder, 0700);
        if (::geteuid() == 0 && ::chown(folder.c_str(), owner.st_uid, owner.st_gid))
            throw Error(Fault::system, core::with_errno("cannot hand over " + folder.string(), errno));
    }
    for (const std::string name : {"grant", "ledger"}) {
        const fs::path secret = folder / (name + ".key"), open = site.config / "keys" / (name + ".pub");
        if (!common.dry_run) save_pair(core::SigningKey::generate(), secret, open);
        made[name] = {{"private", secret.string()}, {"public", open.string()}};
    }
    print(common, made,
          "keys of aloftd: " + (folder / "{grant,ledger}.key").string() + ", " +
              (site.config / "keys/{grant,ledger}.pub").string());
}

void make_node_key(const Common& common, const std::string& node, const fs::path& out) {
    const core::Site site = common.site();
    core::check_plain_name(node, "node");
    const fs::path open = site.config / "keys" / "nodes" / (node + ".pub");
    if (!common.dry_run) {
        save_pair(core::SigningKey::generate(), out, open);
    }
    print(common, {{"node", node}, {"private", out.string()}, {"public", open.string()}},
          "key of node " + node + ": " + out.string() + " (its own), " + open.string() + " (for all hosts)");
}

void make_relay_key(const Common& common, const std::string& host, const fs::path& out) {
    core::check_plain_name(host, "host");
    const fs::path open = common.site().config / "keys" / "relays" / (host + ".pub");
    if (!common.dry_run) save_pair(core::SigningKey::generate(), out, open);
    print(common, {{"host", host}, {"private", out.string()}, {"public", open.string()}},
          "key of the relay on " + host + ": " + out.string() + " (its own), " + open.string() +
              " (for the host at the other end)");
}

void make_steward_key(const Common& common, const fs::path& out) {
    const fs::path open = common.site().config / "keys" / "steward.pub";
    if (!common.dry_run) save_pair(core::SigningKey::generate(), out, open);
    print(common, {{"private", out.string()}, {"public", open.string()}},
          "key of the steward: " + out.string() + ", " + open.string());
}

void seal_key(const Common& common, const std::string& dataset, const std::string& enclave,
              const fs::path& file) {
    const core::Site site = common.site();
    const std::string name = core::parse_dataset_name(dataset).text();
    core::check_plain_name(enclave, "enclave");
    const auto sealing = core::SealingKey::load(site.config / "keys" / (enclave + ".enclave.pub"));
    const core::SecretKey key = core::SecretKey::load(file);
    const json request = {{"op", "key.seal"},
                          {"id", name},
                          {"enclave", enclave},
                          {"key_id", key.id()},
                          {"sealed", core::to_base64(sealing.seal(key))}};
    if (only_tells(common, request)) return;
    print(common, ask(site.socket, request).body, "the key of " + name + " is sealed for enclave " + enclave);
}

}  // namespace

void add_admin(CLI::App& app, Common& common) {
    CLI::App* admin =
        app.add_subcommand("admin", "Enclaves and keys (the site's admin; the intake account seals keys)");
    admin->require_subcommand(1);

    add_enclave(*admin, common);
    add_preflight(*admin, common);

    CLI::App* keys = admin->add_subcommand(
        "keys", "Make key pairs; private halves never leave the file they are written to");
    keys->require_subcommand(1);
    add_verb(*keys, common, "service", "aloftd's keys: grants and ledger", "aloft admin keys service",
             Changes::something, [&common] { make_service_keys(common); });
    static std::string node;
    static fs::path out;
    CLI::App* of_node =
        add_verb(*keys, common, "node", "A compute node's key, with which it signs its records",
                 "aloft admin keys node n1 --out /etc/aloft/keys/node.key", Changes::something,
                 [&common] { make_node_key(common, node, out); });
    of_node->add_option("node", node, "Host name of the node")->required();
    of_node->add_option("--out", out, "The private half")->required()->type_name("FILE");
    CLI::App* of_relay =
        add_verb(*keys, common, "relay", "A host's key for aloft-relay, by which the other end knows it",
                 "aloft admin keys relay login-hel --out /etc/aloft/keys/relay.key", Changes::something,
                 [&common] { make_relay_key(common, node, out); });
    of_relay->add_option("host", node, "The host's name in relay.toml")->required();
    of_relay->add_option("--out", out, "The private half")->required()->type_name("FILE");
    CLI::App* of_steward = add_verb(*keys, common, "steward", "The steward's key, which seals datasets",
                                    "aloft admin keys steward --out /home/steward/steward.key",
                                    Changes::something, [&common] { make_steward_key(common, out); });
    of_steward->add_option("--out", out, "The private half")->required()->type_name("FILE");

    static std::string dataset, for_enclave;
    static fs::path key;
    CLI::App* seal =
        add_verb(*admin, common, "key-seal", "Seal a dataset's key for an enclave (intake account)",
                 "aloft admin key-seal digits@1 --enclave hel --key digits@1.key", Changes::something,
                 [&common] { seal_key(common, dataset, for_enclave, key); });
    seal->add_option("dataset", dataset, "Dataset version, NAME@VERSION")->required();
    seal->add_option("--enclave", for_enclave, "Enclave whose nodes may open it")->required();
    seal->add_option("--key", key, "The dataset's key")->required()->type_name("FILE");
}

}  // namespace jobs
