// bench_ledger ledger SITE RECORDS: a ledger as years of a site would make it. bench_ledger spool SITE NODES: keys for so many
// nodes, and of each the records of a job's start and end in its spool folder. Prints a JSON object.
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "core/base/error.h"
#include "core/base/time.h"
#include "core/ledger/ledger.h"
#include "core/ledger/spool.h"

namespace {

using nlohmann::json;
using std::chrono::steady_clock;

constexpr std::uint64_t kGrants = 1000, kNodes = 5000;
constexpr std::uint64_t kPerBatch = 1000;

double seconds_since(steady_clock::time_point begin) {
    return std::chrono::duration<double>(steady_clock::now() - begin).count();
}

std::string node(std::uint64_t n) {
    return "n" + std::to_string(n % kNodes);
}

json ended(std::uint64_t job, std::uint64_t grant) {
    return {{"job", job},
            {"account", "e-" + std::to_string(grant)},
            {"grant", "G-" + std::to_string(grant)},
            {"enclave", "hel"},
            {"state", "ended"},
            {"seconds", 3600},
            {"blocked", {{"connect", 3}}},
            {"attempts", {{{"what", "TCP"}, {"to", "https"}, {"count", 3}}}}};
}

// 1,000 applications and grants; then jobs of two nodes, six records each: asked for, submitted, begun and ended on both.
void write_ledger(const core::Site& site, std::uint64_t records) {
    core::Ledger ledger(site.state / "ledger.jsonl",
                        core::SigningKey::load(site.state / "keys" / "ledger.key"));
    const std::string now = core::rfc3339(core::now_seconds());
    std::uint64_t written = 0;
    const auto add = [&](const std::string& actor, const char* kind, const std::string& subject,
                         json details) {
        if (written >= records) return;
        ledger.add(actor, kind, subject, std::move(details));
        if (++written % kPerBatch == 0) ledger.commit();
    };
    for (std::uint64_t g = 1; g <= kGrants; ++g) {
        const std::string id = std::to_string(g), account = "e-" + id;
        add(account, "application.submitted", "A-" + id,
            {{"enclave", "hel"},
             {"title", "a question"},
             {"datasets", {"digits@1"}},
             {"purpose", {"DUO:0000006"}}});
        add("admin", "grant.issued", "G-" + id,
            {{"application", "A-" + id},
             {"account", account},
             {"uid", 100000 + g},
             {"enclave", "hel"},
             {"datasets", {"digits@1"}},
             {"purpose", {"DUO:0000006"}},
             {"contract", "C-1"},
             {"not_before", now},
             {"not_after", "2099-01-01T00:00:00Z"}});
    }
    for (std::uint64_t job = 1; written < records; ++job) {
        const std::uint64_t grant = job % kGrants + 1;
        const std::string account = "e-" + std::to_string(grant), request = "J-" + std::to_string(job),
                          subject = "job:" + std::to_string(job);
        add(account, "job.requested", request,
            {{"grant", "G-" + std::to_string(grant)},
             {"enclave", "hel"},
             {"nodes", 2},
             {"script_sha256", std::string(64, 'a')}});
        add(account, "job.submitted", subject, {{"job", job}, {"request", request}});
        for (const char* kind : {"node.job-started", "node.job-ended"})
            for (std::uint64_t part = 0; part < 2; ++part) {
                const std::string host = node(2 * job + part);
                const std::string id =
                    core::to_hex(core::sha256(core::view(kind + host + subject))).substr(0, 32);
                add("node:" + host, kind, subject,
                    {{"id", id}, {"time", now}, {"details", ended(job, grant)}});
            }
    }
    ledger.checkpoint();
    ledger.commit();
}

void write_spool(core::Site site, std::uint64_t nodes) {
    const auto open = site.config / "keys" / "nodes";
    site.config =
        site.state / "node";  // a node's own configuration: one key for all is as much work to check
    core::make_directories(site.config / "keys", 0700);
    const core::SigningKey key = core::SigningKey::generate();
    key.save(site.config / "keys" / "node.key");
    for (std::uint64_t n = 0; n < nodes; ++n) {
        key.verify_key().save(open / (node(n) + ".pub"));
        const std::uint64_t job = 1'000'000'000 + n;
        for (const char* kind : {"job-started", "job-ended"})
            core::spool_record(site, kind, "job:" + std::to_string(job), ended(job, n % kGrants + 1),
                               node(n));
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4) return 2;
    try {
        const core::Site site = core::Site::load(argv[2]);
        const std::uint64_t count = std::strtoull(argv[3], nullptr, 10);
        const auto begin = steady_clock::now();
        const bool is_spool = std::string(argv[1]) == "spool";
        is_spool ? write_spool(site, count) : write_ledger(site, count);
        const double seconds = seconds_since(begin);
        std::cout << json{{"written", is_spool ? 2 * count : count}, {"seconds", seconds}}.dump() << '\n';
    } catch (const std::exception& e) {
        std::cerr << e.what() << '\n';
        return 4;
    }
}
