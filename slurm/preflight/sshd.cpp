#include "slurm/preflight/sshd.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

#include "core/base/accounts.h"
#include "core/base/child.h"
#include "core/base/error.h"
#include "core/base/split.h"
#include "core/ledger/spool.h"
#include "core/policy/enclave.h"
#include "core/policy/slurm_lines.h"

namespace slurm {
namespace {

namespace fs = std::filesystem;
using core::Check;
using core::required;
using Words = std::vector<std::string>;

constexpr const char* kSshd = "/usr/sbin/sshd";

Words words_of(const std::string& text) {
    std::istringstream words(text);
    return {std::istream_iterator<std::string>(words), {}};
}

bool is_process(const std::string& name) {
    return !name.empty() && name.find_first_not_of("0123456789") == std::string::npos;
}

std::string title_of(const fs::path& process) {
    std::ifstream file(process / "cmdline");
    std::string text{std::istreambuf_iterator<char>(file), {}};
    std::replace(text.begin(), text.end(), '\0', ' ');
    return text;
}

bool is_roots(const fs::path& process) {
    struct stat owner {};
    return ::stat(process.c_str(), &owner) == 0 && owner.st_uid == 0;
}

bool is_sshd(const fs::path& process) {
    std::error_code none;
    return fs::read_symlink(process / "exe", none) == kSshd;
}

std::set<Words> listeners() {
    std::set<Words> found;
    std::error_code none;
    for (const auto& entry : fs::directory_iterator("/proc", none))
        if (is_process(entry.path().filename().string()) && is_roots(entry.path()))
            for (Words& options : listener_options(title_of(entry.path()))) found.insert(std::move(options));
    return found;
}

Sshd ask(const Words& options, const std::string& account) {
    // What it says of its Match blocks goes to its standard error.
    Words words{"/bin/sh", "-c", "exec \"$0\" \"$@\" 2>&1", kSshd};
    words.insert(words.end(), options.begin(), options.end());
    for (const std::string& word :
         {std::string("-ddd"), std::string("-T"), std::string("-C"),
          "user=" + account + ",host=localhost,addr=127.0.0.1,laddr=127.0.0.1,lport=22"})
        words.push_back(word);
    return {options, core::output_of(words, std::chrono::seconds(5)).value_or("")};
}

// Pairs of a name and a pattern, "all" alone.
bool looks_at_connection(const std::string& criteria) {
    const Words words = words_of(core::small_letters(criteria));
    for (std::size_t at = 0; at < words.size(); ++at) {
        const auto equals = words[at].find('=');
        const std::string name = words[at].substr(0, equals);
        if (name == "address" || name == "host" || name == "localaddress" || name == "localport" ||
            name == "rdomain")
            return true;
        if (equals == std::string::npos && name != "all") ++at;
    }
    return false;
}

// Asked by a child, as accounts are: a directory's daemon may hang.
Words groups_of(const std::string& account) {
    const auto said = core::finished_within({"/usr/bin/id", "-Gnz", "--", account}, core::kNamesPatience);
    return said ? core::split(said->output, '\0') : Words();  // one without a name is no failure
}

bool is_refused(const std::string& said, const std::string& account, const Words& groups) {
    const Words users = values_of(said, "denyusers"), denied = values_of(said, "denygroups");
    const auto has = [](const Words& list, const std::string& one) {
        return std::find(list.begin(), list.end(), one) != list.end();
    };
    return has(users, account) || std::any_of(groups.begin(), groups.end(),
                                              [&](const std::string& one) { return has(denied, one); });
}

}  // namespace

std::string Sshd::name() const {
    std::string text = "sshd";
    for (const std::string& option : options) text += " " + option;
    return text;
}

bool is_sshd_here() {
    return ::access(kSshd, X_OK) == 0;
}

Words values_of(std::string_view said, const std::string& setting) {
    Words values;
    std::istringstream lines{std::string(said)};
    for (std::string line; std::getline(lines, line);) {
        const Words words = words_of(line);
        if (!words.empty() && words[0] == setting)
            values.insert(values.end(), words.begin() + 1, words.end());
    }
    return values;
}

std::vector<Words> listener_options(const std::string& title) {
    const auto end = title.find(" [listener]");
    if (!title.starts_with("sshd: ") || end == std::string::npos) return {};
    const Words words = words_of(title.substr(6, end - 6));
    Words options;
    for (std::size_t at = 1; at < words.size(); ++at) {
        if (!words[at].starts_with("-f") && !words[at].starts_with("-o")) continue;
        options.push_back(words[at].substr(0, 2));
        if (words[at].size() > 2)
            options.push_back(words[at].substr(2));
        else if (at + 1 < words.size())
            options.push_back(words[++at]);
    }
    return {options};
}

std::string block_before_force_command(std::string_view said) {
    constexpr std::string_view kMatch = "checking match for '";
    const auto begin = said.find("config reprocess config");  // before it: what is not in any Match block
    if (begin == std::string_view::npos) return "its Match blocks are not told";
    std::istringstream lines{std::string(said.substr(begin))};
    std::string found;
    for (std::string line; std::getline(lines, line);) {
        if (core::small_letters(line).find(" setting forcecommand ") != std::string::npos) return found;
        const auto at = line.find(kMatch);
        if (at == std::string::npos || !found.empty()) continue;
        const std::string criteria = line.substr(at + kMatch.size());
        const auto end = criteria.rfind("' user ");
        if (looks_at_connection(criteria.substr(0, end))) found = "Match " + criteria.substr(0, end);
    }
    return found;
}

std::vector<Sshd> ask_sshd(const std::string& account) {
    if (!is_sshd_here()) return {};
    std::set<Words> all = listeners();
    all.insert(Words{});
    std::vector<Sshd> answers;
    for (const Words& options : all) answers.push_back(ask(options, account));
    return answers;
}

bool is_sshd_of_session(const std::string& process) {
    const fs::path self = fs::path("/proc") / process;
    std::ifstream status(self / "status");
    std::string parent;
    for (std::string line; std::getline(status, line);)
        if (line.starts_with("PPid:")) parent = words_of(line).back();
    const fs::path above = fs::path("/proc") / parent;
    return is_process(parent) && is_sshd(self) && is_sshd(above) && is_roots(above);
}

std::vector<Check> check_no_logins(const core::Site& site) {
    std::vector<Check> checks;
    try {
        if (!is_sshd_here() || listeners().empty()) return checks;
        for (const core::Enclave& enclave : core::load_enclaves(site)) {
            if (!enclave.has_node(core::short_host_name())) continue;
            for (const std::string& account : enclave.accounts) {
                if (!core::account_named(account)) continue;
                const Words groups = groups_of(account);
                std::string open;
                for (const Sshd& one : ask_sshd(account))
                    if (!is_refused(one.said, account, groups)) open = one.name() + " lets it in";
                checks.push_back(required("no login of " + account, open.empty(),
                                          open.empty() ? "refused by sshd" : open,
                                          "include configs/clusters/sshd-node.conf in sshd_config: a session "
                                          "here has the job's user and no fence"));
            }
        }
    } catch (const core::Error& e) {
        checks.push_back(required("logins", false, e.what(),
                                  "is aloft-mirror running here, and does the name service answer?"));
    }
    return checks;
}

}  // namespace slurm
