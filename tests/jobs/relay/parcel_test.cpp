#include "jobs/relay/parcel.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "core/base/error.h"

using namespace jobs;
using Catch::Contains;
using core::Error;
using core::Fault;
using nlohmann::json;

namespace {

// What was written is what will be read; at its end the other side is gone.
class Tape : public Stream {
public:
    explicit Tape(std::string text = "") : bytes(std::move(text)) {}
    void read(char* buffer, std::size_t size) override {
        if (bytes.size() - at < size) throw Error(Fault::system, "gone");
        bytes.copy(buffer, size, at);
        at += size;
    }
    void write(std::string_view more) override { bytes += more; }
    std::string bytes;
    std::size_t at = 0;
};

Relayed alice() {
    return {"", HostKind::researchers, {}, 70001, "e-alice", "alice", {true}};
}

class Folder {
public:
    Folder() {
        char name[] = "/tmp/aloft-parcel-XXXXXX";
        path = ::mkdtemp(name);
    }
    ~Folder() { std::filesystem::remove_all(path); }
    core::Fd file(const std::string& text) const {
        core::write_atomically(path / "file", text, 0600);
        return core::open_regular(path / "file");
    }
    std::filesystem::path path;
};

std::string framed(const std::string& text) {
    return std::string{static_cast<char>(text.size() >> 24), static_cast<char>(text.size() >> 16),
                       static_cast<char>(text.size() >> 8), static_cast<char>(text.size())} +
           text;
}

json good_head() {
    return {{"version", 1}, {"line", 3}, {"files", {5}}, {"caller", to_json(alice())}};
}

}  // namespace

TEST_CASE("a request arrives as it was sent, with its files and who asks") {
    const Folder folder;
    std::vector<core::Fd> files;
    files.push_back(folder.file("some bytes"));
    Tape tape;
    send_body(tape, send_head(tape, alice(), "{}\n", files), "{}\n", files);
    const Head head = receive_head(tape, 100);
    REQUIRE(head.caller);
    CHECK(to_json(*head.caller) == to_json(alice()));
    CHECK(receive_line(tape, head) == "{}\n");
    REQUIRE(head.file_bytes == std::vector<std::uint64_t>{10});
    const Spool spool(folder.path / "spool");
    spool.prepare();
    const core::Fd file = spool.receive(tape, head.file_bytes[0]);
    char text[20];
    CHECK(std::string(text, static_cast<std::size_t>(::pread(file.get(), text, sizeof text, 0))) ==
          "some bytes");
    CHECK(::write(file.get(), "x", 1) < 0);
    CHECK(tape.at == tape.bytes.size());
    CHECK(std::filesystem::is_empty(folder.path / "spool"));
}

TEST_CASE("a request that breaks off anywhere is an error, and nothing else") {
    const Folder folder;
    const Spool spool(folder.path / "spool");
    spool.prepare();
    Tape whole;
    std::vector<core::Fd> files;
    files.push_back(folder.file("12345"));
    send_body(whole, send_head(whole, alice(), "{}\n", files), "{}\n", files);
    for (std::size_t length = 0; length < whole.bytes.size(); ++length) {
        Tape cut(whole.bytes.substr(0, length));
        CHECK_THROWS_AS(
            [&] {
                const Head head = receive_head(cut, 100);
                receive_line(cut, head);
                for (const std::uint64_t bytes : head.file_bytes) spool.receive(cut, bytes);
            }(),
            Error);
    }
}

TEST_CASE("whatever byte of a head is changed, it is refused or stays within its limits") {
    const std::string good = framed(good_head().dump());
    for (std::size_t at = 0; at < good.size(); ++at)
        for (const int change : {0x01, 0x02, 0x10, 0x40, 0x80, 0xff}) {
            Tape tape(good + std::string(kHeadLimitBytes, ' '));
            tape.bytes[at] = static_cast<char>(tape.bytes[at] ^ change);
            try {
                const Head head = receive_head(tape, 100);
                CHECK(head.line_bytes >= 1);
                CHECK(head.line_bytes <= 100);
                CHECK(head.files() <= kFilesLimitBytes);
                CHECK(head.file_bytes.size() <= 32);
            } catch (const Error& e) {
                CHECK((e.fault() == Fault::usage || e.fault() == Fault::system));
            }
        }
}

TEST_CASE("a head that is not one is refused before anything is made room for") {
    const auto with = [](const char* key, json value) {
        json head = good_head();
        head[key] = std::move(value);
        return head.dump();
    };
    const auto caller = [&](const char* key, json value) {
        json one = to_json(alice());
        one[key] = std::move(value);
        return with("caller", one);
    };
    const std::string text = GENERATE_COPY(
        std::string("{}"), std::string("[]"), std::string("\xff\xfe{}"), std::string("null"),
        std::string(10000, '['), with("version", 2), with("version", "1"), with("line", 0), with("line", 101),
        with("line", -1), with("line", 1e18), with("line", 1.5), with("line", nullptr), with("files", 5),
        with("files", {-1}), with("files", {1ull << 63, 1ull << 63}), with("files", {kFilesLimitBytes, 1}),
        with("files", std::vector<int>(33, 0)), with("files", {"5"}), with("more", 1),
        with("caller", nullptr), with("caller", json::array()), caller("uid", -1), caller("uid", "0"),
        caller("uid", 4294967295u), caller("uid", 1ull << 32), caller("kind", "root"), caller("kind", 1),
        caller("account", "a b"), caller("account", "a\nb"), caller("account", std::string(65, 'a')),
        caller("host", "../x"), caller("enclaves", {"../x"}),
        caller("enclaves", std::vector<std::string>(65, "hel")), caller("in_workspace", {1}),
        caller("in_workspace", json::array()), caller("in_workspace", {true, true}), caller("more", 1));
    Tape tape(framed(text) + std::string(1000, 'x'));
    CHECK_THROWS_WITH(receive_head(tape, 100), Contains("version"));
}

TEST_CASE("a head longer than may be is not read") {
    Tape tape(std::string("\xff\xff\xff\xff", 4) + std::string(100, 'x'));
    CHECK_THROWS_WITH(receive_head(tape, 100), Contains("version"));
    CHECK(tape.at == 4);
}

TEST_CASE("a request is one line") {
    const std::string line = GENERATE("a\nb", "\na\n", "abc", "a\n\n");
    Tape tape(line);
    CHECK_THROWS_AS(receive_line(tape, Head{{}, line.size(), {}}), Error);
}

TEST_CASE("only regular files that are open for reading go along") {
    const Folder folder;
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    std::vector<core::Fd> files;
    files.emplace_back(ends[0]);
    const core::Fd other(ends[1]);
    Tape tape;
    CHECK_THROWS_WITH(send_head(tape, alice(), "{}\n", files), Contains("not a regular file"));
    CHECK(tape.bytes.empty());
}

TEST_CASE("a file that becomes shorter while it is read ends the request") {
    const Folder folder;
    std::vector<core::Fd> files;
    files.push_back(folder.file("1234567890"));
    Tape tape;
    const Head head = send_head(tape, alice(), "{}\n", files);
    REQUIRE(::truncate((folder.path / "file").c_str(), 3) == 0);
    CHECK_THROWS_WITH(send_body(tape, head, "{}\n", files), Contains("became shorter"));
}

TEST_CASE("a turn is one of two bytes") {
    for (int byte = 0; byte < 256; ++byte) {
        Tape tape(std::string(1, static_cast<char>(byte)));
        if (byte == 'g' || byte == 'r')
            CHECK(static_cast<int>(receive_turn(tape)) == byte);
        else
            CHECK_THROWS_AS(receive_turn(tape), Error);
    }
}

TEST_CASE("a spool that others could enter is refused, and one without room too") {
    const Folder folder;
    std::filesystem::create_directory(folder.path / "open");
    ::chmod((folder.path / "open").c_str(), 0755);
    CHECK_THROWS_WITH(Spool(folder.path / "open").prepare(), Contains("0700"));
    const Spool spool(folder.path / "spool");
    spool.prepare();
    CHECK_NOTHROW(spool.check_room(0));
    CHECK_THROWS_WITH(spool.check_room(1ull << 62), Contains("not enough room"));
}
