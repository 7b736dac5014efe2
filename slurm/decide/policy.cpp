#include "slurm/decide/policy.h"

#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <linux/magic.h>
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/keys/enclave_keys.h"
#include "core/policy/grant.h"
#include "core/policy/names.h"
#include "slurm/decide/infiniband.h"

namespace slurm {
namespace {

using core::Error;
using core::Fault;

Policy deny(Policy policy, const std::string& reason) {
    policy.ruling = Ruling::deny;
    policy.reason = reason;
    return policy;
}

bool is_folder_of(const std::filesystem::path& path, std::uint32_t uid) {
    struct stat status {};
    return ::lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == uid;
}

std::filesystem::path dataset_path(const core::Site& site, const std::string& name) {
    const core::DatasetName parsed = core::parse_dataset_name(name);
    return site.datasets / parsed.dataset / parsed.version;
}

std::filesystem::path sealed_key(const core::Site& site, const std::string& enclave,
                                 const std::string& dataset) {
    return site.mirror / "keys" / enclave / (dataset + ".sealed");
}

constexpr std::array kRulings = {Ruling::unfenced, Ruling::enclave, Ruling::deny, Ruling::ended};

// A grant that was issued again for longer has another name; the job goes on under it.
core::Grant grant_of(const core::Site& site, const Job& job, std::int64_t now) {
    if (job.grant.empty() && !job.asked_grant.empty())
        return core::open_grant(site, job.uid, now, {job.asked_grant, {}});
    try {
        return core::open_grant(site, job.uid, now, {job.grant, {}});
    } catch (const core::CannotTell&) {
        throw;
    } catch (const Error&) {
        if (job.grant.empty()) throw;
        try {
            return core::open_grant(site, job.uid, now, {{}, job.datasets});
        } catch (const Error&) {  // the first says why
        }
        throw;
    }
}

Ruling ruling_of(std::string_view name) {
    for (const Ruling one : kRulings)
        if (name_of(one) == name) return one;
    throw Error(Fault::data, "the job's policy has an unknown ruling");
}

}  // namespace

std::string_view name_of(Ruling ruling) {
    switch (ruling) {
        case Ruling::unfenced:
            return "open";  // as jobs have it that began before an upgrade
        case Ruling::enclave:
            return "enclave";
        case Ruling::ended:
            return "ended";
        case Ruling::deny:
            break;
    }
    return "deny";
}

Job job_of(const Policy& policy) {
    return {policy.job,   policy.uid,      policy.account, policy.partition,
            policy.nodes, policy.start,    policy.grant,   {},
            {},           policy.datasets, policy.gpus};
}

std::string to_json(const Policy& policy) {
    nlohmann::json peers = nlohmann::json::array(), software = peers, devices = peers, allowed = peers;
    for (const Peer& peer : policy.peers)
        peers.push_back({{"address", peer.address}, {"kind", peer.kind}, {"interfaces", peer.interfaces}});
    for (const core::Allowance& one : policy.allowed)
        allowed.push_back({{"network", one.network.text()},
                           {"is_tcp", one.is_tcp},
                           {"is_inbound", one.is_inbound},
                           {"port", one.port}});
    for (const auto& tree : policy.software) software.push_back(tree.string());
    nlohmann::json image;
    if (policy.image)
        image = {{"name", policy.image->name},
                 {"file", policy.image->file.string()},
                 {"sha256", policy.image->sha256}};
    for (const auto& device : policy.devices) devices.push_back(device.string());
    return nlohmann::json{{"ruling", name_of(policy.ruling)},
                          {"reason", policy.reason},
                          {"version", policy.version},
                          {"job", policy.job},
                          {"uid", policy.uid},
                          {"start", policy.start},
                          {"account", policy.account},
                          {"partition", policy.partition},
                          {"nodes", policy.nodes},
                          {"began", policy.began},
                          {"gpus", policy.gpus},
                          {"enclave", policy.enclave},
                          {"grant", policy.grant},
                          {"not_after", policy.not_after},
                          {"token", policy.token},
                          {"other_tokens", policy.other_tokens},
                          {"workspace", policy.workspace.string()},
                          {"datasets", policy.datasets},
                          {"software", software},
                          {"image", image},
                          {"devices", devices},
                          {"peers", peers},
                          {"allowed", allowed},
                          {"slurmd_port", policy.slurmd_port}}
        .dump(1);
}

Policy parse_policy(std::string_view text) {
    Policy policy;
    try {
        const auto json = nlohmann::json::parse(text);
        policy.ruling = ruling_of(json.at("ruling").get<std::string>());
        policy.reason = json.at("reason").get<std::string>();
        policy.version = json.at("version").get<std::string>();
        policy.partition = json.at("partition").get<std::string>();
        policy.nodes = json.at("nodes").get<std::vector<std::string>>();
        policy.began = json.at("began").get<std::int64_t>();
        policy.gpus = json.value("gpus", 0u);  // one of an earlier version names none
        policy.job = json.at("job").get<std::uint32_t>();
        policy.uid = json.at("uid").get<std::uint32_t>();
        policy.start = json.at("start").get<std::string>();
        policy.account = json.at("account").get<std::string>();
        policy.enclave = json.at("enclave").get<std::string>();
        policy.grant = json.at("grant").get<std::string>();
        policy.not_after = json.at("not_after").get<std::int64_t>();
        policy.token = json.at("token").get<std::string>();
        policy.other_tokens = json.value("other_tokens", std::vector<std::string>{});  // nor these
        policy.workspace = json.at("workspace").get<std::string>();
        policy.datasets = json.at("datasets").get<std::vector<std::string>>();
        for (const auto& tree : json.at("software")) policy.software.emplace_back(tree.get<std::string>());
        if (const auto one = json.value("image", nlohmann::json()); !one.is_null())  // nor this
            policy.image = {one.at("name").get<std::string>(), one.at("file").get<std::string>(),
                            one.at("sha256").get<std::string>()};
        for (const auto& device : json.at("devices")) policy.devices.emplace_back(device.get<std::string>());
        for (const auto& peer : json.at("peers"))
            policy.peers.push_back({peer.at("address").get<std::string>(), peer.at("kind").get<int>(),
                                    peer.at("interfaces").get<std::vector<std::uint32_t>>()});
        for (const auto& one : json.at("allowed"))
            policy.allowed.push_back({core::parse_network(one.at("network").get<std::string>()),
                                      one.at("is_tcp").get<bool>(), one.at("is_inbound").get<bool>(),
                                      one.at("port").get<std::uint16_t>()});
        policy.slurmd_port = json.at("slurmd_port").get<std::uint16_t>();
    } catch (const nlohmann::json::exception&) {
        throw Error(Fault::data, "the job's policy is damaged");
    }
    return policy;
}

JobFiles::JobFiles(const core::Site& site, std::uint32_t job)
    : folder(site.run / "jobs" / std::to_string(job)),
      policy(folder / "policy.json"),
      token(folder / "token"),
      grant(folder / "grant.json"),
      keys(folder / "keys") {}

bool is_pure_cgroup2() {
    struct statfs status {};
    return ::statfs("/sys/fs/cgroup", &status) == 0 && status.f_type == CGROUP2_SUPER_MAGIC;
}

std::filesystem::path cgroup_root() {
    return is_pure_cgroup2() ? "/sys/fs/cgroup" : "/sys/fs/cgroup/unified";
}

std::filesystem::path job_cgroup(std::uint32_t job) {
    return cgroup_root() / "aloft" / ("job_" + std::to_string(job));
}

std::filesystem::path part_cgroup(std::uint32_t job, Part part) {
    return job_cgroup(job) / (part == Part::batch ? "batch" : "step");
}

std::filesystem::path task_cgroup(std::uint32_t job, Part part) {
    return part_cgroup(job, part) / "tasks";
}

Policy decide(const core::Site& site, const Job& job, std::string_view host, std::int64_t now,
              core::Enclave* enclave) {
    Policy policy;
    policy.job = job.id;
    policy.uid = job.uid;
    policy.account = job.account;
    policy.partition = job.partition;
    policy.nodes = job.nodes;
    policy.gpus = job.gpus.value_or(0);
    policy.start = job.start;
    policy.began = now;
    core::Enclaves enclaves;
    const core::Enclave *by_account = nullptr, *by_partition = nullptr;
    try {
        enclaves = core::Enclaves::load(site);
        by_account = enclaves.of_user(job.account, job.uid);
        by_partition = enclaves.of_partition(job.partition);
    } catch (const core::CannotTell& e) {
        policy.doubt = Doubt{e.issued};
        return deny(policy, e.what());
    } catch (const Error& e) {
        return deny(policy, e.what());
    }
    if (!by_account && !by_partition) {
        policy.ruling = Ruling::unfenced;
        return policy;
    }
    if (!by_account)
        return deny(policy, "this account belongs to no enclave; partition " + job.partition + " is one's");
    policy.enclave = by_account->name;
    policy.software = by_account->software;
    policy.allowed = by_account->allowed;
    policy.devices = infiniband_of(by_account->infiniband_pkey).devices;
    const auto workspace = site.workspaces / policy.enclave / policy.account;
    if (is_folder_of(workspace, job.uid)) policy.workspace = workspace;
    if (!by_partition || by_partition->name != by_account->name)
        return deny(policy, "this account works in partition " + by_account->partition + " only");
    if (policy.workspace.empty())
        return deny(policy, "this account has no workspace on " + std::string(host) + ". Tell the admin");
    if (!job.asked_image.empty()) {
        const auto found = std::ranges::find(by_account->images, job.asked_image, &core::Image::text);
        if (found == by_account->images.end())
            return deny(
                policy,
                "the image that the job was admitted with is not the enclave's any more. Submit it again");
        policy.image = *found;
    }
    if (!by_account->has_node(host))
        return deny(policy, std::string(host) + " is not a node of enclave " + policy.enclave);
    for (const std::string& node : job.nodes)
        if (!by_account->has_node(node))
            return deny(policy, "a node of the job is not a node of enclave " + policy.enclave);
    try {
        const core::Grant grant = grant_of(site, job, now);
        if (grant.account != job.account || grant.enclave != policy.enclave)
            return deny(policy, "grant " + grant.id + " is for another account or enclave");
        policy.grant = grant.id;
        policy.not_after = grant.not_after;
        policy.datasets = grant.datasets;
        for (const std::string& name : grant.datasets)
            if (!std::filesystem::is_directory(dataset_path(site, name)))
                return deny(policy, "dataset " + name + " of grant " + grant.id + " is not on " +
                                        std::string(host) + ". Tell the admin");
    } catch (const core::CannotTell& e) {
        policy.doubt = Doubt{e.issued};
        return deny(policy, e.what());
    } catch (const Error& e) {
        return deny(policy, e.what());
    }
    policy.ruling = Ruling::enclave;
    if (enclave) *enclave = *by_account;
    return policy;
}

std::optional<Objection> objection_to(const core::Site& site, const Policy& running, std::string_view host,
                                      std::int64_t now) {
    try {
        const Policy decided = decide(site, job_of(running), host, now);
        if (decided.ruling == Ruling::deny) return Objection{decided.reason, decided.doubt};
        if (decided.ruling != Ruling::enclave || decided.enclave != running.enclave)
            return Objection{"account and partition are not enclave " + running.enclave + "'s any more", {}};
        for (const std::string& name : running.datasets)
            if (std::find(decided.datasets.begin(), decided.datasets.end(), name) == decided.datasets.end())
                return Objection{"grant " + decided.grant + " does not cover dataset " + name, {}};
        for (const std::string& name : running.datasets)
            if (!std::filesystem::exists(sealed_key(site, running.enclave, name)))
                return Objection{"dataset " + name + " was taken from enclave " + running.enclave, {}};
        return std::nullopt;
    } catch (const std::exception& e) {  // a half-copied file is no reason to lose what was computed
        return Objection{std::string("the node cannot check the grant any more: ") + e.what(), Doubt{}};
    }
}

namespace {

core::SecretKey secret_of(const std::filesystem::path& key, const std::string& salt,
                          std::string_view purpose) {
    core::OpeningKey::load(key);  // that it is one, and nobody else's to read
    std::istringstream words(core::read_text(key, 4096));
    std::string mark, kind, bytes;
    words >> mark >> kind >> bytes;
    return core::SecretKey::from(core::from_base64(bytes)).derive(core::view(salt), purpose);
}

// Of the enclave's key and of the others that are here. One that cannot be read beside the key itself (it is being copied here, or was
// moved away this moment) is left out: preflight tells of it, and no job is held up by it.
template <class Made>
std::vector<Made> of_each_key(const core::Site& site, const std::string& enclave,
                              const std::function<Made(const std::filesystem::path&)>& make) {
    std::vector<Made> made;
    for (const auto& key : core::enclave_keys(site.config / "keys", enclave)) try {
            made.push_back(make(key));
        } catch (const Error&) {
            if (made.empty()) throw;
        }
    return made;
}

core::SecretKey open_sealed(const std::vector<core::OpeningKey>& openings, core::ByteView sealed) {
    for (std::size_t i = 0; i + 1 < openings.size(); ++i) try {
            return openings[i].open(sealed);
        } catch (const Error& e) {
            if (e.fault() != Fault::refused) throw;
        }
    return openings.back().open(sealed);
}

}  // namespace

std::vector<core::SecretKey> enclave_secrets(const core::Site& site, const std::string& enclave,
                                             const std::string& salt, std::string_view purpose) {
    return of_each_key<core::SecretKey>(
        site, enclave, [&](const std::filesystem::path& key) { return secret_of(key, salt, purpose); });
}

std::vector<std::string> step_tokens(const core::Site& site, const Policy& policy) {
    const std::string run = std::to_string(policy.job) + " " + policy.start + " " + policy.grant;
    std::vector<std::string> tokens;
    for (const auto& secret : enclave_secrets(site, policy.enclave, run, "aloft step token 2"))
        tokens.push_back(core::to_hex(secret.bytes()));
    return tokens;
}

void unseal_keys(const core::Site& site, const Policy& policy, const JobFiles& files) {
    const auto openings = of_each_key<core::OpeningKey>(
        site, policy.enclave, [](const auto& key) { return core::OpeningKey::load(key); });
    core::make_directories(files.keys, 0755);  // its parent is root's alone
    for (const std::string& name : policy.datasets) {
        const auto sealed = sealed_key(site, policy.enclave, name);
        std::string seal;
        try {
            seal = core::read_seal(sealed);
        } catch (const Error&) {
            throw Error(Fault::refused, "the key of dataset " + name + " is not sealed for enclave " +
                                            policy.enclave +
                                            ". Tell the admin: the intake account must seal it");
        }
        const auto path = files.keys / (name + ".key");
        open_sealed(openings, core::from_base64(seal)).save(path);
        if (::lchown(path.c_str(), policy.uid, static_cast<gid_t>(-1)))
            throw Error(Fault::system, core::with_errno("cannot hand over a dataset's key", errno));
    }
}

}  // namespace slurm
