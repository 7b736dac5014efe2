#include "jobs/release/package.h"

#include <fcntl.h>
#include <unistd.h>

#include <map>

#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/files.h"

namespace jobs {

using nlohmann::ordered_json;

namespace {

// Copies and flushes; returns the SHA-256 of what was written.
std::string copy_out(const std::filesystem::path& from, const std::filesystem::path& to) {
    const core::Fd source = core::open_regular(from);
    core::AtomicFile copy(to, 0644);
    core::Sha256 hash;
    core::Bytes chunk(1 << 20);
    for (;;) {
        const ssize_t got = ::read(source.get(), chunk.data(), chunk.size());
        if (got < 0)
            throw core::Error(core::Fault::system,
                              core::with_errno("cannot read a copy in quarantine", errno));
        if (got == 0) break;
        const core::ByteView bytes(chunk.data(), static_cast<std::size_t>(got));
        hash.update(bytes);
        copy.write(bytes);
    }
    copy.commit();
    return core::to_hex(hash.finish());
}

const char* media_type(const std::string& type) {
    return type == "json" ? "application/json" : type == "csv" ? "text/csv" : "application/octet-stream";
}

std::string crate_metadata(const std::vector<QuarantinedFile>& files, const PackageFacts& facts) {
    ordered_json parts = ordered_json::array(), graph = ordered_json::array();
    graph.push_back({{"@id", "ro-crate-metadata.json"},
                     {"@type", "CreativeWork"},
                     {"conformsTo", {{"@id", "https://w3id.org/ro/crate/1.1"}}},
                     {"about", {{"@id", "./"}}}});
    for (const QuarantinedFile& file : files) parts.push_back({{"@id", file.name}});
    ordered_json reviewers = ordered_json::array();
    for (std::size_t i = 1; i <= facts.reviews.size(); ++i)
        reviewers.push_back({{"@id", "#review-" + std::to_string(i)}});
    graph.push_back({{"@id", "./"},
                     {"@type", "Dataset"},
                     {"identifier", facts.release},
                     {"name", facts.title},
                     {"description", "Released by " + facts.site + " from enclave " + facts.enclave +
                                         " under grant " + facts.grant},
                     {"datePublished", facts.exported},
                     {"license", "terms of grant " + facts.grant},
                     {"creator", {{"@id", "#" + facts.account}}},
                     {"isBasedOn", facts.datasets},
                     {"review", reviewers},
                     {"hasPart", parts}});
    graph.push_back({{"@id", "#" + facts.account}, {"@type", "Person"}, {"name", facts.account}});
    std::size_t number = 0;
    for (const auto& review : facts.reviews)
        graph.push_back({{"@id", "#review-" + std::to_string(++number)},
                         {"@type", "Review"},
                         {"author", {{"@type", "Person"}, {"name", review.at("account")}}},
                         {"dateCreated", review.at("time")},
                         {"reviewBody", review.at("reason")}});
    for (const QuarantinedFile& file : files)
        graph.push_back({{"@id", file.name},
                         {"@type", "File"},
                         {"contentSize", std::to_string(file.bytes)},
                         {"encodingFormat", media_type(file.type)},
                         {"sha256", file.sha256}});
    return ordered_json{{"@context", "https://w3id.org/ro/crate/1.1/context"}, {"@graph", graph}}.dump(2) +
           "\n";
}

std::string hash_of(const std::string& text) {
    return core::to_hex(core::sha256(core::view(text)));
}

std::string manifest(const std::map<std::string, std::string>& hashes) {
    std::string out;
    for (const auto& [path, hash] : hashes) out += hash + "  " + path + "\n";
    return out;
}

}  // namespace

std::string write_package(const std::filesystem::path& folder, const std::filesystem::path& quarantine,
                          const std::vector<QuarantinedFile>& files, const PackageFacts& facts) {
    const auto building = folder.parent_path() / (".tmp-" + folder.filename().string());
    std::filesystem::remove_all(building);
    core::make_directories(building / "data", 0755);
    std::map<std::string, std::string> payload, tags;
    std::uint64_t octets = 0;
    for (const QuarantinedFile& file : files) {
        const std::string hash = copy_out(quarantine / file.name, building / "data" / file.name);
        if (hash != file.sha256)
            throw core::Error(core::Fault::data,
                              file.name + ": the copy in quarantine is not what was approved");
        payload["data/" + file.name] = hash;
        octets += file.bytes;
    }
    const std::string crate = crate_metadata(files, facts);
    core::write_atomically(building / "data" / "ro-crate-metadata.json", crate, 0644);
    payload["data/ro-crate-metadata.json"] = hash_of(crate);
    octets += crate.size();
    const auto tag = [&](const std::string& name, const std::string& text) {
        core::write_atomically(building / name, text, 0644);
        tags[name] = hash_of(text);
    };
    tag("bagit.txt", "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n");
    tag("bag-info.txt",
        "Bagging-Date: " + facts.exported.substr(0, 10) + "\nExternal-Identifier: " + facts.release +
            "\nPayload-Oxum: " + std::to_string(octets) + "." + std::to_string(payload.size()) + "\n");
    tag("ledger-witness.json", facts.witness + "\n");
    tag("manifest-sha256.txt", manifest(payload));
    const std::string last = manifest(tags);
    core::write_atomically(building / "tagmanifest-sha256.txt", last, 0644);
    std::filesystem::remove_all(folder);  // of an export that was interrupted before it was recorded
    std::filesystem::rename(building, folder);
    core::sync_directory(folder.parent_path());
    return hash_of(last);
}

}  // namespace jobs
