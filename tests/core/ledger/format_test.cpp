// FORMAT.md's worked examples: written here by the code, then read by the document's words alone, with
// OpenSSL.
#include <openssl/evp.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <regex>

#include "core/base/files.h"
#include "core/base/time.h"
#include "core/ledger/record.h"
#include "core/ledger/spool.h"
#include "core/policy/budget.h"
#include "core/policy/enclave.h"
#include "core/policy/grant.h"
#include "support/document.h"
#include "support/scratch.h"

using namespace core;

namespace {

constexpr std::int64_t kTime = 1795466108;  // 2026-11-23T20:35:08Z
using Examples = std::map<std::string, std::string>;

// The document's key files, and the signing key in them.
struct Keys {
    test::Scratch folder;
    SigningKey signing;

    static SigningKey load(const test::Scratch& folder, const Examples& document) {
        write_atomically(folder / "signing.key", document.at("private-key"), 0400);
        return SigningKey::load(folder / "signing.key");
    }
    explicit Keys(const Examples& document) : signing(load(folder, document)) {}
};

const Examples& document() {
    static const Examples examples = test::worked_examples("core/ledger/FORMAT.md");
    return examples;
}

// The document's text of `name`; "" where it has none, so that a test says which.
std::string documented(const std::string& name) {
    const auto found = document().find(name);
    return found == document().end() ? "" : found->second;
}

// Without its last newline.
std::string one_line(const std::string& name) {
    std::string text = documented(name);
    REQUIRE_FALSE(text.empty());
    text.pop_back();
    REQUIRE(text.find('\n') == std::string::npos);
    return text;
}

// Ed25519 by OpenSSL. The public key is the document's.
bool is_signed(const std::string& message, const std::string& base64) {
    const std::string prefix = "aloft-key-1 ed25519-public ", line = one_line("public-key");
    REQUIRE(line.starts_with(prefix));
    const Bytes key = from_base64(line.substr(prefix.size())), signature = from_base64(base64);
    EVP_PKEY* const half = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, key.data(), key.size());
    EVP_MD_CTX* const context = EVP_MD_CTX_new();
    const bool good =
        EVP_DigestVerifyInit(context, nullptr, nullptr, nullptr, half) == 1 &&
        EVP_DigestVerify(context, signature.data(), signature.size(),
                         reinterpret_cast<const unsigned char*>(message.data()), message.size()) == 1;
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(half);
    return good;
}

std::string hex_digest(const std::string& text) {
    return to_hex(sha256(view(text)));
}

// An envelope, by the document's words: its payload, which must be the document's, signed under `type`.
void check_envelope(const std::string& name, const std::string& type) {
    const auto json = nlohmann::json::parse(documented(name));
    CHECK(json.at("payloadType") == type);
    const Bytes bytes = from_base64(json.at("payload").get<std::string>());
    const std::string payload(text(bytes));
    CHECK(payload == one_line(name + "-payload"));
    const std::string encoded = "DSSEv1 " + std::to_string(type.size()) + " " + type + " " +
                                std::to_string(payload.size()) + " " + payload;
    REQUIRE(json.at("signatures").size() == 1);
    CHECK(is_signed(encoded, json.at("signatures").at(0).at("sig").get<std::string>()));
    CHECK_FALSE(is_signed(encoded + " ", json.at("signatures").at(0).at("sig").get<std::string>()));
}

std::string payload_of(const std::string& envelope) {
    const auto json = nlohmann::json::parse(envelope);
    return std::string(text(from_base64(json.at("payload").get<std::string>()))) + "\n";
}

}  // namespace

TEST_CASE("the keys of FORMAT.md are what the code reads and writes") {
    const Keys keys(document());
    keys.signing.save(keys.folder / "again.key");
    CHECK(read_text(keys.folder / "again.key") == documented("private-key"));
    keys.signing.verify_key().save(keys.folder / "public.key");
    CHECK(read_text(keys.folder / "public.key") == documented("public-key"));
    const Bytes half = from_base64(one_line("public-key").substr(27));
    CHECK(keys.signing.verify_key().id() + "\n" == documented("key-id"));
    CHECK(to_hex(sha256(half)).substr(0, 16) == one_line("key-id"));
}

TEST_CASE("the records, the checkpoint and the witness of FORMAT.md are what the code writes") {
    const Keys keys(document());
    Record one{1,         kTime,
               "e-alice", "application.submitted",
               "A-1",     {{"enclave", "hel"}, {"datasets", {"digits@1"}}}};
    Record two{2, kTime + 60, "reviewer1", "review.decided", "A-1", {{"reason", "肺炎, \"fits\""}}};
    const std::string first = to_line(one, {});
    const std::string second = to_line(two, {1, sha256(view(first))});
    const std::string third = checkpoint_line(kTime + 61, {2, sha256(view(second))}, keys.signing);
    CHECK(first + second + third == documented("ledger"));
    const Witness witness = Witness::sign({3, sha256(view(third))}, keys.signing);
    CHECK(witness.to_json() + "\n" == documented("witness"));
}

TEST_CASE("by FORMAT.md's words: the chain holds, the checkpoint and the witness are signed") {
    std::istringstream text(documented("ledger"));
    std::string line, prev(64, '0'), last;
    std::uint64_t seq = 0;
    while (std::getline(text, line)) {
        const std::string start = R"({"seq":)" + std::to_string(++seq) + R"(,"time":"2026-11-23T20:3)";
        CHECK(line.substr(0, start.size()) == start);
        CHECK(line.find(R"(Z","prev":")" + prev + R"(","actor":")") == start.size() + 4);
        prev = hex_digest(line + "\n");
        last = line;
    }
    REQUIRE(seq == 3);
    const std::size_t end = last.find(R"(,"signature":")");
    REQUIRE(last.size() - end == 14 + 88 + 3);
    CHECK(is_signed("aloft-ledger-checkpoint-1\n" + last.substr(0, end), last.substr(end + 14, 88)));
    const auto witness = nlohmann::json::parse(documented("witness"));
    CHECK(witness.at("seq") == 3);
    CHECK(witness.at("sha256") == prev);
    CHECK(is_signed("aloft-ledger-head-1\n3\n" + prev + "\n", witness.at("signature").get<std::string>()));
}

TEST_CASE("the grant of FORMAT.md is what the code signs and opens") {
    const Keys keys(document());
    const Grant grant{"G-1",           "A-1", "e-alice",          70001, "hel", {"digits@1", "wdbc@1"},
                      {"DUO:0000006"}, kTime, kTime + 365 * 86400};
    const std::string envelope = sign_grant(grant, keys.signing);
    CHECK(envelope == documented("grant"));
    CHECK(payload_of(envelope) == documented("grant-payload"));
    check_envelope("grant", "application/vnd.aloft.grant+json");
    CHECK(check_grant(documented("grant"), {keys.signing.verify_key()}, 70001, kTime).covers("wdbc@1"));
}

TEST_CASE("the list and the policy of FORMAT.md are what the code signs, and decide over the grant") {
    const Keys keys(document());
    const std::string policy =
        sign_enclave("name = \"hel\"\naccounts = [\"e-alice\"]\n", {{"e-alice", 70001}}, keys.signing);
    CHECK(policy == documented("enclave"));
    CHECK(payload_of(policy) == documented("enclave-payload"));
    check_envelope("enclave", "application/vnd.aloft.enclave+json");
    SignedList list;
    list.issued = kTime;
    list.expires = kTime + 300;
    list.seq = 3;
    list.sha256 = nlohmann::json::parse(documented("witness")).at("sha256").get<std::string>();
    list.grants = {{70001, {"G-1", "G-7"}}};
    list.open_enclaves = {"hel"};
    list.policies = {{"hel", {hex_digest(policy), "hel", {70001}}}};
    const std::string envelope = sign_list(list, keys.signing);
    CHECK(envelope == documented("list"));
    CHECK(payload_of(envelope) == documented("list-payload"));
    check_envelope("list", "application/vnd.aloft.list+json");
    Site site;
    site.config = keys.folder / "etc";
    site.mirror = keys.folder / "mirror";
    for (const auto& folder : {site.config / "keys", site.mirror / "grants", site.mirror / "enclaves"})
        make_directories(folder);
    keys.signing.verify_key().save(site.config / "keys" / "grant.pub");
    write_atomically(site.mirror / "grants" / "G-1.json", documented("grant"));
    write_atomically(site.mirror / "enclaves" / "hel.json", documented("enclave"));
    write_atomically(site.mirror / "list.json", documented("list"));
    CHECK(open_grant(site, 70001, kTime, {"G-1", {}}).id == "G-1");
    CHECK(enclave_of_user(site, "e-alice", 70001)->name == "hel");
    CHECK_THROWS_WITH(open_grant(site, 70001, kTime + 300), Catch::Contains("stale"));
}

TEST_CASE("the budgets of FORMAT.md are what the code signs") {
    const Keys keys(document());
    Budgets budgets;
    budgets.issued = kTime;
    budgets.complete = kTime - 2;
    budgets.grants["G-1"] = {{10800, 21600}, {{17, {3600, 7200}}}};
    CHECK(payload_of(sign_budgets(budgets, keys.signing)) == documented("budgets-payload"));
}

TEST_CASE(
    "the node record of FORMAT.md is what a node spools, but for its id and time, and what aloftd opens") {
    const Keys keys(document());
    Site site;
    site.config = keys.folder / "etc";
    site.spool = keys.folder / "spool";
    site.mirror = keys.folder / "published";
    for (const auto& folder : {site.config / "keys", site.spool, site.mirror}) make_directories(folder);
    keys.signing.save(site.config / "keys" / "node.key");
    write_atomically(site.mirror / "witness.json", documented("witness"));
    spool_record(site, "job-started", "job:17",
                 {{"job", 17}, {"account", "e-alice"}, {"grant", "G-1"}, {"enclave", "hel"}}, "n1");
    std::filesystem::path file;
    for (const auto& entry : std::filesystem::directory_iterator(site.spool / "n1")) file = entry.path();
    CHECK(std::regex_match(file.filename().string(), std::regex("[0-9]{12}-[0-9]{9}-[0-9a-f]{8}\\.json")));
    std::string payload = payload_of(read_text(file));
    payload = std::regex_replace(payload, std::regex(R"("id":"[0-9a-f]{32}")"),
                                 R"("id":"00112233445566778899aabbccddeeff")");
    payload =
        std::regex_replace(payload, std::regex(R"("time":"[^"]{20}")"), R"("time":"2026-11-23T20:35:08Z")");
    CHECK(payload == documented("node-record-payload"));
    payload.pop_back();
    const std::string type = "application/vnd.aloft.node-record+json";
    CHECK(dsse_sign(keys.signing, type, payload) == documented("node-record"));
    check_envelope("node-record", type);
    nlohmann::json details;
    const NodeRecord opened =
        open_node_record(documented("node-record"), {keys.signing.verify_key()}, "n1", details);
    CHECK(opened.time == kTime);
    CHECK(opened.subject == "job:17");
    CHECK(details.at("witness") == nlohmann::json::parse(documented("witness")));
}
