#include "slurm/session/account.h"

#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/base/error.h"

namespace slurm {
namespace {

using core::Error;
using core::Fault;

bool may_be_a_stream(int fd) {
    struct stat status {};
    if (::fstat(fd, &status)) return false;
    if (S_ISFIFO(status.st_mode)) return true;
    if (S_ISCHR(status.st_mode)) return ::isatty(fd) || status.st_rdev == makedev(1, 3);
    int family = 0;
    socklen_t size = sizeof family;
    return S_ISSOCK(status.st_mode) && ::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &size) == 0 &&
           family == AF_UNIX;
}

}  // namespace

SessionAccount session_account(const core::Site& site, uid_t uid) {
    const passwd* entry = ::getpwuid(uid);
    if (!entry)
        throw Error(Fault::refused,
                    site.with_contact("this account has no name on this host. Tell the admin"));
    SessionAccount account;
    account.uid = uid;
    account.gid = entry->pw_gid;
    account.name = entry->pw_name;
    if (account.gid == 0)
        throw Error(Fault::refused, site.with_contact("this account is in root's group. Tell the admin"));
    const auto enclave = core::enclave_of_user(site, account.name, uid);
    if (!enclave) throw Error(Fault::refused, "this account is in no enclave, so it has no session here");
    account.enclave = *enclave;
    account.workspace = site.workspaces / enclave->name / account.name;
    struct stat status {};
    if (::lstat(account.workspace.c_str(), &status) || !S_ISDIR(status.st_mode) || status.st_uid != uid)
        throw Error(Fault::refused,
                    site.with_contact("this account has no workspace on this host. Tell the admin"));
    return account;
}

std::optional<bool> is_still_in(const core::Site& site, const SessionAccount& account) noexcept {
    try {
        const auto enclave = core::enclave_of_user(site, account.name, account.uid);
        return enclave && enclave->name == account.enclave.name;
    } catch (...) {
        return std::nullopt;
    }
}

void check_streams() {
    for (int fd = 0; fd < 3; ++fd)
        if (!may_be_a_stream(fd))
            throw Error(Fault::refused,
                        "a session's input and output are a terminal or pipes, no files, folders or "
                        "network connections");
}

}  // namespace slurm
