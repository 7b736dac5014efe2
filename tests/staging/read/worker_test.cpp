#include "staging/read/worker.h"

#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <zlib.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <future>
#include <thread>

#include "core/base/error.h"
#include "staging/read/delivery.h"
#include "staging/read/make_dicom.h"
#include "staging/read/processes.h"
#include "staging/sandbox/sandbox.h"
#include "support/scratch.h"

using namespace staging;
using test::Dicom;

namespace {

Dicom image(char fill = 'a') {
    Dicom file;
    file.text(0x00080060, "CS", "MR").text(0x00100020, "LO", "id").image(2, 2);
    return file.pixels(std::string(4, fill), "OB");
}

// A delivery of one file.
struct One {
    explicit One(const std::string& bytes) { core::write_atomically(folder / "f", bytes); }
    Opened open() const { return Delivery(folder.path()).open("f"); }
    test::Scratch folder;
};

template <class Condition>
bool soon(Condition condition) {
    for (int i = 0; i < 6000; ++i, std::this_thread::sleep_for(std::chrono::milliseconds(10)))
        if (condition()) return true;
    return false;
}

}  // namespace

TEST_CASE("a worker brings what is wanted, at both depths, file after file") {
    const Readers server;
    Worker worker(server, Wanted::attributes({"PatientID", "PatientSex"}));
    for (int i = 0; i < 50; ++i) {
        const char fill = static_cast<char>('a' + i % 26);
        const std::string bytes = image(fill).file();
        const One one(bytes);
        const Record header = worker.read(one.open(), Depth::header);
        REQUIRE(header.reason == Reason::none);
        CHECK(header.pixels.bytes.empty());
        CHECK(header.pixels.byte_count() == 4);
        const Record record = worker.read(one.open(), Depth::pixels);
        REQUIRE(record.reason == Reason::none);
        CHECK(record.values.size() == 2);
        CHECK(trimmed(record.values[0]->bytes) == "id");
        CHECK_FALSE(record.values[1]);
        CHECK(record.facts.modality == "MR");
        CHECK(core::text(record.pixels.bytes) == std::string(4, fill));
        CHECK(record.pixels.sha256 == core::sha256(record.pixels.bytes));
        CHECK(record.file_sha256 == core::sha256(core::view(bytes)));
        CHECK(header.file_sha256 == core::Digest{});  // it was not read whole
        CHECK(record.file_bytes == bytes.size());
    }
    CHECK(worker.replaced() == 0);
}

namespace {

// Processor time of another process.
double cpu_seconds(pid_t pid) {
    clockid_t clock;
    timespec time{};
    if (::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &time) != 0) return 0;
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// While it lives, every worker is sent `signal_number` when it is at work on a file.
class Killer {
public:
    explicit Killer(int signal_number)
        : thread_([this, signal_number] {
              while (!done_) {
                  for (const pid_t pid : test::workers())
                      if (cpu_seconds(pid) > 0.04) ::kill(pid, signal_number);
                  std::this_thread::sleep_for(std::chrono::milliseconds(3));
              }
          }) {}
    ~Killer() {
        done_ = true;
        thread_.join();
    }

private:
    std::atomic<bool> done_ = false;
    std::thread thread_;
};

// Some hundred milliseconds of work: two million items, and a digest of 115 MB.
Wanted slow_wanted() {
    return Wanted::attributes({"AdmittingDiagnosesCodeSequence[0].CodeValue"});
}
std::string slow_file() {
    std::string items;
    for (int i = 0; i < 1'900'000; ++i) items += Dicom().item_head(0xfffee000, 0);
    Dicom file;
    file.element(0x00081084, "SQ", items).element(0x00104000, "UT", std::string(100 << 20, ' '));
    return file.file();
}

}  // namespace

TEST_CASE("a worker that somebody killed is no verdict: the file is read again") {
    const Readers server;
    Worker worker(server, Wanted::attributes({}));
    const One one(image().file());
    for (const int number : {SIGKILL, SIGSEGV, SIGKILL}) {
        REQUIRE(test::workers().size() == 1);
        ::kill(test::workers()[0], number);
        CHECK(worker.read(one.open(), Depth::pixels).ok());
    }
    CHECK(worker.replaced() == 3);
}

TEST_CASE("a worker that is killed while it starts is not waited for") {
    const Readers server;
    const One one(image().file());
    const auto began = std::chrono::steady_clock::now();
    for (int round = 0; round < 10; ++round) {
        std::thread killer([] {
            for (int killed = 0; killed < 2;)
                for (const pid_t pid : test::workers()) {
                    ::kill(pid, SIGKILL);
                    ++killed;
                }
        });
        Worker worker(server, Wanted::attributes({}));  // it meets the killer here
        killer.join();
        CHECK(worker.read(one.open(), Depth::pixels).ok());
    }
    CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(300));
}

TEST_CASE("workers that are killed again and again end the run, not the file") {
    const Readers server;
    Worker worker(server, slow_wanted());
    const One slow(slow_file());
    {
        const Killer out_of_memory(SIGKILL);
        CHECK_THROWS_AS(worker.read(slow.open(), Depth::pixels), MachineFault);
    }
    const One one(image().file());
    CHECK(worker.read(one.open(), Depth::pixels).ok());
}

TEST_CASE("a file of which two workers die is to blame") {
    const Readers server;
    Worker worker(server, slow_wanted());
    const One slow(slow_file());
    {
        const Killer crash(SIGSEGV);
        CHECK(worker.read(slow.open(), Depth::pixels).reason == Reason::worker_died);
    }
    const One one(image().file());
    CHECK(worker.read(one.open(), Depth::pixels).ok());
    CHECK(worker.replaced() == 2);
}

TEST_CASE("the next delivery's files meet a worker that has seen no other") {
    const Readers server;
    Worker worker(server, Wanted::attributes({}));
    const One one(image().file());
    CHECK(worker.read(one.open(), Depth::pixels).ok());
    const auto before = test::workers();
    worker.renew();
    CHECK(worker.read(one.open(), Depth::pixels).ok());
    CHECK(test::workers() != before);
}

TEST_CASE("signals to the whole group do not reach a worker") {
    const Readers server;
    Worker worker(server, Wanted::attributes({}));
    const One one(image().file());
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGUSR1})
        for (const pid_t pid : test::workers()) ::kill(pid, number);
    CHECK(worker.read(one.open(), Depth::pixels).ok());
    CHECK(worker.replaced() == 0);
}

TEST_CASE("a file that takes too long is given up") {
    Limits limits;
    limits.seconds = 0.02;
    const Readers server;
    Worker worker(server, slow_wanted(), limits);
    const One slow(slow_file());
    CHECK(worker.read(slow.open(), Depth::pixels).reason == Reason::time_limit);
    const One one(image().file());
    CHECK(worker.read(one.open(), Depth::pixels).ok());
    CHECK(worker.replaced() == 1);
}

TEST_CASE("memory that a file would take is bounded, and the worker goes on") {
    if (kSanitized) return;  // there the address space is not limited
    Limits limits;
    limits.inflated_bytes = 1 << 20;
    const Readers server;
    Worker worker(server, Wanted::attributes({}), limits);
    // Two fragments of a frame are joined: twice 150 MB do not fit beside a file of as much.
    Dicom file("1.2.840.10008.1.2.5");
    std::string begins(75 << 20, 'x');
    begins.replace(0, 8, std::string("\x01\0\0\0\x40\0\0\0", 8));
    file.image(2, 2).fragments({begins, std::string(75 << 20, 'x')});
    const One large(file.file());
    CHECK(worker.read(large.open(), Depth::pixels).reason == Reason::memory_limit);
    const One one(image().file());
    CHECK(worker.read(one.open(), Depth::pixels).ok());
    CHECK(worker.replaced() == 0);
}

TEST_CASE("a file that changes under the reader is not read") {
    const Readers server;
    Worker worker(server, Wanted::attributes({}));
    const One one(image().file());
    const auto path = one.folder / "f";
    Opened opened = one.open();
    std::filesystem::resize_file(path, 200);
    CHECK(worker.read(opened, Depth::pixels).reason == Reason::changed_while_read);
    opened = one.open();
    std::filesystem::resize_file(path, 100000);
    CHECK(worker.read(opened, Depth::pixels).reason == Reason::changed_while_read);
    CHECK(worker.replaced() == 0);
}

TEST_CASE("what could not be opened, or is too large, is a reason without a worker's work") {
    Limits limits;
    limits.file_bytes = 100;
    const Readers server;
    Worker worker(server, Wanted::attributes({}), limits);
    const One one(image().file());
    CHECK(worker.read(one.open(), Depth::pixels).reason == Reason::too_large);
    CHECK(worker.read(Delivery(one.folder.path()).open("absent"), Depth::pixels).reason ==
          Reason::unreadable);
}

TEST_CASE("a worker holds its socket and nothing else of the program") {
    const One one(image().file());
    const core::Fd secret = core::open_regular(one.folder / "f");
    const Readers server;
    Worker worker(server, Wanted::attributes({}));
    CHECK(worker.read(one.open(), Depth::pixels).ok());
    REQUIRE(test::workers().size() == 1);
    const std::string fds = "/proc/" + std::to_string(test::workers()[0]) + "/fd";
    if (::geteuid() != 0) return;  // only root may look into a process that is not dumpable
    std::vector<std::string> open;
    for (const auto& entry : std::filesystem::directory_iterator(fds))
        open.push_back(std::filesystem::read_symlink(entry.path()).string());
    CHECK(open.size() == 4);
    for (const std::string& name : open)
        CHECK((name == "/dev/null" || name.rfind("socket:", 0) == 0 || kSanitized));
}

TEST_CASE("server and worker end with the program, however it ends") {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    const pid_t program = ::fork();
    if (program == 0) {
        const Readers server;
        Worker worker(server, Wanted::attributes({}));
        pid_t pids[2] = {test::children_of(::getpid()).at(0), test::workers().at(0)};
        if (::write(ends[1], pids, sizeof pids) != sizeof pids) ::_exit(1);
        for (;;) ::pause();
    }
    pid_t pids[2];
    REQUIRE(::read(ends[0], pids, sizeof pids) == sizeof pids);
    ::kill(program, SIGKILL);
    ::waitpid(program, nullptr, 0);
    const auto gone = [](pid_t pid) { return test::status_kb(pid, "VmSize") == 0; };
    CHECK(soon([&] { return gone(pids[0]) && gone(pids[1]); }));
    ::close(ends[0]);
    ::close(ends[1]);
}

TEST_CASE("a fork server that starts too late says so at the first worker") {
    std::promise<void> over;
    std::thread other([&] { over.get_future().wait(); });
    const Readers server;
    CHECK_THROWS_WITH(Worker(server, Wanted::attributes({})), Catch::Contains("before any thread"));
    over.set_value();
    other.join();
}

TEST_CASE("several workers live side by side") {
    const Readers server;
    Worker first(server, Wanted::attributes({"PatientID"})), second(server, Wanted::attributes({"Modality"}));
    const One one(image().file());
    CHECK(trimmed(first.read(one.open(), Depth::header).values[0]->bytes) == "id");
    CHECK(trimmed(second.read(one.open(), Depth::header).values[0]->bytes) == "MR");
    CHECK_THROWS_AS(Worker(server, Wanted::columns({"a"})), core::Error);
}

TEST_CASE("what is more than a message holds is refused, whatever the limits allow") {
    Limits limits;
    limits.value_bytes = kMostValueBytes;
    limits.fragments = 10'000'000;
    limits.elements = 100'000'000;
    limits.inflated_bytes = 1 << 30;  // and memory for the rest
    limits.seconds = 600;             // under the sanitizers, too
    std::vector<std::string> wanted;
    for (int i = 0; i < 40; ++i) wanted.push_back("0032,11" + std::to_string(10 + i));
    const Readers server;
    Worker worker(server, Wanted::attributes(wanted), limits);
    const auto read = [&](const Dicom& file) {
        const One one(file.file());
        return worker.read(one.open(), Depth::header);
    };

    // Each of the values is within its limit.
    Dicom values;
    values.text(0x00080060, "CS", "MR").image(2, 2);
    for (std::uint32_t i = 0; i < 40; ++i)
        values.element(0x00321110 + i / 10 * 16 + i % 10, "UT", std::string(kMostValueBytes, 'x'));
    Record record = read(values.pixels(std::string(4, 'a'), "OB"));
    CHECK(record.reason == Reason::value_too_large);
    CHECK(record.detail == "more than a message holds");

    const auto of_frames = [](int count) {
        const std::string frame =
            Dicom()
                .sequence(0x00209113, {Dicom().text(0x00200032, "DS", "1\\2\\3").data_set()})
                .sequence(0x00209116, {Dicom().text(0x00200037, "DS", "1\\0\\0\\0\\1\\0").data_set()})
                .sequence(0x00289110, {Dicom().text(0x00280030, "DS", "1\\1").data_set()})
                .data_set();
        Dicom file;
        file.text(0x00080060, "CS", "MR");
        file.image(1, 1, 8, 0, false, 1, "MONOCHROME2", 0, std::to_string(count));
        std::vector<std::string> frames(static_cast<std::size_t>(count), frame);
        frames[0] =
            Dicom().sequence(0x00209113, {Dicom().text(0x00200032, "DS", "4\\5\\6").data_set()}).data_set();
        return file.sequence(0x52009230, frames)
            .pixels(std::string(static_cast<std::size_t>(count), 'a'), "OB");
    };
    record = read(of_frames(100'000));
    CHECK(record.reason == Reason::none);
    CHECK(record.frames.size() == 100'000);
    record = read(of_frames(400'000));
    CHECK(record.reason == Reason::too_many_elements);
    CHECK(record.detail == "more than a message holds");
    CHECK(worker.replaced() == 0);
}

TEST_CASE("a data set inflates as far as its limit says, in the memory that this gives") {
    Dicom file;
    file.text(0x00080060, "CS", "MR").image(2, 2).element(0x00321110, "UT", std::string(280 << 20, ' '));
    const std::string plain = file.pixels(std::string(4, 'a'), "OB").data_set();
    std::string packed(compressBound(plain.size()), '\0');
    z_stream z{};
    REQUIRE(deflateInit2(&z, 1, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
    z.avail_in = static_cast<uInt>(plain.size());
    z.next_out = reinterpret_cast<Bytef*>(packed.data());
    z.avail_out = static_cast<uInt>(packed.size());
    REQUIRE(deflate(&z, Z_FINISH) == Z_STREAM_END);
    packed.resize(z.total_out);
    deflateEnd(&z);
    const One one(Dicom("1.2.840.10008.1.2.1.99").raw(packed).file());
    Limits limits;
    limits.file_bytes = 2 << 20;
    limits.inflated_bytes = 300 << 20;
    limits.inflate_ratio = 2000;
    const Readers server;
    CHECK(Worker(server, Wanted::attributes({"PatientID"}), limits).read(one.open(), Depth::pixels).reason ==
          Reason::none);
    limits.inflated_bytes = 200 << 20;
    const Record less =
        Worker(server, Wanted::attributes({"PatientID"}), limits).read(one.open(), Depth::pixels);
    CHECK(less.reason == Reason::decompression_limit);
    CHECK(less.detail == "inflated_bytes");
}
