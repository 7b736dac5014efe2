#include "slurm/admit/places.h"

#include <sys/stat.h>

#include <algorithm>

#include "core/base/error.h"
#include "slurm/admit/admission.h"

namespace slurm {
namespace {

namespace fs = std::filesystem;
using core::Error;
using core::Fault;

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

Places::Places(fs::path site_file, fs::path memory, std::function<void(const std::string&)> log)
    : site_file_(std::move(site_file)), memory_(std::move(memory)), log_(std::move(log)) {}

std::string Places::look() const {
    std::string all = stamp(site_file_) + stamp(memory_ / "known");
    if (site_.mirror.empty()) return all;
    all += stamp(site_.mirror / "list.json") + stamp(site_.mirror / "enclaves");
    for (const fs::path& file : policy_files(site_.mirror / "enclaves")) all += stamp(file);
    return all;
}

void Places::refresh() {
    if (look() == seen_) return;
    load();
    seen_ = look();  // site.toml may have named another folder
    if (!fault_.empty()) log_("the configuration is not sound, so enclaves' jobs are refused: " + fault_);
}

void Places::load() {
    fault_.clear();
    known_.add(core::load_known(memory_));
    try {
        site_ = core::Site::load(site_file_);
        enclaves_ = core::Enclaves::load(site_);
        known_.add(core::known_of(enclaves_));
        for (const core::UnusableEnclave& one : enclaves_.unusable)
            log_("the policy of enclave " + one.name +
                 " cannot be used, so its jobs are refused: " + one.why);
    } catch (const std::exception& e) {
        fault_ = e.what();
    }
}

bool Places::is_enclave_account(std::uint32_t uid) {
    refresh();
    return known_.uids.contains(uid);
}

std::optional<Places::Place> Places::place(std::uint32_t uid, const std::string& partition) {
    refresh();
    const auto known = known_.uids.find(uid);
    const bool is_account = known != known_.uids.end();
    const bool is_partition =
        std::any_of(known_.partitions.begin(), known_.partitions.end(),
                    [&](const auto& one) { return names_partition(partition, one.first); });
    if (!is_account && !is_partition) return std::nullopt;
    if (!fault_.empty())
        throw Error(
            Fault::refused,
            "the controller cannot check jobs of enclaves now, so this one is refused. Tell the admin: "
            "slurmctld's log says why");
    std::string account;
    for (const core::Enclave& enclave : enclaves_.usable)
        if (std::string name = enclave.account_of(uid); !name.empty()) account = std::move(name);
    if (const auto enclave = enclave_of(enclaves_.usable, account, partition))
        return Place{site_, *enclave, account};
    if (is_account)
        throw Error(Fault::refused, "this account is or was of enclave " + known->second +
                                        ", of which no policy that names it can be used now. Ask the admin");
    throw Error(Fault::refused,
                "that partition is or was an enclave's, of which no policy can be used now. Ask the admin");
}

}  // namespace slurm
