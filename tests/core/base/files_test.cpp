#include "core/base/files.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "core/base/error.h"
#include "support/faulty_env.h"
#include "support/scratch.h"

using namespace core;

TEST_CASE("a file appears complete or not at all, wherever its writer is killed") {
    const test::Scratch folder;
    const std::string before(100000, 'a'), after(100000, 'b');
    write_atomically(folder / "f", before);
    for (int delay = 0; delay < 3000; delay += 150) {
        const pid_t child = fork();
        if (child == 0) {
            for (;;) write_atomically(folder / "f", after);
        }
        ::usleep(static_cast<useconds_t>(delay));
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);
        const std::string found = read_text(folder / "f");
        CHECK((found == before || found == after));
    }
}

TEST_CASE("without commit nothing is left behind") {
    const test::Scratch folder;
    {
        AtomicFile file(folder / "f");
        file.write(view("half"));
    }
    CHECK(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("a new file replaces nothing, and whatever fails, is there whole or not at all") {
    const test::Scratch folder;
    const auto write = [&](const std::string& text, Env& env) {
        AtomicFile file(folder / "f", 0600, env);
        file.write(view(text));
        return file.commit_new();
    };
    test::FaultyEnv sound;
    CHECK(write("first", sound));
    CHECK_FALSE(write("second", Env::real()));
    CHECK(read_text(folder / "f") == "first");
    for (int n = 1; n <= sound.calls(); ++n) {
        std::filesystem::remove(folder / "f");
        test::FaultyEnv env(n, EIO);
        CHECK_THROWS_AS(write("first", env), Error);
        env.lose_power();
        if (std::filesystem::exists(folder / "f")) CHECK(read_text(folder / "f") == "first");
    }
}

TEST_CASE("a file that is written in place of another is the one or the other, whatever fails") {
    const test::Scratch folder;
    test::FaultyEnv sound;
    write_atomically(folder / "f", "first", 0600, sound);
    CHECK(read_text(folder / "f") == "first");
    CHECK(sound.calls() > 0);
    for (int n = 1; n <= sound.calls(); ++n) {
        write_atomically(folder / "f", "first");
        test::FaultyEnv env(n, ENOSPC);
        CHECK_THROWS_WITH(write_atomically(folder / "f", "second", 0600, env),
                          Catch::Contains(folder.path().string()) && Catch::Contains("No space left"));
        env.lose_power();
        const std::string found = read_text(folder / "f");
        CHECK((found == "first" || found == "second"));
    }
}

TEST_CASE("what cannot be written is named: a file as it is to be called, what has no name not at all") {
    const test::Scratch folder;
    test::FaultyEnv env(2, ENOSPC);  // the write that follows the making
    AtomicFile file(folder / "step-7.bin", 0600, env);
    CHECK_THROWS_WITH(file.write(view("x")),
                      "cannot write " + (folder / "step-7.bin").string() + ": No space left on device");
    write_atomically(folder / "plain-name", "x");
    const Fd unwritable = open_regular(folder / "plain-name");
    CHECK_THROWS_WITH(write_all(unwritable.get(), view("x")),
                      Catch::Contains("cannot write " + (folder / "plain-name").string() + ": "));
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const Fd out(ends[1]);
    const auto before = ::signal(SIGPIPE, SIG_IGN);
    { const Fd in(ends[0]); }
    CHECK_THROWS_WITH(write_all(out.get(), view("x")), "cannot write: Broken pipe");
    ::signal(SIGPIPE, before);
}

TEST_CASE("links, FIFOs and folders are not files") {
    const test::Scratch folder;
    write_atomically(folder / "f", "x");
    std::filesystem::create_symlink(folder / "f", folder / "link");
    ::mkfifo((folder / "fifo").c_str(), 0600);
    for (const char* name : {"link", "fifo", "."}) CHECK_THROWS_AS(open_regular(folder / name), Error);
    CHECK_THROWS_AS(read_file(folder / "f", 0), Error);
}

TEST_CASE("a file has the mode that was asked for, whatever the umask") {
    const test::Scratch folder;
    const mode_t old = ::umask(0077);
    write_atomically(folder / "f", "x", 0644);
    make_directories(folder / "a/b", 0750);
    ::umask(old);
    struct stat status {};
    REQUIRE(::stat((folder / "f").c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0644);
    REQUIRE(::stat((folder / "a/b").c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0750);
}

TEST_CASE("a file's pieces are its bytes in their order, up to a limit, and its digest is of all of them") {
    const test::Scratch folder;
    std::string text((2 << 20) + 17, 'a');
    text[1 << 20] = 'b';
    write_atomically(folder / "f", text);
    for (const std::size_t limit :
         {std::size_t{0}, std::size_t{1}, std::size_t{(1 << 20) + 1}, text.size(), text.size() + 1}) {
        std::string read;
        read_pieces(
            folder / "f", [&](ByteView piece) { read += core::text(piece); }, limit);
        CHECK(read == text.substr(0, limit));
    }
    CHECK(file_sha256(folder / "f") == sha256(view(text)));
    CHECK_THROWS_AS(file_sha256(folder / "none"), Error);
}

TEST_CASE("a temporary folder is its process's own, and goes with all that is in it") {
    std::filesystem::path path;
    {
        const TemporaryFolder folder("aloft-test"), other("aloft-test");
        path = folder.path();
        CHECK(path != other.path());
        write_atomically(path / "f", "x");
        struct stat status {};
        REQUIRE(::stat(path.c_str(), &status) == 0);
        CHECK((status.st_mode & 07777) == 0700);
    }
    CHECK(!std::filesystem::exists(path));
}
