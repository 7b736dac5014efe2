#include "slurm/decide/known.h"

#include <sstream>

#include "core/base/error.h"
#include "core/base/files.h"

namespace slurm {
namespace {

// Lines "account e-alice hel", "partition hel": plain names, so nothing needs quoting.
std::string text_of(const Known& known) {
    std::string text;
    for (const auto& [account, enclave] : known.accounts) text += "account " + account + " " + enclave + "\n";
    for (const std::string& partition : known.partitions) text += "partition " + partition + "\n";
    return text;
}

std::filesystem::path file_in(const std::filesystem::path& folder) {
    return folder / "known";
}

}  // namespace

Known known_of(const std::vector<core::Enclave>& enclaves) {
    Known known;
    for (const core::Enclave& enclave : enclaves) {
        for (const std::string& account : enclave.accounts) known.accounts.emplace(account, enclave.name);
        known.partitions.insert(enclave.partition);
    }
    return known;
}

Known load_known(const std::filesystem::path& folder) {
    Known known;
    try {
        std::istringstream words(core::read_text(file_in(folder)));
        for (std::string what, name, enclave; words >> what >> name;)
            if (what == "account" && words >> enclave)
                known.accounts.emplace(name, enclave);
            else
                known.partitions.insert(name);
    } catch (const core::Error&) {
        // never kept
    }
    return known;
}

bool keep_known(const Known& known, const std::filesystem::path& folder) noexcept {
    try {
        if (load_known(folder) == known) return true;
        core::make_directories(folder, 0755);
        core::write_atomically(file_in(folder), text_of(known), 0644);
        return true;
    } catch (const std::exception&) {
        return false;  // what was kept before stays
    }
}

}  // namespace slurm
