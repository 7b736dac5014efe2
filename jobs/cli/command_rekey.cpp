// aloft admin enclave rekey: another key takes over from an enclave's, while its jobs run. The files are root's on aloftd's host; the
// private half goes to the nodes by the admin's hand, and what a node reported about itself says that it has arrived.
#include <functional>
#include <map>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/message.h"
#include "core/base/time.h"
#include "core/keys/enclave_keys.h"
#include "core/policy/enclave.h"
#include "core/policy/names.h"
#include "jobs/cli/commands.h"
#include "jobs/wire/channel.h"
#include "jobs/wire/preflight.h"

namespace jobs {

using core::failure;
using core::Fault;
using core::message;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

struct Rekey {
    core::Site site;
    std::string enclave;
    fs::path keys, open, next_open;

    Rekey(const Common& common, const std::string& name)
        : site(common.site()),
          enclave(name),
          keys(site.config / "keys"),
          open(keys / (name + ".enclave.pub")),
          next_open(keys / (name + ".enclave.next.pub")) {
        core::check_plain_name(name, "enclave");
    }
};

void tell(const Common& common, const Rekey& rekey, const core::Message& state, const core::Message& next) {
    const fs::path& open = fs::exists(rekey.next_open) ? rekey.next_open : rekey.open;
    json id;
    if (fs::exists(open)) id = core::id_of(core::SealingKey::load(open));
    print(common,
          {{"enclave", rekey.enclave}, {"state", state.english()}, {"key", id}, {"next", next.english()}},
          tr("key of enclave {}: {}\nNext: {}", rekey.enclave, core::translated(state),
             core::translated(next)));
}

// By node, the ids of the keys that it reported (slurm/preflight/node_checks.cpp): of the one that it has first, then of the
// others. Empty where it has not reported that all is well with them.
std::map<std::string, std::string> keys_of_nodes(const Common& common, const Rekey& rekey) {
    const core::Enclave enclave = core::load_enclave(rekey.site, rekey.enclave);
    const Listing known = list_of(common, "preflight.reports");
    std::map<std::string, std::string> keys;
    for (const std::string& node : enclave.nodes) keys[node];
    for (const Check& check :
         checks_of_nodes(enclave, policy_sha256(rekey.site, rekey.enclave), reports_of(known.rows),
                         known.rest.at("version").get<std::string>(), core::now_seconds()))
        if (check.what == "key of enclave " + rekey.enclave && !check.is_miss())
            keys[check.host] = check.found;
    return keys;
}

// Nodes whose keys are not so.
json nodes_unlike(const std::map<std::string, std::string>& keys,
                  const std::function<bool(const std::string&)>& are_so) {
    json unlike = json::array();
    for (const auto& [node, ids] : keys)
        if (!are_so(ids)) unlike.push_back(node);
    return unlike;
}

// Datasets whose key is known to be sealed to another key than the one that has this id; with `unknown`, also where it is not known.
std::vector<std::string> sealed_otherwise(const Rekey& rekey, const std::string& id, bool unknown) {
    const json answer = ask(rekey.site.socket, {{"op", "enclave.show"}, {"id", rekey.enclave}}).body;
    if (!answer.contains("sealed_to"))
        throw failure(Fault::refused,
                      "aloftd does not say to which key datasets are sealed: it is for admins, and for an "
                      "aloftd of this version");
    std::vector<std::string> out;
    for (const auto& [dataset, key] : answer.at("sealed_to").items())
        if (key.is_null() ? unknown : key != id) out.push_back(dataset);
    return out;
}

void begin(const Common& common, const Rekey& rekey) {
    const fs::path secret = core::next_enclave_key(rekey.keys, rekey.enclave);
    const core::Message next = message(
        "copy {} to each of its nodes (root, 0400); on each: aloft-node preflight --report. When all have "
        "it: "
        "aloft admin enclave rekey {} --switch",
        secret.string(), rekey.enclave);
    core::load_enclave(rekey.site, rekey.enclave);  // that it is one
    if (!fs::exists(rekey.open))
        throw failure(Fault::usage, "{}: there is no key yet; see: aloft admin enclave create",
                      rekey.open.string());
    if (common.dry_run) return tell(common, rekey, message("a new one would be made"), next);
    if (!fs::exists(rekey.next_open)) {
        const std::string id = core::id_of(core::SealingKey::load(rekey.open));
        if (const auto former = sealed_otherwise(rekey, id, false); !former.empty())
            throw failure(Fault::usage,
                          "the change before this one is not ended: {}. See: aloft admin enclave rekey {} "
                          "--finish",
                          printable(json(former)), rekey.enclave);
        if (!fs::exists(secret)) core::OpeningKey::generate().save(secret);
        const auto coming = core::OpeningKey::load(secret).sealing_key();
        if (coming.bytes == core::SealingKey::load(rekey.open).bytes)
            throw failure(Fault::usage,
                          "the change before this one is not ended: aloft admin enclave rekey {} --finish",
                          rekey.enclave);
        coming.save(rekey.next_open);
    }
    if (!fs::exists(secret))
        return tell(common, rekey, message("the new one is made, and its private half is not here"),
                    message("if the nodes have it: aloft admin enclave rekey {} --switch; if nobody has: "
                            "remove {} and begin again",
                            rekey.enclave, rekey.next_open.string()));
    tell(common, rekey, message("the new one is made; keys of datasets are sealed to the old one"), next);
}

void switch_over(const Common& common, const Rekey& rekey) {
    const core::Message next = message(
        "copy {} to all hosts, on each node: aloft-node rotate {} --switch. The intake account seals every "
        "dataset's key anew: aloft admin key-seal DATASET --enclave {} --key FILE; then: aloft admin enclave "
        "rekey {} --finish",
        rekey.open.filename().string(), rekey.enclave, rekey.enclave, rekey.enclave);
    if (!fs::exists(rekey.next_open)) {
        if (!fs::exists(rekey.open))
            throw failure(Fault::usage, "there is no enclave {} with a key here", rekey.enclave);
        return tell(common, rekey, message("no other one is to take over (or it has)"), next);
    }
    const std::string id = core::id_of(core::SealingKey::load(rekey.next_open));
    const json without = nodes_unlike(keys_of_nodes(common, rekey), [&](const std::string& ids) {
        return ids.find(id) != std::string::npos;
    });
    if (!without.empty())
        throw failure(Fault::refused,
                      "these nodes have not reported that they have the new key: {}. Copy it there, then on "
                      "each: aloft-node preflight --report",
                      printable(without));
    if (common.dry_run)
        return tell(common, rekey, message("keys of datasets would be sealed to the new one"), next);
    fs::rename(rekey.next_open, rekey.open);
    core::sync_directory(rekey.keys);
    tell(common, rekey, message("keys of datasets are sealed to the new one from now on; nodes open both"),
         next);
}

void finish(const Common& common, const Rekey& rekey) {
    if (fs::exists(rekey.next_open))
        throw failure(Fault::usage, "the new key has not taken over: aloft admin enclave rekey {} --switch",
                      rekey.enclave);
    const std::string id = core::id_of(core::SealingKey::load(rekey.open));
    if (const auto former = sealed_otherwise(rekey, id, true); !former.empty())
        throw failure(Fault::refused,
                      "these datasets' keys are still sealed to the old key: {}. The intake account seals "
                      "them anew: aloft admin key-seal",
                      printable(json(former)));
    const auto keys = keys_of_nodes(common, rekey);
    // A node that has not made the step would be left out of jobs by those that end it.
    if (const json before = nodes_unlike(keys, [&](const std::string& ids) { return ids.starts_with(id); });
        !before.empty())
        throw failure(Fault::refused,
                      "these nodes have not reported that the new key took over: {}. On each: aloft-node "
                      "rotate {} --switch; aloft-node preflight --report",
                      printable(before), rekey.enclave);
    const json keeping = nodes_unlike(keys, [&](const std::string& ids) { return ids == id; });
    if (keeping.empty())
        return tell(common, rekey, message("no node has another one"),
                    message("destroy every other copy of the old private half"));
    const core::Message next = message(
        "on each node, when its mirror has the seals (some seconds): aloft-node rotate {} --finish, and "
        "aloft-node preflight --report; then here again, to see that none was forgotten: {}",
        rekey.enclave, printable(keeping));
    if (common.dry_run) return tell(common, rekey, message("nothing is sealed to the old one"), next);
    // The nodes have it. Where a private half lies here, too (this host is one of them), it takes its place; else none is left.
    if (const fs::path secret = core::next_enclave_key(rekey.keys, rekey.enclave); fs::exists(secret)) {
        if (fs::exists(core::enclave_key(rekey.keys, rekey.enclave)))
            core::switch_enclave_key(rekey.keys, rekey.enclave);
        else
            fs::remove(secret);
        core::sync_directory(rekey.keys);
    }
    tell(common, rekey, message("nothing is sealed to the old one any more"), next);
}

}  // namespace

void add_rekey(CLI::App& enclave, Common& common) {
    static std::string name;
    static bool is_switch = false, is_finish = false;
    CLI::App* verb = add_verb(
        enclave, common, "rekey",
        "Let another key take over while jobs run: make it; --switch, when all its nodes "
        "have it; --finish, when every dataset's key is sealed to it",
        "aloft admin enclave rekey hel", Changes::something, [&common] {
            const Rekey rekey(common, name);
            is_switch ? switch_over(common, rekey) : is_finish ? finish(common, rekey) : begin(common, rekey);
        });
    verb->add_option("enclave", name, "Its name")->required();
    auto* second =
        verb->add_flag("--switch", is_switch, "Keys of datasets are sealed to the new one from now on");
    verb->add_flag("--finish", is_finish, "Make sure that the old one is needed no more")->excludes(second);
}

}  // namespace jobs
