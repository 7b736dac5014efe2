#include "staging/read/delivery.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "staging/read/make_dicom.h"
#include "support/scratch.h"

using namespace staging;
namespace fs = std::filesystem;

namespace {

std::vector<std::string> names(const fs::path& folder) {
    std::vector<std::string> found;
    Delivery(folder).walk([&](const std::string& name) { found.push_back(name); });
    return found;
}

}  // namespace

TEST_CASE("only regular files inside the delivery are opened") {
    const test::Scratch folder, outside;
    core::write_atomically(outside / "secret", "x");
    fs::create_directories(folder / "in/deep");
    core::write_atomically(folder / "in/deep/file", "content");
    const Delivery delivery(folder.path());

    const Opened opened = delivery.open("in/deep/file");
    CHECK(opened.reason == Reason::none);
    CHECK(opened.bytes == 7);

    fs::create_symlink(outside / "secret", folder / "link");
    fs::create_symlink("in/deep/file", folder / "inner");
    fs::create_symlink(outside.path(), folder / "linked");
    fs::create_symlink("loop", folder / "loop");
    for (const char* name : {"link", "inner", "linked/secret", "loop", "loop/x"})
        CHECK(delivery.open(name).reason == Reason::symlink);

    for (const std::string& name :
         {std::string(".."), "../" + outside.path().filename().string() + "/secret",
          (outside / "secret").string(), std::string("in/../../x"), std::string("absent"),
          std::string("in/deep/file/x"), std::string(), std::string(5000, 'x')})
        CHECK(delivery.open(name).reason == Reason::unreadable);
    CHECK(delivery.open("in/../in/deep/file").reason == Reason::none);

    REQUIRE(::mkfifo((folder / "fifo").c_str(), 0600) == 0);
    const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string at = folder / "socket";
    at.copy(address.sun_path, sizeof address.sun_path - 1);
    REQUIRE(::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    for (const char* name : {"fifo", "socket", "in", "."})
        CHECK(delivery.open(name).reason == Reason::not_regular);
    ::close(socket);
    // A device is never opened; making one needs privileges that a container may lack.
    if (::mknod((folder / "device").c_str(), S_IFCHR | 0600, makedev(1, 5)) == 0)
        CHECK(delivery.open("device").reason == Reason::not_regular);
}

TEST_CASE("names may hold anything") {
    const test::Scratch folder;
    for (const std::string name : {"Wang\nA123456789", "\xa4\xfd", "-rf", " ", "a\\b", "\x1b[2J"}) {
        core::write_atomically(folder / name, "x");
        CHECK(Delivery(folder.path()).open(name).reason == Reason::none);
    }
    CHECK(names(folder.path()).size() == 6);
}

TEST_CASE("a delivery is walked in byte order of paths, links not followed") {
    const test::Scratch folder;
    for (const char* name : {"b/z", "b/a/x", "a", "b.dcm", "B", "b/a.dcm"}) {
        fs::create_directories((folder / name).parent_path());
        core::write_atomically(folder / name, "x");
    }
    fs::create_directory_symlink("b", folder / "c");
    fs::create_directories(folder / "empty");
    ::mkfifo((folder / "f").c_str(), 0600);
    const std::vector<std::string> expected{"B", "a", "b.dcm", "b/a.dcm", "b/a/x", "b/z", "c", "f"};
    CHECK(names(folder.path()) == expected);
    CHECK(std::is_sorted(expected.begin(), expected.end()));
}

TEST_CASE("folders that nest without end are one entry, and the rest is read") {
    const test::Scratch folder;
    std::string deep;
    for (int i = 0; i < 70; ++i) deep += "d/";
    fs::create_directories(folder / deep);
    core::write_atomically(folder / "z", "x");
    const std::vector<std::string> found = names(folder.path());
    REQUIRE(found.size() == 2);
    CHECK(found[0] == deep.substr(0, 2 * 65));
    CHECK(found[1] == "z");
    CHECK(Delivery(folder.path()).open(found[0]).reason == Reason::nesting_too_deep);
}

TEST_CASE("a folder that may not be read is one entry, and the rest is read") {
    if (::geteuid() == 0)
        return;  // who may read everything; tests/staging/build tries it with another account
    const test::Scratch folder;
    fs::create_directories(folder / "closed");
    core::write_atomically(folder / "z", "x");
    ::chmod((folder / "closed").c_str(), 0);
    CHECK(names(folder.path()) == std::vector<std::string>{"closed/", "z"});
    CHECK(Delivery(folder.path()).open("closed/").reason == Reason::unreadable);
    ::chmod((folder / "closed").c_str(), 0700);
}

TEST_CASE("what the machine lacks is told apart from what is wrong with a file") {
    const test::Scratch folder;
    core::write_atomically(folder / "f", "x");
    const Delivery delivery(folder.path());
    CHECK(delivery.open("absent").trouble == 0);
    rlimit before{};
    ::getrlimit(RLIMIT_NOFILE, &before);
    const int next = ::dup(0);
    const rlimit none{static_cast<rlim_t>(next), before.rlim_max};
    ::close(next);
    ::setrlimit(RLIMIT_NOFILE, &none);
    const int trouble = delivery.open("f").trouble;
    ::setrlimit(RLIMIT_NOFILE, &before);
    CHECK(trouble == EMFILE);
    CHECK(delivery.open("f").reason == Reason::none);
    for (const int machine : {EIO, ESTALE, EMFILE, ENFILE, ENOMEM, ETIMEDOUT})
        CHECK(is_machines_fault(machine));
    for (const int file : {ENOENT, EACCES, EPERM, ELOOP, ENOTDIR, EISDIR, ENAMETOOLONG})
        CHECK_FALSE(is_machines_fault(file));
}

TEST_CASE("a delivery must be a folder") {
    const test::Scratch folder;
    core::write_atomically(folder / "f", "x");
    for (const char* name : {"f", "absent"}) {
        try {
            const Delivery delivery(folder / name);
            FAIL("opened");
        } catch (const core::Error& error) {
            CHECK(error.fault() == core::Fault::usage);
            CHECK(std::string(error.what()).find(folder.path().string()) == std::string::npos);
        }
    }
}
