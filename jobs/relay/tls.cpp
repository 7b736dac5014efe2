#include "jobs/relay/tls.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

#include "core/base/error.h"

namespace jobs {

using core::Error;
using core::Fault;
using std::chrono::steady_clock;

namespace {

constexpr int kGoneMilliseconds = 30'000;

template <auto Function>
struct Freed {
    template <class T>
    void operator()(T* object) const noexcept {
        Function(object);
    }
};
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;

void must(bool good, const char* doing) {
    if (good) return;
    ERR_clear_error();
    throw Error(Fault::system, std::string("OpenSSL: cannot ") + doing);
}

std::optional<core::VerifyKey> key_in(const X509* certificate) {
    core::VerifyKey out;
    std::size_t size = out.bytes.size();
    EVP_PKEY* key = certificate ? X509_get0_pubkey(certificate) : nullptr;
    if (!key || EVP_PKEY_get_base_id(key) != EVP_PKEY_ED25519 ||
        EVP_PKEY_get_raw_public_key(key, out.bytes.data(), &size) != 1 || size != out.bytes.size())
        return std::nullopt;
    return out;
}

// In the place of all that OpenSSL would judge a certificate by. That the other end holds the private half, its
// handshake proves.
int is_accepted(X509_STORE_CTX* store, void* accepted) {
    const auto key = key_in(X509_STORE_CTX_get0_cert(store));
    const auto& keys = *static_cast<const std::vector<core::VerifyKey>*>(accepted);
    const bool good = key && std::any_of(keys.begin(), keys.end(),
                                         [&](const core::VerifyKey& one) { return one.bytes == key->bytes; });
    X509_STORE_CTX_set_error(store, good ? X509_V_OK : X509_V_ERR_CERT_UNTRUSTED);
    return good;
}

Certificate certificate_of(EVP_PKEY* key) {
    Certificate out(X509_new());
    must(out != nullptr, "make a certificate");
    X509_NAME* name = X509_get_subject_name(out.get());
    must(X509_set_version(out.get(), 2) == 1 && ASN1_INTEGER_set(X509_get_serialNumber(out.get()), 1) == 1 &&
             ASN1_TIME_set_string(X509_getm_notBefore(out.get()), "19700101000000Z") == 1 &&
             ASN1_TIME_set_string(X509_getm_notAfter(out.get()), "99991231235959Z") == 1 &&
             X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                        reinterpret_cast<const unsigned char*>("aloft-relay"), -1, -1,
                                        0) == 1 &&
             X509_set_issuer_name(out.get(), name) == 1 && X509_set_pubkey(out.get(), key) == 1 &&
             X509_sign(out.get(), key, nullptr) > 0,
         "make a certificate");
    return out;
}

struct Address {
    sockaddr_storage bytes{};
    socklen_t size = 0;
    int family = AF_INET;
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&bytes); }
};

Address address_of(const Endpoint& endpoint) {
    Address out;
    auto* four = reinterpret_cast<sockaddr_in*>(&out.bytes);
    auto* six = reinterpret_cast<sockaddr_in6*>(&out.bytes);
    if (::inet_pton(AF_INET, endpoint.address.c_str(), &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons(endpoint.port);
        out.size = sizeof *four;
        return out;
    }
    if (::inet_pton(AF_INET6, endpoint.address.c_str(), &six->sin6_addr) != 1)
        throw Error(Fault::usage, "relay.toml: not an address in digits");
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(endpoint.port);
    out.size = sizeof *six;
    out.family = AF_INET6;
    return out;
}

core::Fd tcp_socket(int family) {
    core::Fd out(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
    if (!out.is_open()) throw Error(Fault::system, core::with_errno("cannot make a socket", errno));
    return out;
}

int milliseconds_until(TlsStream::Time until) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - steady_clock::now());
    return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 3'600'000));
}

void set(int socket, int level, int option, int value) {
    ::setsockopt(socket, level, option, &value, sizeof value);
}

}  // namespace

TlsKeys::TlsKeys(Role role, const core::SecretKey& own, std::vector<core::VerifyKey> accepted)
    : role_(role), accepted_(std::move(accepted)), context_(SSL_CTX_new(TLS_method())) {
    SSL_CTX* context = context_.get();
    must(context != nullptr, "start");
    const core::ByteView seed = own.bytes();
    const Key key(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed.data(), seed.size()));
    must(key != nullptr, "take this host's key");
    const Certificate certificate = certificate_of(key.get());
    must(SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
             SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1 &&
             SSL_CTX_set1_sigalgs_list(context, "ed25519") == 1 &&
             SSL_CTX_use_certificate(context, certificate.get()) == 1 &&
             SSL_CTX_use_PrivateKey(context, key.get()) == 1 && SSL_CTX_set_num_tickets(context, 0) == 1,
         "take this host's key");
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    SSL_CTX_set_cert_verify_callback(context, is_accepted, &accepted_);
}

TlsStream::TlsStream(core::Fd socket, const TlsKeys& keys, Time until)
    : socket_(std::move(socket)), ssl_(SSL_new(keys.context())), until_(until) {
    must(ssl_ && SSL_set_fd(ssl_.get(), socket_.get()) == 1, "begin a connection");
    for (;;) {
        ERR_clear_error();
        const int result =
            keys.role() == TlsKeys::Role::client ? SSL_connect(ssl_.get()) : SSL_accept(ssl_.get());
        if (result == 1) return;
        if (SSL_get_verify_result(ssl_.get()) == X509_V_ERR_CERT_UNTRUSTED)
            throw Error(Fault::refused, "the other host's key is not the one in keys/relays");
        wait_after(result, "shake hands");
    }
}

core::VerifyKey TlsStream::peer_key() const {
    const Certificate certificate(SSL_get1_peer_certificate(ssl_.get()));
    const auto key = key_in(certificate.get());
    if (!key) throw Error(Fault::refused, "the other host has shown no key");
    return *key;
}

void TlsStream::allow(Time until, int watched) {
    until_ = until;
    watched_ = watched;
}

void TlsStream::finish() noexcept {
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
    ::shutdown(socket_.get(), SHUT_WR);
}

void TlsStream::read(char* buffer, std::size_t size) {
    while (size > 0) {
        ERR_clear_error();
        const int got = SSL_read(ssl_.get(), buffer, static_cast<int>(std::min<std::size_t>(size, 1 << 20)));
        if (got <= 0) {
            wait_after(got, "read");
            continue;
        }
        buffer += got;
        size -= static_cast<std::size_t>(got);
    }
}

void TlsStream::write(std::string_view bytes) {
    while (!bytes.empty()) {
        ERR_clear_error();
        const int sent = SSL_write(ssl_.get(), bytes.data(),
                                   static_cast<int>(std::min<std::size_t>(bytes.size(), 1 << 20)));
        if (sent <= 0)
            wait_after(sent, "write");
        else
            bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
}

void TlsStream::wait_after(int result, const char* doing) {
    short events = 0;
    switch (SSL_get_error(ssl_.get(), result)) {
        case SSL_ERROR_WANT_READ:
            events = POLLIN;
            break;
        case SSL_ERROR_WANT_WRITE:
            events = POLLOUT;
            break;
        default:
            ERR_clear_error();
            throw Error(Fault::system, std::string("the other relay went away, or speaks something else (") +
                                           doing + "); its log says why");
    }
    // Asked at every turn: who sends a byte a second has no more time than who sends none.
    if (steady_clock::now() >= until_) throw Error(Fault::system, "the other relay did not go on in time");
    std::array<pollfd, 2> entries{{{socket_.get(), events, 0}, {watched_, POLLRDHUP, 0}}};
    int ready;
    do ready = ::poll(entries.data(), entries.size(), milliseconds_until(until_));
    while (ready < 0 && errno == EINTR);
    if (ready < 0) throw Error(Fault::system, core::with_errno("cannot wait for the other relay", errno));
    if (ready == 0) throw Error(Fault::system, "the other relay did not go on in time");
    if (entries[1].revents) throw Error(Fault::system, "whoever asked is gone");
}

core::Fd connect_by_tcp(const Endpoint& to, TlsStream::Time until) {
    const Address address = address_of(to);
    core::Fd out = tcp_socket(address.family);
    const auto fail = [](int error) {
        throw Error(Fault::system, core::with_errno("aloftd's host is not reached from this one", error));
    };
    if (::connect(out.get(), address.get(), address.size) && errno != EINPROGRESS) fail(errno);
    pollfd entry{out.get(), POLLOUT, 0};
    int ready;
    do ready = ::poll(&entry, 1, milliseconds_until(until));
    while (ready < 0 && errno == EINTR);
    if (ready <= 0) fail(ETIMEDOUT);
    int error = 0;
    socklen_t size = sizeof error;
    if (::getsockopt(out.get(), SOL_SOCKET, SO_ERROR, &error, &size) || error) fail(error);
    ready_connection(out.get());
    return out;
}

core::Fd listen_by_tcp(const Endpoint& at) {
    const Address address = address_of(at);
    core::Fd out = tcp_socket(address.family);
    set(out.get(), SOL_SOCKET, SO_REUSEADDR, 1);
    if (address.family == AF_INET6) set(out.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (::bind(out.get(), address.get(), address.size) || ::listen(out.get(), 256))
        throw Error(Fault::system, core::with_errno("cannot listen where relay.toml says", errno));
    return out;
}

std::string ready_connection(int socket) {
    set(socket, IPPROTO_TCP, TCP_NODELAY, 1);
    set(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
    set(socket, IPPROTO_TCP, TCP_KEEPIDLE, 10);
    set(socket, IPPROTO_TCP, TCP_KEEPINTVL, 5);
    set(socket, IPPROTO_TCP, TCP_KEEPCNT, 4);
    set(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, kGoneMilliseconds);
    sockaddr_storage bytes{};
    socklen_t size = sizeof bytes;
    if (::getpeername(socket, reinterpret_cast<sockaddr*>(&bytes), &size)) return "";
    std::array<char, INET6_ADDRSTRLEN> out{};
    const void* place = bytes.ss_family == AF_INET6
                            ? static_cast<const void*>(&reinterpret_cast<sockaddr_in6*>(&bytes)->sin6_addr)
                            : static_cast<const void*>(&reinterpret_cast<sockaddr_in*>(&bytes)->sin_addr);
    return ::inet_ntop(bytes.ss_family, place, out.data(), out.size()) ? out.data() : "";
}

}  // namespace jobs
