// Enclave policies as they leave the login host: signed, and named by the signed list.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/policy/enclave.h"
#include "core/policy/names.h"

namespace core {
namespace {

constexpr std::string_view kEnclaveType = "application/vnd.aloft.enclave+json";
constexpr std::uint64_t kLimitBytes = 4 << 20;

Enclave open_listed(const Site& site, const std::string& name, const SignedList::Policy& policy,
                    const std::vector<VerifyKey>& keys) {
    check_plain_name(name, "enclave");
    const std::string envelope = read_text(site.mirror / "enclaves" / (name + ".json"), kLimitBytes);
    if (to_hex(sha256(view(envelope))) != policy.sha256)
        throw Error(Fault::refused,
                    "the policy of enclave " + name + " on this host is not the one that counts");
    return open_enclave(envelope, name, keys);
}

[[noreturn]] void refuse_unusable(const UnusableEnclave& one) {
    throw Error(Fault::refused, "the policy of enclave " + one.name + " cannot be used on this host (" +
                                    one.why + "). Tell the admin: see what aloft-mirror says here");
}

}  // namespace

std::string sign_enclave(std::string_view toml, const std::map<std::string, std::uint32_t>& uids,
                         const SigningKey& key) {
    const nlohmann::ordered_json payload = {{"accounts", uids}, {"toml", toml}};
    return dsse_sign(key, kEnclaveType, payload.dump());
}

Enclave open_enclave(std::string_view envelope, std::string_view name, const std::vector<VerifyKey>& keys) {
    const std::string what = "the policy of enclave " + std::string(name);
    const std::string payload = dsse_open(envelope, kEnclaveType, keys, what);
    try {
        const auto json = nlohmann::json::parse(payload);
        Enclave enclave = parse_enclave(json.at("toml").get<std::string>(), std::string(name) + ".toml");
        enclave.uids = json.at("accounts").get<std::map<std::string, std::uint32_t>>();
        for (const std::string& account : enclave.accounts)
            if (!enclave.uids.contains(account))
                throw Error(Fault::refused, what + " was signed without the number of an account");
        return enclave;
    } catch (const nlohmann::json::exception&) {
        throw Error(Fault::refused, what + " is signed but not of this version");
    }
}

std::vector<Enclave> load_enclaves(const Site& site, std::vector<UnusableEnclave>* unusable) {
    const SignedList list = read_list(site);
    const std::vector<VerifyKey> keys = publishing_keys(site);
    std::vector<Enclave> enclaves;
    for (const auto& [name, policy] : list.policies) try {
            enclaves.push_back(open_listed(site, name, policy, keys));
        } catch (const std::exception& e) {
            if (unusable) unusable->push_back({name, e.what(), policy.partition, policy.uids});
        }
    return enclaves;
}

std::optional<Enclave> enclave_of_account(const Site& site, std::string_view account) {
    try {
        for (Enclave& enclave : load_enclaves(site))
            if (enclave.has_account(account)) return std::move(enclave);
    } catch (const Error&) {
    }
    return std::nullopt;
}

Enclaves Enclaves::load(const Site& site) {
    Enclaves enclaves;
    enclaves.usable = load_enclaves(site, &enclaves.unusable);
    return enclaves;
}

const Enclave* Enclaves::of_user(std::string_view account, std::uint32_t uid) const {
    for (const Enclave& enclave : usable) {
        const auto found = enclave.uids.find(std::string(account));
        if (found != enclave.uids.end() && found->second == uid) return &enclave;
        const bool has_number = std::any_of(enclave.uids.begin(), enclave.uids.end(),
                                            [&](const auto& one) { return one.second == uid; });
        if (has_number || enclave.has_account(account))
            throw Error(Fault::refused, "account " + std::string(account) +
                                            " has not the number on this host that "
                                            "enclave " +
                                            enclave.name + " was signed with. Tell the admin");
    }
    for (const UnusableEnclave& one : unusable)
        if (std::find(one.uids.begin(), one.uids.end(), uid) != one.uids.end()) refuse_unusable(one);
    return nullptr;
}

const Enclave* Enclaves::of_partition(std::string_view partition) const {
    for (const Enclave& enclave : usable)
        if (enclave.partition == partition) return &enclave;
    for (const UnusableEnclave& one : unusable)
        if (one.partition == partition) refuse_unusable(one);
    return nullptr;
}

std::optional<Enclave> enclave_of_user(const Site& site, std::string_view account, std::uint32_t uid) {
    const Enclaves enclaves = Enclaves::load(site);
    const Enclave* const found = enclaves.of_user(account, uid);
    return found ? std::optional(*found) : std::nullopt;
}

}  // namespace core
