#include "core/base/site.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "core/base/config.h"
#include "core/base/error.h"

namespace core {
namespace {

constexpr std::size_t kContactBytes = 200;

}  // namespace

std::string Site::with_contact(const std::string& text) const {
    return contact.empty() || text.find("the admin") == std::string::npos ? text
                                                                          : text + " (" + contact + ")";
}

Site Site::load(const std::filesystem::path& path) {
    std::filesystem::path file = path;
    if (const char* chosen = geteuid() == 0 ? nullptr : secure_getenv("ALOFT_SITE"); file.empty() && chosen)
        file = chosen;
    if (file.empty()) file = "/etc/aloft/site.toml";
    if (::access(file.c_str(), F_OK) && errno == ENOENT)
        throw Error(Fault::usage, file.string() +
                                      " is not there: Aloft is not set up on this host. What is "
                                      "missing, and what to do: aloft doctor");
    const Config config = Config::load(file);
    Site site;
    site.name = config.text("name");
    site.contact = config.text_or("contact", "");
    if (site.contact.size() > kContactBytes ||
        std::any_of(site.contact.begin(), site.contact.end(),
                    [](unsigned char c) { return c < ' ' || c == 127; }))
        throw Error(Fault::usage, file.string() + ": contact is one line of at most " +
                                      std::to_string(kContactBytes) + " bytes");
    const Config shared = config.table("shared");
    site.datasets = shared.text("datasets");
    site.workspaces = shared.text("workspaces");
    site.published = shared.text("published");
    site.spool = shared.text("spool");
    site.released = shared.text("released");
    const Config host = config.table("host");
    site.config = host.text_or("config", std::filesystem::absolute(file).parent_path().string());
    site.state = host.text_or("state", "/var/lib/aloft");
    site.socket = host.text_or("socket", "/run/aloftd/aloftd.sock");
    site.run = host.text_or("run", "/run/aloft-node");
    site.keeps_node_state = host.flag_or("keeps_node_state", false);
    site.mirror = host.text_or("mirror", "/run/aloft-mirror");
    const Config revocation = config.table("revocation");
    site.revocation_stale_seconds = revocation.integer_or("stale_seconds", 300);
    site.revocation_end_seconds =
        revocation.integer_or("end_seconds", std::max<std::int64_t>(7200, 2 * site.revocation_stale_seconds));
    if (site.revocation_end_seconds < site.revocation_stale_seconds)
        throw Error(Fault::usage,
                    file.string() + ": [revocation] end_seconds must not be less than stale_seconds");
    config.finish();
    return site;
}

}  // namespace core
