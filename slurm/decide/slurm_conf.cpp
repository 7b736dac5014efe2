#include "slurm/decide/slurm_conf.h"

#include <strings.h>

#include <cctype>
#include <sstream>

#include "core/base/error.h"
#include "core/base/split.h"
#include "core/policy/slurm_lines.h"

namespace slurm {
namespace {

using core::Error;
using core::Fault;

std::string trimmed(const std::string& word) {
    const auto begin = word.find_first_not_of(" \t");
    return begin == std::string::npos ? "" : word.substr(begin, word.find_last_not_of(" \t") - begin + 1);
}

bool is(const std::string& a, const char* b) {
    return ::strcasecmp(a.c_str(), b) == 0;
}

std::string small_letters(std::string word) {
    for (char& c : word) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return word;
}

SlurmConf conf_of(const std::vector<std::string>& lines) {
    SlurmConf conf;
    for (const std::string& line : lines) {
        const auto equals = line.find('=');
        if (equals == std::string::npos) continue;
        const std::string key = trimmed(line.substr(0, equals)), value = trimmed(line.substr(equals + 1));
        conf.values.insert_or_assign(small_letters(key), value);
        if (is(key, "NodeName")) conf.node_lines.push_back(line);
        if (is(key, "SlurmctldHost")) {  // NAME or NAME(ADDRESS)
            const auto open = value.find('(');
            conf.controllers.push_back(
                open == std::string::npos ? value : value.substr(open + 1, value.find(')') - open - 1));
        } else if (is(key, "SlurmdPort")) {
            const int port = std::atoi(value.c_str());
            if (port < 1 || port > 65535) throw Error(Fault::usage, "slurm.conf: SlurmdPort is not a port");
            conf.slurmd_port = static_cast<std::uint16_t>(port);
        } else if (is(key, "SlurmdSpoolDir")) {
            conf.spool = value;
        } else if (is(key, "PlugStackConfig")) {
            conf.plugstack = value;
        }
    }
    if (conf.controllers.empty()) throw Error(Fault::usage, "slurm.conf: no SlurmctldHost");
    return conf;
}

}  // namespace

std::string SlurmConf::value(const std::string& key, const std::string& otherwise) const {
    const auto found = values.find(key);
    return found == values.end() ? otherwise : found->second;
}

bool SlurmConf::lists(const std::string& key, std::string_view word) const {
    for (const std::string& one : core::split(value(key), ','))
        if (is(one, std::string(word).c_str())) return true;
    return false;
}

SlurmConf parse_slurm_conf(std::string_view text) {
    return conf_of(core::slurm_lines(text));
}

SlurmConf load_slurm_conf(const std::filesystem::path& file) {
    SlurmConf conf = conf_of(core::slurm_lines_of(file));
    if (conf.plugstack.is_relative()) conf.plugstack = file.parent_path() / conf.plugstack;
    return conf;
}

std::filesystem::path spool_on(const SlurmConf& conf, std::string_view host) {
    std::string path = conf.spool;
    for (const char* mark : {"%n", "%h"})
        if (const auto at = path.find(mark); at != std::string::npos) path.replace(at, 2, host);
    return path;
}

bool requires_fence(std::string_view plugstack) {
    for (const std::string& line : core::slurm_lines(plugstack)) {
        std::istringstream words(line);
        std::string how, what;
        words >> how >> what;
        if (how == "required" && std::filesystem::path(what).filename() == "aloft_fence.so") return true;
    }
    return false;
}

}  // namespace slurm
