#include "slurm/admit/script.h"

#include <algorithm>
#include <array>

#include "core/base/bytes.h"
#include "core/base/error.h"

namespace slurm {
namespace {

bool is_ours(std::string_view variable) {
    static constexpr std::array<std::string_view, 8> kPrefixes = {"SLURM", "SBATCH_", "SRUN_",  "SALLOC_",
                                                                  "PMI",   "_SLURM",  "ALOFT_", "SPANK"};
    static constexpr std::array<std::string_view, 9> kNames = {
        "HOME=",          "PWD=",     "OLDPWD=", "TMPDIR=", "XDG_RUNTIME_DIR=", "DBUS_SESSION_BUS_ADDRESS=",
        "SSH_AUTH_SOCK=", "DISPLAY=", "_="};
    const auto starts = [&](std::string_view prefix) { return variable.starts_with(prefix); };
    return std::any_of(kPrefixes.begin(), kPrefixes.end(), starts) ||
           std::any_of(kNames.begin(), kNames.end(), starts);
}

// Strings of base64 that hold zero-terminated ones.
std::string pack(const std::vector<std::string>& strings) {
    std::string joined;
    for (const std::string& one : strings) joined += one + '\0';
    return core::to_base64(core::view(joined));
}

std::vector<std::string> unpack(std::string_view packed, const char* what) {
    const core::Bytes joined = core::from_base64(packed);
    std::vector<std::string> strings;
    for (auto begin = joined.begin(); begin != joined.end();) {
        const auto end = std::find(begin, joined.end(), 0);
        if (end == joined.end()) throw core::Error(core::Fault::data, std::string(what) + " is cut");
        strings.emplace_back(begin, end);
        begin = end + 1;
    }
    return strings;
}

}  // namespace

std::string pack_environment(const std::vector<std::string>& variables) {
    std::vector<std::string> theirs;
    for (const std::string& variable : variables)
        if (variable.find('=') != std::string::npos && variable.front() != '=' && !is_ours(variable))
            theirs.push_back(variable);
    return pack(theirs);
}

std::vector<std::string> unpack_environment(std::string_view packed) {
    std::vector<std::string> variables = unpack(packed, "the packed environment");
    std::erase_if(variables, [](const std::string& variable) { return is_ours(variable); });
    return variables;
}

std::string pack_call(const Call& call) {
    std::vector<std::string> strings{call.folder};
    strings.insert(strings.end(), call.arguments.begin(), call.arguments.end());
    return pack(strings);
}

Call unpack_call(std::string_view packed) {
    std::vector<std::string> strings = unpack(packed, "the packed call of the script");
    Call call;
    if (strings.empty()) return call;
    call.folder = strings.front();
    call.arguments.assign(strings.begin() + 1, strings.end());
    return call;
}

std::string_view user_script(std::string_view script) {
    if (!script.starts_with(kWrapperLine))
        throw core::Error(
            core::Fault::refused,
            "this job did not pass job_submit. Tell the admin: JobSubmitPlugins=aloft on the controller");
    return script.substr(kWrapperLine.size());
}

}  // namespace slurm
