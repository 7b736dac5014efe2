// Writes the seeds of spool_fuzz into a folder: what nodes sign (behind a byte that says so), and envelopes.
#include <nlohmann/json.hpp>
#include <string>

#include "core/keys/keys.h"
#include "support/seeds.h"

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    using nlohmann::json;
    test::Seeds seeds(argv[1]);
    const auto record = [&](const char* kind, const char* subject, const json& details) {
        seeds.add(1, json{{"id", std::string(32, static_cast<char>('a' + seeds.count()))},
                      {"node", "n1"},
                      {"time", "2026-11-26T00:00:00Z"},
                      {"kind", kind},
                      {"subject", subject},
                      {"details", details},
                      {"witness", nullptr}}
                     .dump());
    };
    const json job = {{"job", 17}, {"account", "e-alice"}, {"grant", "G-1"}, {"enclave", "hel"}};
    record("job-started", "job:17", job);
    json ended = job;
    ended.update({{"state", "ended"},
                  {"seconds", 4},
                  {"gpus", 2},
                  {"blocked", {{"connect", 77}, {"socket", 1}}},
                  {"attempts",
                   {{{"what", "TCP"}, {"to", "203.0.113.5:443"}, {"count", 3}},
                    {{"what", "UDP by IPv6"}, {"to", "[2001:db8::1]:53"}, {"count", 2}},
                    {{"what", "a socket for SCTP"}, {"to", ""}, {"count", 1}}}}});
    record("job-ended", "job:17", ended);
    json outcome = job;
    outcome.update({{"outcome", "failed"}, {"exit", "nonzero"}});
    record("job-outcome", "job:17", outcome);
    record("job-refused", "job:18", {{"job", 18}, {"reason", "no grant"}});
    record("preflight", "node:n1",
           {{"version", "1"},
            {"enclaves", {"hel"}},
            {"checks",
             {{{"layer", "node"},
               {"check", "kernel"},
               {"verdict", "good"},
               {"required", true},
               {"found", "6.12"},
               {"remedy", ""}},
              {{"layer", "site"},
               {"check", "policy of enclave hel"},
               {"verdict", "bad"},
               {"required", true},
               {"found", std::string(64, 'a')},
               {"remedy", "x"}}}}});
    std::string deep = std::string(3000, '[') + std::string(3000, ']');
    seeds.add(
        1,
        R"({"id":"abcdabcdabcdabcdabcdabcdabcdabcd","node":"n1","time":"2026-11-26T00:00:00Z","kind":"k","subject":"s","details":{"a":)" +
            deep + R"(},"witness":null})");
    seeds.add(0, core::dsse_sign(core::SigningKey::generate(), "application/vnd.aloft.node-record+json", "{}"));
}
