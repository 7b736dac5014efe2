#include "slurm/admit/known.h"

#include <sys/stat.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/files.h"
#include "slurm/admit/admission.h"

namespace slurm {
namespace {

namespace fs = std::filesystem;
using core::Error;
using core::Fault;
using nlohmann::json;

std::vector<fs::path> policy_files(const fs::path& folder) {
    std::vector<fs::path> files;
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(folder, none))
        if (entry.path().extension() == ".json" && entry.path().filename().string().front() != '.')
            files.push_back(entry.path());
    std::sort(files.begin(), files.end());
    return files;
}

std::string stamp(const fs::path& file) {
    struct stat status {};
    if (::stat(file.c_str(), &status)) return file.string() + " " + std::to_string(errno) + "\n";
    return file.string() + " " + std::to_string(status.st_ino) + " " + std::to_string(status.st_size) + " " +
           std::to_string(status.st_mtim.tv_sec) + "." + std::to_string(status.st_mtim.tv_nsec) + " " +
           std::to_string(status.st_ctim.tv_sec) + "." + std::to_string(status.st_ctim.tv_nsec) + "\n";
}

}  // namespace

KnownEnclaves::KnownEnclaves(fs::path site_file, fs::path memory, Names names,
                             std::function<void(const std::string&)> log)
    : site_file_(std::move(site_file)),
      memory_(std::move(memory)),
      names_(std::move(names)),
      log_(std::move(log)) {
    recall();
}

std::string KnownEnclaves::look() const {
    std::string all = stamp(site_file_);
    if (site_.mirror.empty()) return all;
    all += stamp(site_.mirror / "list.json") + stamp(site_.mirror / "enclaves");
    for (const fs::path& file : policy_files(site_.mirror / "enclaves")) all += stamp(file);
    return all;
}

void KnownEnclaves::refresh() {
    std::string now = look();
    if (now == seen_) return;
    load();
    seen_ = look();  // site.toml may have named another folder
    if (!fault_.empty()) log_("the configuration is not sound, so enclaves' jobs are refused: " + fault_);
    remember();
}

void KnownEnclaves::load() {
    ordinary_.clear();
    fault_.clear();
    try {
        site_ = core::Site::load(site_file_);
        std::vector<core::UnusableEnclave> unusable;
        enclaves_ = core::load_enclaves(site_, &unusable);
        for (const core::Enclave& enclave : enclaves_) add(enclave);
        // The signed list still tells whose accounts and partition they are.
        for (const core::UnusableEnclave& one : unusable) {
            log_("the policy of enclave " + one.name +
                 " cannot be used, so its jobs are refused: " + one.why);
            partitions_[one.partition] = one.name;
            for (const std::uint32_t uid : one.uids) {
                const auto is_known = [uid](const auto& account) { return account.second.uid == uid; };
                if (std::none_of(accounts_.begin(), accounts_.end(), is_known))
                    accounts_["uid " + std::to_string(uid)] = {one.name, uid};
            }
        }
    } catch (const std::exception& e) {
        fault_ = e.what();
    }
}

void KnownEnclaves::add(const core::Enclave& enclave) {
    partitions_[enclave.partition] = enclave.name;
    for (const std::string& name : enclave.accounts) {
        Account& account = accounts_[name];
        account.enclave = enclave.name;
        if (const auto signed_uid = enclave.uids.find(name); signed_uid != enclave.uids.end())
            account.uid = signed_uid->second;
        else if (const auto uid = names_.uid_of(name))
            account.uid = uid;
        if (account.uid) accounts_.erase("uid " + std::to_string(*account.uid));
    }
}

void KnownEnclaves::recall() {
    std::error_code none;
    if (memory_.empty() || !fs::exists(memory_, none)) return;
    try {
        remembered_ = core::read_text(memory_);
        const json known = json::parse(remembered_);
        for (const auto& [name, one] : known.at("accounts").items()) {
            Account& account = accounts_[name];
            account.enclave = one.at("enclave").get<std::string>();
            if (one.contains("uid")) account.uid = one.at("uid").get<std::uint32_t>();
        }
        for (const auto& [name, enclave] : known.at("partitions").items())
            partitions_[name] = enclave.get<std::string>();
    } catch (const std::exception& e) {
        log_("cannot read " + memory_.string() + ", which kept the enclaves' accounts: " + e.what());
    }
}

void KnownEnclaves::remember() {
    json accounts = json::object();
    for (const auto& [name, account] : accounts_) {
        accounts[name] = {{"enclave", account.enclave}};
        if (account.uid) accounts[name]["uid"] = *account.uid;
    }
    const std::string text = json{{"accounts", accounts}, {"partitions", partitions_}}.dump(1) + "\n";
    if (memory_.empty() || text == remembered_ || (accounts_.empty() && partitions_.empty())) return;
    try {
        core::write_atomically(memory_, std::string_view(text));
        remembered_ = text;
    } catch (const std::exception& e) {
        log_("what is known of enclaves cannot be kept over a restart: " + std::string(e.what()));
    }
}

std::optional<std::string> KnownEnclaves::known_account(std::uint32_t uid) {
    bool nameless = false;  // an account of a policy that this host has not named a uid for
    for (const auto& [name, account] : accounts_) {
        if (account.uid == uid) return name;
        nameless = nameless || !account.uid;
    }
    if (!nameless || ordinary_.contains(uid)) return std::nullopt;
    const auto name = names_.account_of(uid);
    if (!name)
        throw Error(Fault::refused, "uid " + std::to_string(uid) + " has no account on the controller");
    const auto found = accounts_.find(*name);
    if (found == accounts_.end()) {
        ordinary_.insert(uid);
        return std::nullopt;
    }
    found->second.uid = uid;
    remember();
    return *name;
}

bool KnownEnclaves::is_enclave_account(std::uint32_t uid) {
    refresh();
    return known_account(uid).has_value();
}

std::optional<KnownEnclaves::Place> KnownEnclaves::place(std::uint32_t uid, const std::string& partition) {
    refresh();
    const auto account = known_account(uid);
    const bool is_partition = std::any_of(partitions_.begin(), partitions_.end(), [&](const auto& known) {
        return names_partition(partition, known.first);
    });
    if (!account && !is_partition) return std::nullopt;
    if (!fault_.empty())
        throw Error(
            Fault::refused,
            "the controller cannot check jobs of enclaves now, so this one is refused. Tell the admin: "
            "slurmctld's log says why");
    if (const auto enclave = enclave_of(enclaves_, account.value_or(""), partition))
        return Place{site_, *enclave, *account};
    if (account)
        throw Error(Fault::refused, "this account was of enclave " + accounts_.at(*account).enclave +
                                        " and stands in no policy now. Ask the admin");
    throw Error(Fault::refused, "that partition was an enclave's and stands in no policy now. Ask the admin");
}

}  // namespace slurm
