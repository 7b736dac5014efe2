#include <chrono>
#include <sstream>

#include "core/base/child.h"
#include "core/base/split.h"
#include "slurm/preflight/preflight.h"

namespace slurm {
namespace {

using core::advised;
using core::required;

constexpr std::chrono::milliseconds kPatience{10000};  // a busy node is no old one

// "munge-0.5.15 (2022-06-22)", "slurm-wlm 22.05.8": the numbers with points in the first line.
std::string version_in(const std::string& said) {
    const std::string line = said.substr(0, said.find('\n'));
    for (std::size_t at = 0; (at = line.find_first_of("0123456789", at)) != std::string::npos;) {
        const std::string word = line.substr(at, line.find_first_not_of("0123456789.", at) - at);
        if (word.find('.') != std::string::npos) return word;
        at += word.size();
    }
    return {};
}

std::string changelog_of(const std::string& package, const std::filesystem::path& root) {
    const auto file = root / "usr/share/doc" / package / "changelog.Debian.gz";
    const auto said = core::output_of({"/usr/bin/zcat", file.string()}, kPatience);
    return said.value_or("");
}

// Faults in others' programs under which the promise is void. A distribution mends an old version and says so in the package's
// changelog, so that counts as well as the version.
struct Patch {
    const char *package, *program, *option;
    std::vector<std::string> from;  // see is_mended
    std::vector<const char*> faults;
    bool required;
};

}  // namespace

std::vector<Check> check_patches(const std::filesystem::path& root) {
    std::vector<Check> checks;
    const Patch patches[] = {
        {"munge", "usr/sbin/munged", "--version", {"0.5.18"}, {"CVE-2026-25506"}, true},
        {"slurmd",
         "usr/sbin/slurmd",
         "-V",
         {"23.11.11", "24.05.8", "24.11.5", "25.05.0"},
         {"CVE-2023-41914", "CVE-2023-49933", "CVE-2023-49937", "CVE-2025-43904"},
         true},
        {"slurmd", "usr/sbin/slurmd", "-V", {"25.05.9"}, {"CVE-2026-65107", "CVE-2026-65108"}, false},
    };
    for (const Patch& one : patches) {
        const auto said = core::output_of({(root / one.program).string(), one.option}, kPatience);
        std::string missing, version = said ? version_in(*said) : "";
        const auto changelog = changelog_of(one.package, root);
        for (const char* fault : one.faults)
            if (changelog.find(fault) == std::string::npos)
                missing += std::string(missing.empty() ? "" : " ") + fault;
        const bool good = is_mended(version, one.from) || missing.empty();
        std::string what = std::string(one.package) + " " + one.faults.front();
        checks.push_back((one.required ? &required : &advised)(
            what, good,
            version.empty() ? "not installed here"
                            : version + (good ? ", mended" : ", and its changelog does not name " + missing),
            std::string("upgrade ") + one.package + " to " + core::joined(one.from, " or ") +
                ", or to a package whose changelog names " + missing));
    }
    return checks;
}

bool is_mended(const std::string& version, const std::vector<std::string>& from) {
    const auto series = [](const std::string& of) {
        const auto second = of.find('.', of.find('.') + 1);
        return of.substr(0, second);
    };
    for (const std::string& one : from)
        if (series(version) == series(one)) return is_at_least(version, one);
    return is_at_least(version, from.back());
}

bool is_at_least(const std::string& version, const std::string& floor) {
    std::istringstream have(version), want(floor);
    for (std::string a, b; std::getline(want, b, '.');) {
        if (!std::getline(have, a, '.')) return false;
        const int x = std::atoi(a.c_str()), y = std::atoi(b.c_str());
        if (x != y) return x > y;
    }
    return !version.empty();
}

}  // namespace slurm
