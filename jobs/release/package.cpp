#include "jobs/release/package.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <map>

#include "core/base/accounts.h"
#include "core/base/bytes.h"
#include "core/base/error.h"
#include "core/base/files.h"

namespace jobs {

using nlohmann::ordered_json;

namespace {

// Copies and flushes; returns the SHA-256 of what was written.
std::string copy_out(const std::filesystem::path& from, const std::filesystem::path& to) {
    const core::Fd source = core::open_regular(from);
    core::AtomicFile copy(to, 0640);
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
    for (const GateType& each : gate_types())
        if (type == each.type) return each.media_type;
    return "application/octet-stream";
}

std::string crate_metadata(const std::vector<LeavingFile>& files, const PackageFacts& facts) {
    ordered_json parts = ordered_json::array(), graph = ordered_json::array();
    graph.push_back({{"@id", "ro-crate-metadata.json"},
                     {"@type", "CreativeWork"},
                     {"conformsTo", {{"@id", "https://w3id.org/ro/crate/1.1"}}},
                     {"about", {{"@id", "./"}}}});
    for (const LeavingFile& file : files) parts.push_back({{"@id", file.name}});
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
    for (const LeavingFile& file : files)
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

// To the folder and all that is in it.
void give_to_group(const std::filesystem::path& folder, const std::string& group) {
    if (group.empty()) return;
    const auto gid = core::number_of_group(group);
    if (!gid)
        throw core::Error(core::Fault::system,
                          "the group " + group + " of release.toml does not exist on this host");
    std::vector<std::filesystem::path> paths{folder};
    for (const auto& each : std::filesystem::recursive_directory_iterator(folder))
        paths.push_back(each.path());
    for (const auto& path : paths)
        if (::lchown(path.c_str(), static_cast<uid_t>(-1), *gid))
            throw core::Error(core::Fault::system,
                              core::with_errno("a package cannot be given to the group " + group +
                                                   " (aloftd's account must be a member)",
                                               errno));
}

}  // namespace

std::filesystem::path building_folder(const std::filesystem::path& package) {
    return package.parent_path() / (".tmp-" + package.filename().string());
}

std::string write_package(const std::filesystem::path& folder, const std::filesystem::path& quarantine,
                          const std::vector<LeavingFile>& files, const PackageFacts& facts,
                          const core::SigningKey& key) {
    std::filesystem::remove_all(folder);
    core::make_directories(folder / "data", 0750);
    std::map<std::string, std::string> payload, tags;
    std::uint64_t octets = 0;
    for (const LeavingFile& file : files) {
        const std::string hash = copy_out(quarantine / "canonical" / file.name, folder / "data" / file.name);
        if (hash != file.sha256)
            throw core::Error(core::Fault::data,
                              file.name + ": the copy in quarantine is not what was approved");
        payload["data/" + file.name] = hash;
        octets += file.bytes;
    }
    const std::string crate = crate_metadata(files, facts);
    core::write_atomically(folder / "data" / "ro-crate-metadata.json", crate, 0640);
    payload["data/ro-crate-metadata.json"] = hash_of(crate);
    octets += crate.size();
    const auto tag = [&](const std::string& name, const std::string& text) {
        core::write_atomically(folder / name, text, 0640);
        tags[name] = hash_of(text);
    };
    tag("bagit.txt", "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n");
    tag("bag-info.txt",
        "Bagging-Date: " + facts.exported.substr(0, 10) + "\nExternal-Identifier: " + facts.release +
            "\nPayload-Oxum: " + std::to_string(octets) + "." + std::to_string(payload.size()) + "\n");
    tag("criteria.json", core::read_text(quarantine / "criteria.json"));
    tag("manifest-sha256.txt", manifest(payload));
    const std::string last = manifest(tags), hash = hash_of(last);
    core::write_atomically(folder / "tagmanifest-sha256.txt", last, 0640);
    const nlohmann::json statement = {{"release", facts.release},
                                      {"site", facts.site},
                                      {"exported", facts.exported},
                                      {"tagmanifest_sha256", hash}};
    core::write_atomically(folder / "package.dsse.json",
                           core::dsse_sign(key, kPackageType, statement.dump()) + "\n", 0640);
    give_to_group(folder, facts.group);
    core::sync_directory(folder);
    return hash;
}

void publish_package(const std::filesystem::path& package, const std::string& witness) {
    const auto building = building_folder(package);
    core::write_atomically(building / "ledger-witness.json", witness + "\n", 0640);
    struct stat status {};
    if (::stat(building.c_str(), &status) ||
        ::lchown((building / "ledger-witness.json").c_str(), static_cast<uid_t>(-1), status.st_gid))
        throw core::Error(core::Fault::system, core::with_errno("a package cannot be finished", errno));
    std::filesystem::remove_all(package);
    std::filesystem::rename(building, package);
    core::sync_directory(package.parent_path());
}

}  // namespace jobs
