// From where somebody may ask: an enclave's accounts from inside the fence, all others from outside it.
#include "core/base/error.h"
#include "core/policy/enclave.h"
#include "jobs/service/service.h"

namespace jobs {

using core::Error;
using core::Fault;

namespace {

[[noreturn]] void deny(const std::string& why) {
    throw Error(Fault::refused, why);
}

void check_relayed(const Peer& peer, const Relayed& relayed, const std::optional<core::Enclave>& enclave) {
    if (peer.account != relayed.account)
        deny("account " + relayed.account + " of host " + relayed.host +
             " is another one on aloftd's host; tell the admin");
    if (relayed.kind == HostKind::people) {
        if (enclave)
            deny("account " + peer.account +
                 " is an enclave's: it asks from its enclave's login host, host " + relayed.host +
                 " is for everybody else");
        return;
    }
    if (!enclave)
        deny("host " + relayed.host +
             " is for accounts of an enclave; ask from a host that is for all others");
    for (const std::string& one : relayed.enclaves)
        if (one == enclave->name) return;
    deny("host " + relayed.host + " does not speak for accounts of enclave " + enclave->name);
}

}  // namespace

// Policies are read as the admin wrote them: one that cannot be read refuses whoever might be its account.
void Service::check_way(const Peer& peer, const Operation& operation) {
    if (peer.uid == 0) {
        if (peer.relayed) deny("root of another host is nobody here; ask from an account of your own");
        return;
    }
    if (!peer.relayed && !roles().logins_apart()) return;
    const auto enclave = core::source_of_account(site_, peer.account);
    if (peer.relayed) {
        check_relayed(peer, *peer.relayed, enclave);
        if (operation.own_host)
            deny(
                "this writes files of aloftd's own host, so it is asked there, as root; no relay carries it");
    } else if (enclave && !peer.in_session) {
        deny("account " + peer.account + " is an enclave's: it asks from a fenced session (aloft-session)");
    }
}

}  // namespace jobs
