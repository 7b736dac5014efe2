// aloft admin enclave: policies are root's files on this host, copied to all others; what happens to an
// enclave is on record with aloftd before a file changes.
#include <algorithm>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/message.h"
#include "core/base/time.h"
#include "core/base/width.h"
#include "core/keys/keys.h"
#include "core/policy/enclave.h"
#include "core/policy/names.h"
#include "jobs/cli/commands.h"
#include "jobs/cli/enclave_members.h"
#include "jobs/cli/heard.h"
#include "jobs/wire/channel.h"
#include "jobs/wire/preflight.h"

namespace jobs {

using core::Error;
using core::failure;
using core::Fault;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

constexpr int kOpenSeconds = 180;

struct Files {
    fs::path policy, public_key, private_key;
    Files(const core::Site& site, const std::string& name, const fs::path& secret = {})
        : policy(site.config / "enclaves" / (name + ".toml")),
          public_key(site.config / "keys" / (name + ".enclave.pub")),
          private_key(secret.empty() ? site.config / "keys" / (name + ".enclave.key") : secret) {}
};

std::string hash_of(const std::string& text) {
    return core::to_hex(core::sha256(core::view(text)));
}

// The policy as it will be read, beside the others. Throws Error(usage) if either is not sound.
void check_policy(const core::Site& site, const core::Enclave& enclave, const fs::path& file) {
    std::vector<core::Enclave> all = core::load_enclave_sources(site);
    std::erase_if(all, [&](const core::Enclave& one) { return one.name == enclave.name; });
    all.push_back(core::parse_enclave(core::to_toml(enclave), file));
    core::check_apart(all);
}

// Asks aloftd, then writes: an enclave never changes without a record. A file that cannot be written shows
// before anybody is asked; `before_it_appears` runs between the two.
json record_and_write(
    const core::Site& site, json request, const fs::path& policy, const std::string& text,
    const std::function<void()>& before_it_appears = [] {}) {
    core::make_directories(policy.parent_path(), 0755);
    core::AtomicFile file(policy, 0644);
    file.write(core::view(text));
    request["policy_sha256"] = hash_of(text);
    json answer = ask(site.socket, request).body;
    before_it_appears();
    file.commit();
    return answer;
}

void tell_policy(const Common& common, const fs::path& policy, const std::string& text, bool changes,
                 const std::vector<std::string>& withdrawn) {
    std::string words = "# " + policy.string() + (changes ? "" : " " + tr("(as it is)")) + "\n" + text;
    for (const std::string& dataset : withdrawn)
        words += "# " + tr("the sealed key of {} would be withdrawn", dataset) + "\n";
    words.pop_back();
    print(common,
          {{"policy", policy.string()}, {"text", text}, {"changed", changes}, {"withdrawn_keys", withdrawn}},
          words);
}

void make_keys(const Files& files) {
    core::make_directories(files.public_key.parent_path(), 0755);
    if (fs::exists(files.public_key)) return;  // the private half may be on the nodes only by now
    if (!fs::exists(files.private_key)) core::OpeningKey::generate().save(files.private_key);
    core::OpeningKey::load(files.private_key).sealing_key().save(files.public_key);
}

void create(const Common& common, core::Enclave enclave, const fs::path& private_key) {
    const core::Site site = common.site();
    core::check_plain_name(enclave.name, "enclave");
    for (const char* taken : {"node", "relay", "grant", "ledger", "steward", "backup"})
        if (enclave.name == taken)
            throw failure(Fault::usage,
                          "{}: is the name of another key of the site; give the enclave another one", taken);
    if (enclave.partition.empty()) enclave.partition = enclave.name;
    const Files files(site, enclave.name, private_key);
    const std::string text = core::to_toml(enclave);
    const bool exists = fs::exists(files.policy);
    if (exists && core::to_toml(core::load_enclave(files.policy)) != text)
        throw failure(
            Fault::usage,
            "{}: exists already and says something else. Change it: aloft admin enclave add|remove {}",
            files.policy.string(), enclave.name);
    check_policy(site, enclave, files.policy);
    if (common.dry_run) return tell_policy(common, files.policy, text, !exists, {});
    json request = {{"op", "enclave.create"}, {"id", enclave.name}}, answer;
    if (exists) {  // as it is, byte by byte: the first time may have been interrupted
        request["policy_sha256"] = policy_sha256(site, enclave.name);
        answer = ask(site.socket, request).body;
        make_keys(files);
    } else {
        answer = record_and_write(site, request, files.policy, text, [&] { make_keys(files); });
    }
    answer.update({{"policy", files.policy.string()},
                   {"public_key", files.public_key.string()},
                   {"private_key", files.private_key.string()}});
    print(common, answer,
          tr("enclave {} is {}: {}, {} (for all hosts), {} (for its nodes only)\nNext: copy them; on each "
             "node as root: aloft-node preflight --report; then: aloft admin enclave open {}",
             enclave.name, answer.at("state").get<std::string>(), files.policy.string(),
             files.public_key.string(), files.private_key.string(), enclave.name));
}

template <class T>
bool contains(const std::vector<T>& list, const T& word) {
    return std::find(list.begin(), list.end(), word) != list.end();
}
// What of `words` is new to the list, or in it, is left in `words`; the list changes by it.
template <class T>
void put(std::vector<T>& list, std::vector<T>& words) {
    std::erase_if(words, [&](const T& word) { return contains(list, word); });
    for (const T& word : words)
        if (!contains(list, word)) list.push_back(word);
}
template <class T>
void take(std::vector<T>& list, std::vector<T>& words) {
    std::erase_if(words, [&](const T& word) { return !contains(list, word); });
    std::erase_if(list, [&](const T& word) { return contains(words, word); });
}

std::string sentence(const core::Enclave& enclave, const Members& members, Way way, const json& answer,
                     const fs::path& policy, bool policy_changes) {
    std::string out;
    const auto add = [&](const std::string& line) { out += line + "\n"; };
    const auto line = [&](const char* what, const json& list) {
        for (const json& word : list)
            add(way == Way::in
                    ? tr("{} {} is in enclave {}", head_of(what), printable(word), enclave.name)
                    : tr("{} {} is out of enclave {}", head_of(what), printable(word), enclave.name));
    };
    const json moved = members.to_json();
    line("account", moved.at("accounts"));
    line("node", moved.at("nodes"));
    line("software", moved.at("software"));
    line("image", moved.at("images"));
    for (const json& dataset : answer.at("withdrawn_keys"))
        add(tr("the key of {} is withdrawn: no new job can open it, and those that hold it are ended",
               printable(dataset)));
    for (const json& grant : answer.at("revoked_grants"))
        add(tr("grant {} is revoked; its jobs are stopped", printable(grant)));
    if (policy_changes) {
        out += tr("Next: copy {} to every host; running jobs follow within seconds of it", policy);
        if (!members.nodes.empty()) out += tr("; change Nodes of partition {} too", enclave.partition);
    }
    if (out.empty()) out = tr("nothing to change: it is so already");
    return out;
}

void change(const Common& common, const std::string& name, Members members, Way way) {
    if (members.is_empty())
        throw failure(Fault::usage, "name at least one --account, --node, --software, --image or --dataset");
    if (way == Way::in && !members.datasets.empty())
        throw failure(Fault::usage,
                      "a dataset comes into an enclave by its key, which only the intake account has: aloft "
                      "admin key-seal {} --enclave {} --key FILE",
                      members.datasets.front(), name);
    const core::Site site = common.site();
    const Files files(site, name);
    core::Enclave enclave = core::load_enclave(site, name);
    const std::string before = core::to_toml(enclave);
    const auto move = [&](auto& list, auto& words) { way == Way::in ? put(list, words) : take(list, words); };
    move(enclave.accounts, members.accounts);
    move(enclave.nodes, members.nodes);
    move(enclave.software, members.software);
    move_images(enclave.images, members.images, way);
    check_policy(site, enclave, files.policy);
    const std::string text = core::to_toml(enclave);
    const json request = {
        {"op", "enclave.change"}, {"id", name}, {way == Way::in ? "add" : "remove", members.to_json()}};
    if (common.dry_run) return tell_policy(common, files.policy, text, text != before, members.datasets);
    json answer;
    if (text != before) {
        answer = record_and_write(site, request, files.policy, text);
    } else if (!members.datasets.empty()) {
        json withdraw = request;
        withdraw["policy_sha256"] = policy_sha256(site, name);
        answer = ask(site.socket, withdraw).body;
    } else {
        answer = {{"enclave", name},
                  {"changed", false},
                  {"withdrawn_keys", json::array()},
                  {"revoked_grants", json::array()}};
    }
    print(common, answer, sentence(enclave, members, way, answer, files.policy, text != before));
}

void open(const Common& common, const std::string& name, const std::string& reason) {
    const json request = {
        {"op", "enclave.open"}, {"id", name}, {"reason", reason}, {"dry_run", common.dry_run}};
    // aloftd asks Slurm itself, which may take a while where its controller is slow.
    json answer = ask(common.site().socket, request, {}, kOpenSeconds).body;
    if (!answer.contains("misses")) {
        if (common.dry_run) return print(common, answer, tr("enclave {} would be open", name));
        const std::string remark = heard_here(common.site(), answer, [&name](const core::SignedList& list) {
            return std::ranges::find(list.open_enclaves, name) != list.open_enclaves.end();
        });
        return print(common, answer, tr("enclave {} is open", name) + remark);
    }
    const std::size_t misses = answer.at("misses").size();
    for (json& miss : answer["misses"]) miss["enclave"] = name;
    if (common.json)
        print(common, answer, "");
    else
        print_checks(common, answer.at("misses"), kEnclaveChecks);
    throw failure(Fault::refused,
                  "enclave {} does not open: {} required checks fail. All checks: aloft admin preflight {}",
                  name, misses, name);
}

void end(const Common& common, const std::string& operation, const std::string& name,
         const std::string& reason) {
    const json request = {{"op", operation}, {"id", name}, {"reason", reason}};
    if (only_tells(common, request)) return;
    const json answer = ask(common.site().socket, request).body;
    const std::string state = answer.at("state").get<std::string>(),
                      within = answer.value("effective_within_seconds", json()).dump();
    print(common, answer,
          answer.at("changed") != true ? tr("enclave {} is {} already", name, state)
          : state == "closed" ? tr("enclave {} is {}: nothing is submitted or started from now on; running "
                                   "jobs are stopped within {} s; its sealed keys are withdrawn",
                                   name, state, within)
                              : tr("enclave {} is {}: nothing is submitted or started from now on; running "
                                   "jobs are stopped within {} s",
                                   name, state, within));
}

json policy_json(const core::Enclave& enclave) {
    json software = json::array(), images = json::array();
    for (const fs::path& tree : enclave.software) software.push_back(tree.string());
    for (const core::Image& image : enclave.images)
        images.push_back({{"name", image.name}, {"file", image.file.string()}, {"sha256", image.sha256}});
    return {{"enclave", enclave.name},
            {"partition", enclave.partition},
            {"accounts", enclave.accounts},
            {"nodes", enclave.nodes},
            {"software", software},
            {"images", images},
            {"max_minutes", enclave.max_minutes},
            {"infiniband_pkey", enclave.infiniband_pkey ? json(enclave.infiniband_pkey) : json()}};
}

// Nodes of which a required check is bad now, by what they reported.
json unfit_nodes(const core::Site& site, const core::Enclave& enclave, const Listing& known) {
    json nodes = json::array();
    for (const Check& check :
         checks_of_nodes(enclave, policy_sha256(site, enclave.name), reports_of(known.rows),
                         known.rest.at("version").get<std::string>(), core::now_seconds()))
        if (check.is_miss() && (nodes.empty() || nodes.back() != check.host)) nodes.push_back(check.host);
    return nodes;
}

void list(const Common& common) {
    const core::Site site = common.site();
    std::optional<Listing> known;
    try {
        known = list_of(common, "preflight.reports");
    } catch (const Error& e) {  // for admins and auditors
        if (e.fault() != Fault::refused) throw;
    }
    json rows = json::array();
    for (const core::Enclave& enclave : core::load_enclave_sources(site)) {
        rows.push_back(policy_json(enclave));
        if (known) rows.back()["unfit"] = unfit_nodes(site, enclave, *known);
    }
    const Listing listing = list_of(common, "enclave.list");
    for (const json& its : listing.rows) {
        const auto row = std::find_if(rows.begin(), rows.end(), [&](const json& one) {
            return one.at("enclave") == its.at("enclave");
        });
        if (row == rows.end())
            rows.push_back(its);  // closed, and its policy is gone
        else
            row->update(its);
    }
    print_rows(common, "enclaves", rows,
               {"enclave", "state", "since", "partition", "accounts", "nodes", "unfit", "max_minutes"});
}

void show(const Common& common, const std::string& name) {
    const core::Site site = common.site();
    core::check_plain_name(name, "enclave");
    json answer = ask(site.socket, {{"op", "enclave.show"}, {"id", name}}).body;
    if (fs::exists(Files(site, name).policy)) {
        answer.update(policy_json(core::load_enclave(site, name)));
        answer["policy_sha256"] = policy_sha256(site, name);
    }
    std::string out;
    for (const char* key :
         {"enclave", "state", "since", "by", "reason", "partition", "accounts", "nodes", "software", "images",
          "datasets", "max_minutes", "infiniband_pkey", "policy_sha256"})
        if (answer.contains(key)) {
            const std::string head = head_of(key);
            const std::size_t width = core::width_of(head);
            out += head + std::string(width < 16 ? 17 - width : 1, ' ') + printable(answer.at(key)) + "\n";
        }
    out.pop_back();
    print(common, answer, out);
}

}  // namespace

void add_enclave(CLI::App& admin, Common& common) {
    CLI::App* enclave = admin.add_subcommand("enclave", "Enclaves of this site");
    enclave->require_subcommand(1);
    static core::Enclave made;
    static fs::path private_key;
    static std::string name, reason, why_open = "preflight passed";
    static Members members;
    CLI::App* verb = add_verb(
        *enclave, common, "create", "Write an enclave's policy and make its key pair; it is not open yet",
        "aloft admin enclave create hel --account e-alice --node n1 --node n2 --software /opt/aloft",
        Changes::something, [&common] { create(common, made, private_key); });
    verb->add_option("name", made.name, "Its name")->required();
    verb->add_option("--partition", made.partition,
                     "Slurm partition that is this enclave (default: its name)");
    verb->add_option("--account", made.accounts,
                     "POSIX account of a researcher, for this enclave only (repeat)")
        ->required();
    verb->add_option("--node", made.nodes, "Compute node (repeat)")->required();
    verb->add_option("--software", made.software,
                     "Read-only tree that jobs see beside the system's (repeat)");
    made.max_minutes = 24 * 60;
    verb->add_option("--max-minutes", made.max_minutes, "Longest job")->capture_default_str();
    verb->add_option(
        "--infiniband-pkey", made.infiniband_pkey,
        "The enclave's own InfiniBand partition, such as 0x0012 (default: devices are withheld)");
    verb->add_option("--private-key", private_key,
                     "Where the private half goes (default: beside the public one)")
        ->type_name("FILE");
    const auto named = [](CLI::App* one) { one->add_option("enclave", name, "Its name")->required(); };
    verb = add_verb(*enclave, common, "open",
                    "Let jobs run in it, if every node's report and Slurm's settings pass (exit 5 if not)",
                    "aloft admin enclave open hel", Changes::something,
                    [&common] { open(common, name, why_open); });
    named(verb);
    verb->add_option("--reason", why_open, "Why, for the record")->capture_default_str();
    for (const auto& [word, operation, text] :
         {std::tuple{"suspend", "enclave.suspend",
                     core::marked("Stop its jobs and take no more until it is opened again")},
          std::tuple{"close", "enclave.close",
                     core::marked("End a suspended enclave for good; its sealed keys are withdrawn")}}) {
        verb = add_verb(*enclave, common, word, std::string(text),
                        "aloft admin enclave " + std::string(word) + " hel --reason \"contract ended\"",
                        Changes::something,
                        [&common, operation = operation] { end(common, operation, name, reason); });
        named(verb);
        verb->add_option("--reason", reason, "Why, for the record")->required();
    }
    verb = add_verb(*enclave, common, "add", "Put accounts, nodes, software or images into it",
                    "aloft admin enclave add hel --account e-carol --node n3", Changes::something,
                    [&common] { change(common, name, members, Way::in); });
    named(verb);
    add_members(verb, members);
    verb = add_verb(*enclave, common, "remove",
                    "Take accounts (their grants are revoked), nodes, software, images or datasets out of it",
                    "aloft admin enclave remove hel --account e-bob --dataset digits@1", Changes::something,
                    [&common] { change(common, name, members, Way::out); });
    named(verb);
    add_members(verb, members);
    add_rekey(*enclave, common);
    add_verb(*enclave, common, "list", "Enclaves, their states and who is in them",
             "aloft admin enclave list", Changes::nothing, [&common] { list(common); });
    verb = add_verb(*enclave, common, "show", "One enclave: state and why, policy, datasets",
                    "aloft admin enclave show hel", Changes::nothing, [&common] { show(common, name); });
    named(verb);
}

}  // namespace jobs
