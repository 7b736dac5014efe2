#include "jobs/service/names.h"

#include <poll.h>

#include <catch2/catch.hpp>
#include <future>
#include <semaphore>
#include <vector>

#include "core/base/error.h"
#include "core/base/files.h"

using namespace jobs;
using State = Names::Answer::State;

namespace {

// A name service: as it is told to.
struct Service {
    std::promise<void> release;
    std::shared_future<void> released = release.get_future().share();
    std::atomic<bool> hangs{false}, is_silent{false};
    std::atomic<int> asked{0};
    std::int64_t now_ms = 1'000'000;
    Names names{[this](uid_t uid) -> std::string {
        ++asked;
        if (hangs) released.wait();
        if (is_silent) throw core::Error(core::Fault::system, "no answer");
        return uid == 70001 ? "e-alice" : uid == 70002 ? "e-bob" : "uid:" + std::to_string(uid);
    }};

    void hear() {
        pollfd ready{names.fd(), POLLIN, 0};
        REQUIRE(::poll(&ready, 1, 60'000) == 1);
        names.hear(now_ms);
    }
    std::string name(uid_t uid) {
        if (names.of(uid, now_ms).state == State::asked) hear();
        const auto answer = names.of(uid, now_ms);
        return answer.state == State::known ? answer.name : "none";
    }
};

}  // namespace

TEST_CASE("a name is asked for once, and again when it is old") {
    Service service;
    CHECK(service.name(70001) == "e-alice");
    CHECK(service.name(70001) == "e-alice");
    CHECK(service.asked == 1);
    service.now_ms += 61'000;
    CHECK(service.names.of(70001, service.now_ms).state == State::asked);
    service.hear();
    CHECK(service.asked == 2);
}

TEST_CASE("who has no name may have one soon") {
    Service service;
    CHECK(service.name(4000) == "uid:4000");
    service.now_ms += 2'000;
    CHECK(service.names.of(4000, service.now_ms).state == State::asked);
    service.hear();
}

TEST_CASE("while a name service hangs who is known is known, and nobody waits in the caller's thread") {
    Service service;
    CHECK(service.name(70001) == "e-alice");
    service.hangs = true;
    CHECK(service.names.of(70002, service.now_ms).state == State::asked);
    CHECK(service.names.of(70002, service.now_ms).state == State::asked);
    CHECK(service.names.of(70001, service.now_ms).name == "e-alice");
    service.release.set_value();
    service.hear();
    CHECK(service.name(70002) == "e-bob");
    CHECK(service.asked == 2);
}

TEST_CASE("where nothing is answered a name of before counts, for an hour; others are told") {
    Service service;
    CHECK(service.name(70001) == "e-alice");
    service.is_silent = true;
    service.now_ms += 100'000;
    CHECK(service.name(70001) == "e-alice");
    CHECK(service.asked == 2);
    CHECK(service.name(70002) == "none");
    CHECK(service.names.of(70002, service.now_ms).state == State::silent);
    service.now_ms += 3'600'000;
    CHECK(service.name(70001) == "none");
    service.is_silent = false;
    service.now_ms += 10'000;
    CHECK(service.name(70002) == "e-bob");
}

TEST_CASE("where nothing is answered, who is in the host's own file has a name, also behind others") {
    core::TemporaryFolder scratch("names");
    core::write_atomically(scratch.path() / "passwd",
                           "root:x:0:0:root:/root:/bin/sh\nadmin:x:993:993::/home/admin:/bin/sh\n");
    Names names([](uid_t) -> std::string { throw core::Error(core::Fault::system, "no answer"); },
                scratch.path() / "passwd");
    for (const uid_t uid : {70001, 993, 70002}) CHECK(names.of(uid, 1000).state == State::asked);
    while (names.of(70002, 1000).state == State::asked) {
        pollfd ready{names.fd(), POLLIN, 0};
        REQUIRE(::poll(&ready, 1, 60'000) == 1);
        names.hear(1000);
    }
    CHECK(names.of(993, 1000).name == "admin");
    CHECK(names.of(70001, 1000).state == State::silent);
}

TEST_CASE("who waits behind one that is not answered does not wait as long again") {
    Service service;
    service.hangs = service.is_silent = true;
    for (const uid_t uid : {70001, 70002, 70003})
        CHECK(service.names.of(uid, service.now_ms).state == State::asked);
    service.release.set_value();
    const auto silent = [&](uid_t uid) {
        return service.names.of(uid, service.now_ms).state == State::silent;
    };
    while (!silent(70003)) service.hear();
    CHECK(silent(70001));
    CHECK(service.asked == 1);
}

TEST_CASE("who asks gets both names, though each answer is old when the next one comes") {
    std::counting_semaphore<> answers(0);
    std::atomic<int> asked{0};
    Names names([&](uid_t uid) {
        ++asked;
        answers.acquire();
        return "uid:" + std::to_string(uid);
    });
    Peer peer;
    peer.uid = 4000;
    peer.login_uid = 4001;
    std::int64_t now_ms = 1'000'000;
    int heard = 0;
    while (names.name(peer, now_ms) == State::asked && heard < 10) {
        answers.release();
        now_ms += 5'000;
        pollfd ready{names.fd(), POLLIN, 0};
        REQUIRE(::poll(&ready, 1, 60'000) == 1);
        names.hear(now_ms);
        ++heard;
    }
    answers.release(100);
    CHECK(heard == 2);
    CHECK(asked == 2);
    CHECK(peer.account == "uid:4000");
    CHECK(peer.login == "uid:4001");
}

TEST_CASE("of who asks one number alone is not answered, and that is said") {
    Service service;
    CHECK(service.name(70001) == "e-alice");
    service.is_silent = true;
    Peer peer;
    peer.uid = 70001;
    peer.login_uid = 70002;
    CHECK(service.names.name(peer, service.now_ms) == State::asked);
    service.hear();
    CHECK(service.names.name(peer, service.now_ms) == State::silent);
    peer.login_uid.reset();
    CHECK(service.names.name(peer, service.now_ms) == State::known);
    CHECK(peer.account == "e-alice");
}
