#include "jobs/relay/tls.h"

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <optional>
#include <thread>

#include "core/base/error.h"
#include "core/keys/seed.h"

using namespace jobs;
using namespace std::chrono_literals;
using Catch::Contains;
using core::Error;
using core::Fault;
using std::chrono::steady_clock;

namespace {

struct Pair {
    Pair() {
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
        one = core::Fd(ends[0]);
        other = core::Fd(ends[1]);
    }
    core::Fd one, other;
};

// What became of each end: "" or the error.
struct Outcome {
    std::string client, server;
};

Outcome meet(const TlsKeys& client, const TlsKeys& server) {
    Pair pair;
    auto served =
        std::async(std::launch::async, [&, socket = std::move(pair.other)]() mutable -> std::string {
            try {
                TlsStream stream(std::move(socket), server, steady_clock::now() + 60s);
                char word[5];
                stream.read(word, 5);
                stream.write(std::string_view(word, 5));
                stream.finish();
                return "";
            } catch (const Error& e) {
                return e.what();
            }
        });
    Outcome out;
    try {
        TlsStream stream(std::move(pair.one), client, steady_clock::now() + 60s);
        stream.write("hello");
        char word[5];
        stream.read(word, 5);
        if (std::string(word, 5) != "hello") out.client = "another word";
    } catch (const Error& e) {
        out.client = e.what();
    }
    out.server = served.get();
    return out;
}

// A host's key as it lies in its file.
struct Host {
    Host() {
        char folder[] = "/tmp/aloft-tls-XXXXXX";
        const std::filesystem::path place = ::mkdtemp(folder);
        const core::SigningKey key = core::SigningKey::generate();
        key.save(place / "relay.key");
        seed.emplace(core::load_signing_seed(place / "relay.key"));
        open = key.verify_key();
        std::filesystem::remove_all(place);
    }
    std::optional<core::SecretKey> seed;
    core::VerifyKey open;
};
// As in aloft-relay's main: OpenSSL writes with write(2).
const auto kIgnored = ::signal(SIGPIPE, SIG_IGN);

const Host kLogin, kControl, kStranger;

}  // namespace

TEST_CASE("two hosts that know each other's keys speak") {
    const TlsKeys client(TlsKeys::Role::client, *kLogin.seed, {kControl.open});
    const TlsKeys server(TlsKeys::Role::server, *kControl.seed, {kStranger.open, kLogin.open});
    const Outcome out = meet(client, server);
    CHECK(out.client.empty());
    CHECK(out.server.empty());
}

TEST_CASE("a login host whose key is not known is not listened to") {
    const TlsKeys client(TlsKeys::Role::client, *kStranger.seed, {kControl.open});
    const TlsKeys server(TlsKeys::Role::server, *kControl.seed, {kLogin.open});
    const Outcome out = meet(client, server);
    CHECK_THAT(out.server, Contains("key is not the one"));
    CHECK_FALSE(out.client.empty());
}

TEST_CASE("a host that is not aloftd's is told nothing") {
    const TlsKeys client(TlsKeys::Role::client, *kLogin.seed, {kControl.open});
    const TlsKeys server(TlsKeys::Role::server, *kStranger.seed, {kLogin.open});
    const Outcome out = meet(client, server);
    CHECK_THAT(out.client, Contains("key is not the one"));
    CHECK_FALSE(out.server.empty());
}

TEST_CASE("a client without a certificate, or of an older TLS, is refused") {
    const TlsKeys server(TlsKeys::Role::server, *kControl.seed, {kLogin.open});
    const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    Pair pair;
    auto served = std::async(std::launch::async, [&, socket = std::move(pair.other)]() mutable {
        CHECK_THROWS_AS(TlsStream(std::move(socket), server, steady_clock::now() + 60s), Error);
    });
    SSL_CTX* context = SSL_CTX_new(TLS_method());
    SSL_CTX_set_max_proto_version(context, version);
    SSL* ssl = SSL_new(context);
    SSL_set_fd(ssl, pair.one.get());
    for (int n = 0; n < 6000 && served.wait_for(10ms) != std::future_status::ready; ++n) SSL_connect(ssl);
    served.get();
    SSL_free(ssl);
    SSL_CTX_free(context);
}

TEST_CASE("bytes that are no TLS end the connection") {
    const TlsKeys server(TlsKeys::Role::server, *kControl.seed, {kLogin.open});
    const std::string bytes = GENERATE(std::string("GET / HTTP/1.0\r\n\r\n"), std::string(100, '\0'),
                                       std::string("\x16\x03\x01\xff\xff") + std::string(1000, 'x'),
                                       std::string("\x16\x03\x03\x00\x02\x01\x00", 7));
    Pair pair;
    REQUIRE(::write(pair.one.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
    ::shutdown(pair.one.get(), SHUT_WR);
    CHECK_THROWS_AS(TlsStream(std::move(pair.other), server, steady_clock::now() + 60s), Error);
}

TEST_CASE("who says nothing, or a byte at a time, has no more time than was given") {
    const TlsKeys server(TlsKeys::Role::server, *kControl.seed, {kLogin.open});
    const bool says_something = GENERATE(false, true);
    Pair pair;
    std::atomic<bool> over = false;
    auto slow = std::async(std::launch::async, [&] {
        const std::string hello = std::string("\x16\x03\x01\x02\x00", 5) + std::string(500, '\0');
        for (const char c : hello) {
            if (over) return;
            if (says_something && ::write(pair.one.get(), &c, 1) < 0) return;
            std::this_thread::sleep_for(20ms);
        }
    });
    const auto begin = steady_clock::now();
    CHECK_THROWS_WITH(TlsStream(std::move(pair.other), server, begin + 300ms), Contains("in time"));
    CHECK(steady_clock::now() - begin < 60s);
    over = true;
}

TEST_CASE("a wait ends when whoever asked is gone") {
    const TlsKeys client(TlsKeys::Role::client, *kLogin.seed, {kControl.open});
    const TlsKeys server(TlsKeys::Role::server, *kControl.seed, {kLogin.open});
    Pair pair, asker;
    auto served = std::async(std::launch::async, [&, socket = std::move(pair.other)]() mutable {
        TlsStream stream(std::move(socket), server, steady_clock::now() + 60s);
        char byte;
        CHECK_THROWS_AS(stream.read(&byte, 1), Error);  // until the client is gone
    });
    {
        TlsStream stream(std::move(pair.one), client, steady_clock::now() + 60s);
        asker.one = core::Fd();
        stream.allow(steady_clock::now() + 60s, asker.other.get());
        char byte;
        CHECK_THROWS_WITH(stream.read(&byte, 1), Contains("whoever asked is gone"));
    }
    served.get();
}
