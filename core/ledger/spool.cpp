#include "core/ledger/spool.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/json.h"
#include "core/base/time.h"
#include "core/keys/host_keys.h"
#include "core/policy/names.h"

namespace core {
namespace {

constexpr std::string_view kType = "application/vnd.aloft.node-record+json";
constexpr std::size_t kDetailsLimitBytes = 16 << 10;

// HOST's folder, owned like the spool itself, so that aloftd can remove what it has collected.
std::filesystem::path open_folder(const Site& site, const std::string& host) {
    const auto folder = site.spool / host;
    if (::mkdir(folder.c_str(), 0700) && errno != EEXIST)
        throw Error(Fault::system, with_errno("cannot make the spool folder of " + host, errno));
    struct stat parent {
    }, status{};
    if (::stat(site.spool.c_str(), &parent) || ::lstat(folder.c_str(), &status) || !S_ISDIR(status.st_mode))
        throw Error(Fault::system, "the spool folder of " + host + " is not a folder");
    if (::geteuid() == 0 && status.st_uid != parent.st_uid &&
        ::lchown(folder.c_str(), parent.st_uid, parent.st_gid))
        throw Error(Fault::system, with_errno("cannot hand over the spool folder of " + host, errno));
    return folder;
}

nlohmann::json newest_witness(const Site& site) {
    try {
        return parse_json(read_text(site.mirror / "witness.json", 4096));
    } catch (const std::exception&) {
        return nullptr;  // no ledger yet, or none visible from here: the record is still worth having
    }
}

}  // namespace

std::string short_host_name() {
    char name[256] = {};
    if (::gethostname(name, sizeof name - 1)) throw Error(Fault::system, with_errno("no host name", errno));
    const std::string full(name);
    return full.substr(0, full.find('.'));
}

void spool_record(const Site& site, std::string_view kind, std::string_view subject,
                  const nlohmann::json& details, const std::string& host) {
    const std::string node = host.empty() ? short_host_name() : host;
    check_plain_name(node, "host");
    check_plain_name(kind, "kind of a record");
    const nlohmann::json payload = {
        {"id", random_id(16)}, {"node", node},       {"time", rfc3339(now_seconds())}, {"kind", kind},
        {"subject", subject},  {"details", details}, {"witness", newest_witness(site)}};
    if (!details.is_object() || details.dump().size() > kDetailsLimitBytes || subject.size() > 128)
        throw Error(Fault::bug, "a node record's subject or details are too large");
    const SigningKey key = SigningKey::load(site.config / "keys" / "node.key");
    const auto folder = open_folder(site, node);
    // Names sort in the order of writing, so that aloftd enters them in that order.
    struct timespec now {};
    ::clock_gettime(CLOCK_REALTIME, &now);
    char stamp[40];
    std::snprintf(stamp, sizeof stamp, "%012lld-%09ld-", static_cast<long long>(now.tv_sec), now.tv_nsec);
    AtomicFile file(folder / (stamp + random_id(4) + ".json"), 0600);
    file.write(view(dsse_sign(key, kType, payload.dump())));
    struct stat owner {};
    if (::geteuid() == 0 &&
        (::stat(folder.c_str(), &owner) || ::fchown(file.fd(), owner.st_uid, owner.st_gid)))
        throw Error(Fault::system, with_errno("cannot hand over a node record", errno));
    file.commit();
}

std::vector<VerifyKey> load_node_keys(const Site& site, const std::string& host) {
    return load_host_keys(site.config / "keys" / "nodes", host);
}

NodeRecord open_node_record(std::string_view envelope, const std::vector<VerifyKey>& keys,
                            std::string_view host, nlohmann::json& details) {
    const std::string payload = dsse_open(envelope, kType, keys, "a node record");
    NodeRecord record;
    try {
        const auto json = parse_json(payload);
        record.id = json.at("id").get<std::string>();
        record.node = json.at("node").get<std::string>();
        record.time = parse_rfc3339(json.at("time").get<std::string>());
        record.kind = json.at("kind").get<std::string>();
        record.subject = json.at("subject").get<std::string>();
        details = json.at("details");
        if (!json.at("witness").is_null()) details["witness"] = json.at("witness");
    } catch (const nlohmann::json::exception&) {
        throw Error(Fault::data, "a node record is signed but not of this version");
    }
    if (record.node != host) throw Error(Fault::refused, "a node record names another host than its folder");
    if (!is_plain_name(record.kind) || record.id.size() != 32 || record.subject.size() > 128 ||
        !details.is_object() || details.dump().size() > kDetailsLimitBytes + 512)
        throw Error(Fault::data, "a node record is signed but not of the form a node writes");
    return record;
}

}  // namespace core
