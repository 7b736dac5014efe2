#include "jobs/wire/preflight.h"

#include <algorithm>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/time.h"
#include "jobs/wire/duration.h"

namespace jobs {

using nlohmann::json;

namespace {

constexpr const char* kReportCommand = "aloft-node preflight --report";

// One node's report against what the enclave needs.
class Judge {
public:
    Judge(const core::Enclave& enclave, const std::string& policy, const std::string& version,
          std::int64_t now)
        : enclave_(enclave),
          policy_check_("policy of enclave " + enclave.name),
          policy_(policy),
          version_(version),
          now_(now) {}

    void judge(const std::string& node, const Report* report) {
        node_ = node;
        const std::string again = "as root on " + node + ": " + kReportCommand;
        if (!report) return add("report", false, "none", again);
        const std::int64_t old = now_ - report->time;
        if (report->time > report->received + core::kClockSkewSeconds)
            return add("report", false, "from the future", "set the clock of " + node + "; then " + again);
        if (old > kReportSeconds)
            return add("report", false,
                       "from " + core::rfc3339(report->time) + ", " + duration_in_words(old) + " old",
                       again + " (daily)");
        add("report", true, "from " + core::rfc3339(report->time), "");
        try {
            read(report->body, again);
        } catch (const std::exception&) {
            add("report's form", false, "not of this version",
                "install the login host's version of Aloft on " + node + "; then " + again);
        }
    }
    std::vector<Check> checks;

private:
    void add(const std::string& what, bool good, const std::string& found, const std::string& remedy) {
        checks.push_back(
            {node_, "node", what, good ? Verdict::good : Verdict::bad, true, found, good ? "" : remedy});
    }

    void read(const json& body, const std::string& again) {
        const auto version = body.at("version").get<std::string>();
        add("version", version == version_, version,
            "install " + version_ + ", as the login host has, on " + node_ + "; then " + again);
        const auto enclaves = body.at("enclaves").get<std::vector<std::string>>();
        const bool knows = std::find(enclaves.begin(), enclaves.end(), enclave_.name) != enclaves.end();
        add("node of the enclave", knows, knows ? "yes, by its own policy" : "not by its own policy",
            copy_policy() + "; then " + again);
        bool has_node = false, has_site = false, has_policy = false;
        for (const json& entry : body.at("checks")) {
            Check check = core::check_of(entry);
            check.host = node_;
            if (check.what.starts_with("policy of enclave ")) {
                if (check.what != policy_check_) continue;  // that enclave's own affair
                has_policy = true;
                compare_policy(check, again);
            }
            has_node = has_node || check.layer == "node";
            has_site = has_site || check.layer == "site";
            checks.push_back(std::move(check));
        }
        if (!has_policy) add(policy_check_, false, "not reported", copy_policy() + "; then " + again);
        if (!has_node) add("node layer", false, "not reported", again);
        if (!has_site) add("site layer", false, "not reported", again);
    }

    // A node may not have the newest policy yet: one that differs would let in whom the login host's does
    // not.
    void compare_policy(Check& check, const std::string& again) const {
        const bool same = check.found == policy_;
        check.verdict = same ? Verdict::good : Verdict::bad;
        check.required = true;
        check.found = same ? "as on the login host" : "another than on the login host";
        check.remedy = same ? "" : copy_policy() + "; then " + again;
    }

    std::string copy_policy() const {
        return "see what aloft-mirror says on " + node_ + ": the newest policy has not reached it";
    }

    const core::Enclave& enclave_;
    const std::string policy_check_, policy_, version_;
    const std::int64_t now_;
    std::string node_;
};

}  // namespace

std::vector<Check> checks_of_nodes(const core::Enclave& enclave, const std::string& policy,
                                   const std::vector<Report>& reports, const std::string& version,
                                   std::int64_t now) {
    Judge judge(enclave, policy, version, now);
    for (const std::string& node : enclave.nodes) {
        const auto report =
            std::find_if(reports.begin(), reports.end(), [&](const Report& one) { return one.node == node; });
        judge.judge(node, report == reports.end() ? nullptr : &*report);
    }
    if (enclave.nodes.empty())
        judge.checks.push_back({"-", "node", "nodes", Verdict::bad, true, "none",
                                "aloft admin enclave add " + enclave.name + " --node NODE"});
    return std::move(judge.checks);
}

std::vector<Check> checks_of_logins(const std::vector<std::string>& hosts, const std::vector<Report>& reports,
                                    const std::string& version, std::int64_t now) {
    std::vector<Check> checks;
    std::string host;
    const auto add = [&](const std::string& what, bool good, const std::string& found,
                         const std::string& remedy) {
        checks.push_back(
            {host, "login", what, good ? Verdict::good : Verdict::bad, true, found, good ? "" : remedy});
    };
    for (const std::string& one : hosts) {
        host = one;
        const std::string again = "as root on " + host + ": aloft-session --check --report";
        const auto report = std::find_if(reports.begin(), reports.end(),
                                         [&](const Report& each) { return each.node == host; });
        if (report == reports.end()) {
            add("report", false, "none",
                again + "; and `hostname -s` there says " + host + ", as relay.toml of aloftd's host does");
            continue;
        }
        const std::int64_t old = now - report->time;
        const bool is_fresh =
            old <= kReportSeconds && report->time <= report->received + core::kClockSkewSeconds;
        add("report", is_fresh, "from " + core::rfc3339(report->time), again + " (daily)");
        if (!is_fresh) continue;
        try {
            const auto its = report->body.at("version").get<std::string>();
            add("version", its == version, its, "install " + version + " on " + host + "; then " + again);
            std::size_t count = 0;
            for (const json& entry : report->body.at("checks")) {
                Check check = core::check_of(entry);
                if (check.layer != "login") continue;
                ++count;
                check.host = host;
                checks.push_back(std::move(check));
            }
            if (count == 0) add("login layer", false, "not reported", again);
        } catch (const std::exception&) {
            add("report's form", false, "not of this version",
                "install " + version + " there; then " + again);
        }
    }
    if (hosts.empty()) {
        host = "-";
        add("login hosts", false, "none",
            "name one that is for this enclave in relay.toml of aloftd's host, and restart "
            "aloft-relay-serve");
    }
    return checks;
}

std::vector<Check> checks_of_enclave(const core::Enclave& enclave, const std::string& policy,
                                     const std::optional<std::vector<std::string>>& logins,
                                     const std::vector<Report>& reports, const std::string& version,
                                     std::int64_t now) {
    auto checks = checks_of_nodes(enclave, policy, reports, version, now);
    if (!logins) return checks;
    const auto its = checks_of_logins(*logins, reports, version, now);
    checks.insert(checks.end(), its.begin(), its.end());
    return checks;
}

std::string policy_sha256(const core::Site& site, const std::string& enclave) {
    return core::to_hex(
        core::sha256(core::read_file(site.config / "enclaves" / (enclave + ".toml"), 1 << 20)));
}

}  // namespace jobs
