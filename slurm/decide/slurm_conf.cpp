#include "slurm/decide/slurm_conf.h"

#include <strings.h>

#include <sstream>

#include "core/base/error.h"
#include "core/base/split.h"
#include "core/policy/slurm_lines.h"

namespace slurm {
namespace {

using core::Error;
using core::Fault;

bool is(const std::string& a, const char* b) {
    return ::strcasecmp(a.c_str(), b) == 0;
}

SlurmConf conf_of(const std::vector<std::string>& lines) {
    SlurmConf conf;
    for (const std::string& line : lines) {
        const auto setting = core::slurm_setting(line);
        if (!setting) continue;
        const auto& [key, value] = *setting;
        conf.values.insert_or_assign(key, value);
        if (key == "nodename") conf.node_lines.push_back(line);
        if (key == "slurmctldhost") {  // NAME or NAME(ADDRESS)
            const auto open = value.find('(');
            conf.controllers.push_back(
                open == std::string::npos ? value : value.substr(open + 1, value.find(')') - open - 1));
        } else if (key == "slurmdport") {
            const int port = std::atoi(value.c_str());
            if (port < 1 || port > 65535) throw Error(Fault::usage, "slurm.conf: SlurmdPort is not a port");
            conf.slurmd_port = static_cast<std::uint16_t>(port);
        } else if (key == "slurmdspooldir") {
            conf.spool = value;
        } else if (key == "plugstackconfig") {
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
    const std::filesystem::path path = file.empty() ? slurm_conf_here() : file;
    SlurmConf conf = conf_of(core::slurm_lines_of(path));
    conf.file = path;
    if (conf.plugstack.empty()) conf.plugstack = path.parent_path() / "plugstack.conf";
    return conf;
}

std::filesystem::path slurm_conf_here(const std::filesystem::path& own,
                                      const std::filesystem::path& fetched) {
    std::error_code none;
    if (!std::filesystem::exists(fetched, none)) return own;
    if (!std::filesystem::exists(own, none)) return fetched;
    if (!std::filesystem::equivalent(own.parent_path(), fetched.parent_path(), none))
        throw Error(Fault::usage, "there are two configurations of Slurm here, " + own.string() + " and " +
                                      fetched.string() +
                                      ": remove the one by which slurmd was not started, and restart slurmd");
    return own;
}

std::filesystem::path spool_on(const SlurmConf& conf, std::string_view host) {
    std::string path = conf.spool;
    for (const char* mark : {"%n", "%h"})
        if (const auto at = path.find(mark); at != std::string::npos) path.replace(at, 2, host);
    return path;
}

bool requires_fence(std::string_view plugstack, const std::filesystem::path& plugin) {
    bool is_last = false;
    for (const std::string& line : core::slurm_lines(plugstack)) {
        std::istringstream words(line);
        std::string how, what;
        words >> how >> what;
        is_last = how == "required" && what == plugin.string();
    }
    return is_last;
}

}  // namespace slurm
