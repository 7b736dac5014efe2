#pragma once
#include <openssl/ssl.h>

#include <chrono>
#include <memory>
#include <vector>

#include "core/base/files.h"
#include "core/keys/keys.h"
#include "jobs/relay/config.h"
#include "jobs/relay/parcel.h"

// TLS 1.3 between two hosts that know each other's Ed25519 keys: no authority, no names, no expiry, and no
// resumption. A certificate is only how TLS carries a key.

namespace jobs {

// One end's Ed25519 key (its seed), and those that it accepts at the other.
class TlsKeys {
public:
    enum class Role { client, server };
    // Throws Error(system) if OpenSSL does not take them.
    TlsKeys(Role role, const core::SecretKey& own, std::vector<core::VerifyKey> accepted);
    TlsKeys(const TlsKeys&) = delete;
    TlsKeys& operator=(const TlsKeys&) = delete;

    SSL_CTX* context() const noexcept { return context_.get(); }
    Role role() const noexcept { return role_; }

private:
    struct Free {
        void operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }
    };
    Role role_;
    std::vector<core::VerifyKey> accepted_;
    std::unique_ptr<SSL_CTX, Free> context_;
};

// SIGPIPE must be ignored in this process.
class TlsStream : public Stream {
public:
    using Time = std::chrono::steady_clock::time_point;
    // Shakes hands. Throws Error(refused) if the other end has none of the accepted keys, Error(system) if it
    // does not speak TLS 1.3, goes away or takes too long. `keys` must outlive it.
    TlsStream(core::Fd socket, const TlsKeys& keys, Time until);

    // Whose key the other end has shown.
    core::VerifyKey peer_key() const;
    // How long what follows may take. With `watched`, a Unix socket, it ends too when that one's other end goes.
    void allow(Time until, int watched = -1);
    // No more is written: the other end reads to the end of it.
    void finish() noexcept;
    int socket() const noexcept { return socket_.get(); }

    void read(char* buffer, std::size_t size) override;
    void write(std::string_view bytes) override;

private:
    struct Free {
        void operator()(SSL* ssl) const noexcept { SSL_free(ssl); }
    };
    // After a call that returned `result`: waits for what it needs. Throws Error.
    void wait_after(int result, const char* doing);

    core::Fd socket_;
    std::unique_ptr<SSL, Free> ssl_;
    Time until_;
    int watched_ = -1;
};

// A connection by TCP, not blocking, whose other host is noticed to be gone within half a minute. Throws Error(system).
core::Fd connect_by_tcp(const Endpoint& to, TlsStream::Time until);
core::Fd listen_by_tcp(const Endpoint& at);
// Readies an accepted one likewise, and says who it is, as plain_address.
std::string ready_connection(int socket);

}  // namespace jobs
