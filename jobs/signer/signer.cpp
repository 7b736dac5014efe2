#include "jobs/signer/signer.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "core/base/accounts.h"
#include "core/base/error.h"
#include "core/base/event.h"
#include "core/base/files.h"
#include "core/base/time.h"
#include "core/ledger/loss.h"
#include "core/policy/names.h"

namespace jobs {
namespace {

namespace fs = std::filesystem;
using core::Error;
using core::Fault;

constexpr std::uint64_t kLimitBytes = 64 << 20;
constexpr std::int64_t kSilenceSeconds = 10;
constexpr std::int64_t kLookSeconds = 2;  // at policies, and at files that somebody else changed

std::string text_or_nothing(const fs::path& file) {
    try {
        return core::read_text(file, kLimitBytes);
    } catch (const Error&) {
        return {};
    }
}

// Writes only what is not there already: hosts copy what changed.
void publish_file(const fs::path& file, const std::string& text) {
    if (text_or_nothing(file) != text) core::write_atomically(file, text, 0644);
}

bool is_same(const core::SignedList& one, const core::SignedList& other) {
    const auto same = [](const core::SignedList::Policy& a, const core::SignedList::Policy& b) {
        return a.sha256 == b.sha256 && a.partition == b.partition && a.uids == b.uids;
    };
    return one.grants == other.grants && one.open_enclaves == other.open_enclaves && one.seq == other.seq &&
           std::equal(
               one.policies.begin(), one.policies.end(), other.policies.begin(), other.policies.end(),
               [&](const auto& a, const auto& b) { return a.first == b.first && same(a.second, b.second); });
}

}  // namespace

Facts parse_facts(std::string_view text) {
    Facts facts;
    try {
        const auto json = nlohmann::json::parse(text);
        facts.seq = json.at("seq").get<std::uint64_t>();
        facts.sha256 = json.at("sha256").get<std::string>();
        facts.enclaves = json.at("enclaves").get<std::map<std::string, std::string>>();
        facts.losses = json.at("losses").get<decltype(facts.losses)>();
        for (const auto& row : json.at("grants")) {
            core::Grant grant;
            grant.id = row.at("id").get<std::string>();
            grant.application = row.at("application").get<std::string>();
            grant.account = row.at("account").get<std::string>();
            grant.uid = row.at("uid").get<std::uint32_t>();
            grant.enclave = row.at("enclave").get<std::string>();
            grant.datasets = row.at("datasets").get<std::vector<std::string>>();
            grant.purpose = row.at("purpose").get<std::vector<std::string>>();
            grant.not_before = core::parse_rfc3339(row.at("not_before").get<std::string>());
            grant.not_after = core::parse_rfc3339(row.at("not_after").get<std::string>());
            for (const auto& [key, hours] :
                 {std::pair{"node_hours", &grant.node_hours}, {"gpu_hours", &grant.gpu_hours}})
                if (const auto found = row.find(key); found != row.end() && !found->is_null())
                    *hours = found->get<std::int64_t>();
            core::check_plain_name(grant.id, "grant");
            facts.grants.push_back(std::move(grant));
        }
    } catch (const nlohmann::json::exception&) {
        throw Error(Fault::data, "the facts are not of this version; start aloftd again");
    }
    return facts;
}

core::Budgets parse_budget_facts(std::string_view text) {
    core::Budgets budgets;
    try {
        const auto used = [](const nlohmann::json& row) {
            return core::Used{row.at("node_seconds").get<std::int64_t>(),
                              row.at("gpu_seconds").get<std::int64_t>()};
        };
        const auto json = nlohmann::json::parse(text);
        budgets.complete = core::parse_rfc3339(json.at("complete").get<std::string>());
        for (const auto& row : json.at("grants")) {
            auto& of = budgets.grants[row.at("grant").get<std::string>()];
            of.used = used(row);
            for (const auto& job : row.at("running"))
                of.running[job.at("job").get<std::uint32_t>()] = used(job);
        }
    } catch (const nlohmann::json::exception&) {
        throw Error(Fault::data, "the facts of budgets are not of this version; start aloftd again");
    }
    return budgets;
}

Signer::Signer(const core::Site& site)
    : site_(site), key_(core::SigningKey::load(site.state / "keys" / "grant.key")) {
    for (const char* folder : {"grants", "enclaves"}) core::make_directories(site_.published / folder, 0755);
}

void Signer::make_round(std::int64_t now) {
    sign_list(now);
    // What is wrong with budgets keeps no revocation from any host: jobs under them are refused when what hosts have is old.
    std::string trouble;
    try {
        publish_budgets(now);
    } catch (const std::exception& e) {
        trouble = e.what();
    }
    if (trouble != budgets_trouble_ && !trouble.empty())
        core::Event("error", "budgets_not_published").with("text", trouble);
    budgets_trouble_ = trouble;
}

void Signer::sign_list(std::int64_t now) {
    if (is_first_) {
        // What another key signed before, or nobody, says nothing.
        if (const std::string before = text_or_nothing(site_.published / "list.json"); !before.empty()) try {
                published_ = core::parse_list(before, core::publishing_keys(site_));
            } catch (const Error& e) {
                core::Event("warning", "published_list_not_ours").with("text", e.what());
            }
        published_.issued = 0;
        is_first_ = false;
    }
    const std::string text = core::read_text(site_.state / "facts.json", kLimitBytes);
    const std::int64_t due =
        published_.issued + std::max<std::int64_t>(site_.revocation_stale_seconds / 4, 1);
    if (text == facts_ && now >= looked_at_ && now < std::min(looked_at_ + kLookSeconds, due)) return;
    const Facts facts = parse_facts(text);
    check_ledger(facts);
    publish_grants(facts);
    core::SignedList list = wanted_list(facts);
    publish_policies(facts, list, now);
    facts_ = text;
    looked_at_ = now;
    if (is_same(list, published_) && now < due && now >= published_.issued) return;
    list.issued = now;
    list.expires = now + site_.revocation_stale_seconds;
    core::write_atomically(site_.published / "list.json", core::sign_list(list, key_), 0644);
    std::set<std::string> grants, policies;
    for (const auto& [uid, ids] : list.grants)
        for (const std::string& id : ids) grants.insert(id + ".json");
    for (const auto& [name, policy] : list.policies) policies.insert(name + ".json");
    published_ = std::move(list);
    remove_others("grants", grants);
    remove_others("enclaves", policies);
}

void Signer::check_ledger(const Facts& facts) const {
    if (facts.seq >= published_.seq &&
        (published_.seq == 0 ||
         core::digest_of(site_.state / "ledger.jsonl", published_.seq) == published_.sha256))
        return;
    for (const auto& [first, last] : facts.losses)
        if (published_.seq >= first && published_.seq <= last && facts.seq > last) return;
    throw Error(
        Fault::refused,
        "the ledger does not hold record " + std::to_string(published_.seq) +
            " as it was published already: an old copy was put back, which would make revoked grants valid. "
            "Nothing is signed. See core/ledger/README.md, \"A ledger that is too old\"");
}

core::SignedList Signer::wanted_list(const Facts& facts) {
    core::SignedList list;
    list.seq = facts.seq;
    list.sha256 = facts.sha256;
    for (const core::Grant& grant : facts.grants) list.grants[grant.uid].push_back(grant.id);
    for (const auto& [name, state] : facts.enclaves)
        if (state == "open") list.open_enclaves.push_back(name);
    return list;
}

void Signer::publish_grants(const Facts& facts) {
    for (const core::Grant& grant : facts.grants)
        publish_file(site_.published / "grants" / (grant.id + ".json"), core::sign_grant(grant, key_));
}

// Beside the list: one that changed with each job would tell everybody when jobs begin and end. Nothing is signed anew that aloftd has
// not said anew: hosts judge how old it is by when aloftd knew all.
void Signer::publish_budgets(std::int64_t now) {
    const std::string text = text_or_nothing(site_.state / "budgets.json");
    if (text.empty() || text == budgets_) return;
    core::Budgets budgets = parse_budget_facts(text);
    budgets.issued = now;
    const fs::path file = site_.published / core::kBudgetsFile;
    core::make_budgets_folder(site_.published);
    core::write_atomically(file, core::sign_budgets(budgets, key_), 0600);
    budgets_ = text;
}

// Of all accounts at once. A name service that hangs keeps revocations from no host: it is left alone for a while, and
// the numbers that were heard before count on.
void Signer::ask_for_numbers(const std::vector<std::string>& accounts, std::int64_t now) {
    if (!no_answer_.empty() && now < asked_ + kSilenceSeconds && now >= asked_) return;
    asked_ = now;
    try {
        std::map<std::string, std::uint32_t> heard;
        for (const core::Account& one : core::accounts_of(accounts)) heard[one.name] = one.uid;
        numbers_ = std::move(heard);
        no_answer_.clear();
    } catch (const Error& e) {
        if (no_answer_.empty()) core::Event("warning", "name_service_silent").with("text", e.what());
        no_answer_ = e.what();
    }
}

std::map<std::string, std::uint32_t> Signer::uids_of(const core::Enclave& enclave) const {
    std::map<std::string, std::uint32_t> uids;
    for (const std::string& account : enclave.accounts) {
        const auto found = numbers_.find(account);
        if (found == numbers_.end())
            throw Error(Fault::usage, "enclave " + enclave.name + ": account " + account +
                                          (no_answer_.empty() ? " does not exist on this host; make it first"
                                                              : ": " + no_answer_));
        uids[account] = found->second;
    }
    return uids;
}

// A policy as it was published, also where that file is damaged or gone: what the list says of it.
core::Enclave Signer::in_force(const std::string& name, const core::SignedList::Policy& policy) const {
    const std::string envelope = text_or_nothing(site_.published / "enclaves" / (name + ".json"));
    if (core::to_hex(core::sha256(core::view(envelope))) == policy.sha256) try {
            return core::open_enclave(envelope, name, core::publishing_keys(site_));
        } catch (const Error&) {
        }
    core::Enclave enclave;
    enclave.name = name;
    enclave.partition = policy.partition;
    for (const std::uint32_t uid : policy.uids) enclave.uids["uid:" + std::to_string(uid)] = uid;
    return enclave;
}

// One that shares an account, a number or a partition with a policy that is kept, or with another one: of two, the one that
// asks for what it does not have yet.
std::optional<std::pair<std::string, Error>> Signer::first_not_apart(const Policies& wanted,
                                                                     const Policies& kept) const {
    // Who has all that it asks for already goes before who asks for more, and who is new comes last.
    const auto turn_of = [&](const std::string& name, const core::Enclave& enclave) {
        const auto before = published_.policies.find(name);
        if (before == published_.policies.end()) return 2;
        const auto& had = before->second.uids;
        return enclave.partition == before->second.partition &&
                       std::all_of(enclave.uids.begin(), enclave.uids.end(),
                                   [&](const auto& one) {
                                       return std::find(had.begin(), had.end(), one.second) != had.end();
                                   })
                   ? 0
                   : 1;
    };
    std::vector<const core::Enclave*> sound;
    for (const int turn : {0, 1, 2})
        for (const auto& [name, enclave] : wanted) {
            if (turn_of(name, enclave) != turn) continue;
            try {
                core::check_apart({enclave});
                for (const core::Enclave* other : sound) core::check_apart({*other, enclave});
            } catch (const Error& e) {
                return std::pair{name, e};
            }
            for (const auto& [other, policy] : kept) try {
                    core::check_apart({policy, enclave});
                } catch (const Error& e) {
                    return std::pair{name, Error(e.fault(), e.what() + (": " + other) +
                                                                ", whose policy of before is in force")};
                }
            sound.push_back(&enclave);
        }
    return std::nullopt;
}

// A policy that is not sound, or gone while its enclave is not closed, leaves the one that was published in
// force: an enclave does not stop being one because a file was half written. What that one has is nobody else's.
void Signer::publish_policies(const Facts& facts, core::SignedList& list, std::int64_t now) {
    std::set<std::string> names;
    std::error_code error;
    for (fs::directory_iterator entry(site_.config / "enclaves", error), end; !error && entry != end;
         entry.increment(error))
        if (const fs::path& file = entry->path();
            file.extension() == ".toml" && core::is_plain_name(file.stem().string()))
            names.insert(file.stem().string());
    for (const auto& [name, policy] : published_.policies) names.insert(name);
    std::vector<std::string> accounts;
    for (const std::string& name : names) try {
            const core::Enclave enclave = core::load_enclave(site_, name);
            accounts.insert(accounts.end(), enclave.accounts.begin(), enclave.accounts.end());
        } catch (const Error&) {  // told below
        }
    ask_for_numbers(accounts, now);
    Policies wanted, kept;
    std::map<std::string, std::string> wrong;
    const auto keep = [&](const std::string& name, const Error& why) {
        wrong[name] = why.what();
        if (const auto before = published_.policies.find(name); before != published_.policies.end())
            kept[name] = in_force(name, before->second);
    };
    for (const std::string& name : names) {
        const auto state = facts.enclaves.find(name);
        if (state != facts.enclaves.end() && state->second == "closed") continue;
        try {
            core::Enclave enclave = core::load_enclave(site_, name);
            enclave.uids = uids_of(enclave);
            wanted[name] = std::move(enclave);
        } catch (const Error& e) {
            keep(name, e);
        }
    }
    // One that is kept may be in the way of others that were well before it.
    const auto set_apart = [&] {
        while (const auto stray = first_not_apart(wanted, kept)) {
            wanted.erase(stray->first);
            list.policies.erase(stray->first);
            keep(stray->first, stray->second);
        }
    };
    set_apart();
    for (auto at = wanted.begin(); at != wanted.end();) {
        const auto& [name, enclave] = *at;
        try {
            const std::string envelope = core::sign_enclave(enclave.source, enclave.uids, key_);
            publish_file(site_.published / "enclaves" / (name + ".json"), envelope);
            auto& policy = list.policies[name];
            policy = {core::to_hex(core::sha256(core::view(envelope))), enclave.partition, {}};
            for (const auto& [account, uid] : enclave.uids) policy.uids.push_back(uid);
            ++at;
        } catch (const Error& e) {
            list.policies.erase(name);
            keep(name, e);
            at = wanted.erase(at);
        }
    }
    set_apart();  // who could not be written has what it had
    for (const auto& [name, enclave] : kept) list.policies[name] = published_.policies.at(name);
    std::erase_if(told_, [&](const auto& one) { return !wrong.contains(one.first); });  // mended, or gone
    for (const auto& [name, why] : wrong)
        if (std::exchange(told_[name], why) != why)
            core::Event("warning", "policy_not_published").with("enclave", name).with("text", why);
}

void Signer::remove_others(const std::string& folder, const std::set<std::string>& names) {
    std::error_code error;
    std::vector<fs::path> gone;
    for (fs::directory_iterator entry(site_.published / folder, error), end; !error && entry != end;
         entry.increment(error))
        if (!names.contains(entry->path().filename().string())) gone.push_back(entry->path());
    for (const fs::path& path : gone) fs::remove(path, error);
}

}  // namespace jobs
