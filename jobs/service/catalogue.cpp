// The site's things: dataset versions, keys sealed for enclaves, enclaves, nodes' keys, the ledger itself.
#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/json.h"
#include "core/base/message.h"
#include "core/base/time.h"
#include "core/policy/names.h"
#include "jobs/release/release_copies.h"
#include "jobs/service/folder.h"
#include "jobs/service/service.h"

namespace jobs {

using core::Error;
using core::failure;
using core::Fault;
using nlohmann::json;

namespace {

constexpr std::string_view kSealType = "application/vnd.aloft.seal+json";
constexpr std::uint64_t kManifestLimitBytes = 64 << 20;

// What the catalogue's figures are made of (core/base/figures.h); the rest stays in the manifest.
json summary_of(const json& manifest) {
    const json shards =
        manifest.value("shards", json::array());  // since format 2 their number, in format 1 a list
    json summary = {{"shards", shards.is_array() ? json(shards.size()) : shards},
                    {"samples", manifest.value("samples", json(0))}};
    for (const char* name : {"bytes", "splits"})
        if (manifest.contains(name)) summary[name] = manifest.at(name);
    return summary;
}

}  // namespace

std::optional<json> Service::dataset_register(Call& call) {
    const core::DatasetName name = core::parse_dataset_name(call.text("id"));
    const std::string manifest = read_descriptor(call.descriptors[0].get(), kManifestLimitBytes);
    const std::string envelope = read_descriptor(call.descriptors[1].get(), 1 << 20);
    const std::string hash = core::to_hex(core::sha256(core::view(manifest)));
    const auto known = state_.rows("SELECT manifest_sha256 FROM datasets WHERE id = ?", {name.text()});
    // A former steward's key counts for what was registered while it was the key.
    const bool is_known = !known.empty() && known[0].at("manifest_sha256") == hash;
    const auto keys = site_.config / "keys";
    const auto stewards = is_known ? core::load_verify_keys(keys, "steward")
                                   : std::vector{core::VerifyKey::load(keys / "steward.pub")};
    const json seal =
        core::parse_json(core::dsse_open(envelope, kSealType, stewards, "the seal of " + name.text()));
    if (seal.at("dataset") != name.dataset || seal.at("version") != name.version)
        throw failure(Fault::refused, "the seal belongs to another dataset version than {}", name.text());
    if (seal.at("manifest_sha256") != hash)
        throw failure(Fault::refused,
                      "the manifest of {} is not the one that was sealed; build and seal it again",
                      name.text());
    if (!known.empty() && !is_known)
        throw failure(Fault::refused,
                      "{} is registered with another manifest; a version never changes: give it a new one",
                      name.text());
    record(call.peer.account, "dataset.registered", name.text(),
           {{"manifest_sha256", hash},
            {"sealed_at", seal.at("sealed_at")},
            {"summary", summary_of(core::parse_json(manifest))}});
    return json{{"dataset", name.text()}, {"manifest_sha256", hash}};
}

std::optional<json> Service::key_seal(Call& call) {
    const core::DatasetName name = core::parse_dataset_name(call.text("id"));
    const std::string enclave = call.text("enclave");
    const std::string sealed = call.text("sealed");  // base64 of a sealed box with 32 bytes in it
    if (core::to_base64(core::from_base64(sealed)) != sealed)
        throw failure(Fault::usage, "sealed: expected base64");
    json details = {{"enclave", enclave}, {"key_id", call.text("key_id")}, {"sealed", sealed}};
    if (call.body.contains("enclave_key")) details["enclave_key"] = call.text("enclave_key");
    record(call.peer.account, "key.sealed", name.text(), details);
    keys_changed_ = true;
    return json{{"dataset", name.text()}, {"enclave", enclave}};
}

// Enclaves, keys and roles are files that root writes, with or without `aloft admin`: what they say, and when
// that changed, belongs in the ledger however it came about.
void Service::watch_configuration() {
    namespace fs = std::filesystem;
    std::map<std::string, fs::path> files;
    std::error_code error;
    for (const char* name : {"site.toml", "roles.toml", "release.toml"})
        if (fs::exists(site_.config / name, error)) files[name] = site_.config / name;
    for (const std::string folder : {"enclaves", "keys", "keys/nodes"})
        for (const fs::path& path : list_folder(site_.config / folder))
            if (path.extension() == ".toml" || path.extension() == ".pub")
                files[folder + "/" + path.filename().string()] = path;
    std::map<std::string, std::string> known;
    for (const json& row : state_.rows("SELECT file, sha256 FROM configuration"))
        known[row.at("file").get<std::string>()] = row.at("sha256").get<std::string>();
    for (const auto& [name, path] : files) {
        record_configuration(name, path);
        known.erase(name);
        if (name.starts_with("enclaves/")) adopt_enclave(path.stem().string());
    }
    for (const auto& [name, hash] : known) record("aloftd", "configuration.removed", name, json::object());
}

// Nothing if it is on record already, is being replaced, or is not for aloftd's eyes.
void Service::record_configuration(const std::string& name, const std::filesystem::path& file) {
    std::string text;
    try {
        text = core::read_text(file, 64 << 10);
    } catch (const Error&) {
        return;
    }
    const std::string hash = core::to_hex(core::sha256(core::view(text)));
    const auto before = state_.rows("SELECT sha256 FROM configuration WHERE file = ?", {name});
    if (before.empty() || before[0].at("sha256") != hash)
        record("aloftd", "configuration.changed", name, {{"sha256", hash}, {"text", text}});
}

std::optional<json> Service::audit_head(Call&) {
    ledger_.checkpoint();
    commit();  // the witness is of what is on disk
    return json{{"witness", json::parse(ledger_.witness().to_json())}};
}

std::optional<json> Service::audit_copy(Call& call) {
    record_refusals();
    ledger_.checkpoint();
    commit();
    std::vector<core::Fd> descriptors;
    descriptors.push_back(core::open_regular(site_.state / "ledger.jsonl"));
    answer(call.caller,
           {{"ok", true},
            {"records", ledger_.committed().seq},
            {"witness", json::parse(ledger_.witness().to_json())}},
           std::move(descriptors));
    return std::nullopt;
}

// Who made one has every key: auditors see when, and by whom.
std::optional<json> Service::backup_made(Call& call) {
    record(call.peer.account, "backup.made", "backup",
           with_login(call, {{"sha256", call.text("sha256")}, {"records", call.integer("records")}}));
    return json{{"sha256", call.text("sha256")}};
}

// On record before it is done: a crash in between leaves a text that can be erased again.
std::optional<json> Service::text_erase(Call& call) {
    const std::string subject = call.text("id");
    record(call.peer.account, "text.erased", subject, with_login(call, {{"reason", call.text("reason")}}));
    commit();
    // The reason for erasing belongs to the same thing, and is kept.
    const std::int64_t erased = texts_.erase(subject, "text.erased");
    return json{{"id", subject}, {"erased", erased}};
}

}  // namespace jobs
