#include "staging/work/listing.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>

#include "support/shared_folder.h"

using namespace staging;
namespace fs = std::filesystem;

// Forked before main(), so before MPI.
static const Readers readers;

namespace {

void touch(const fs::path& path, std::string_view text = "x") {
    fs::create_directories(path.parent_path());
    core::write_atomically(path, text);
}

struct Deliveries {
    explicit Deliveries(const SharedFolder& folder, const core::Comm& comm) : root(folder.path() / "in") {
        if (comm.is_root()) {
            for (int i = 0; i < 7; ++i)
                touch(root / "north/a" / std::to_string(i), std::string(static_cast<std::size_t>(i), 'x'));
            touch(root / "north/b/c/d");
            fs::create_directories(root / "south");
            touch(root / "west/only");
        }
        comm.barrier();
        for (const char* name : {"north", "south", "west"}) all.push_back({name, root / name});
    }
    fs::path root;
    std::vector<DeliveryFolder> all;
};

}  // namespace

TEST_CASE("every file is in one batch, numbered in order, the same for any ranks and batch size") {
    const core::Comm comm(MPI_COMM_WORLD);
    const SharedFolder folder(comm);
    const core::SecretKey key = folder.key();
    const Pseudonyms pseudonyms(key);
    const Deliveries in(folder, comm);
    Options options;
    options.files_per_batch = GENERATE(1U, 3U, 32U);
    const Listing::Scan scan =
        Listing::scan(comm, readers, {}, in.all, options, folder.path(), key, pseudonyms);
    CHECK(scan.deliveries[0].files == 8);
    CHECK(scan.deliveries[0].bytes == 0 + 1 + 2 + 3 + 4 + 5 + 6 + 1);
    CHECK(scan.deliveries[1].files == 0);
    CHECK(scan.deliveries[2].files == 1);
    const Listing listing(folder.path(), 3, key);
    CHECK(listing.files() == 9);
    std::vector<std::string> names;
    for (std::uint64_t i = 0; i < listing.batches(); ++i) {
        const Batch batch = listing.batch(i);
        CHECK(batch.first_file == names.size());
        CHECK(batch.delivery == (names.size() < 8 ? 0 : 2));
        names.insert(names.end(), batch.names.begin(), batch.names.end());
    }
    CHECK(names ==
          std::vector<std::string>{"a/0", "a/1", "a/2", "a/3", "a/4", "a/5", "a/6", "b/c/d", "only"});
    // One rank alone finds the same digests.
    const core::Comm alone(MPI_COMM_SELF);
    const fs::path mine = folder.path() / ("alone-" + std::to_string(comm.rank()));
    fs::create_directories(mine);
    const Listing::Scan again = Listing::scan(alone, readers, {}, in.all, Options{}, mine, key, pseudonyms);
    CHECK(again.state_digest == scan.state_digest);
    for (std::size_t i = 0; i < 3; ++i)
        CHECK(again.deliveries[i].names_digest == scan.deliveries[i].names_digest);
    comm.barrier();
}

TEST_CASE(
    "a delivery that grew, shrank or was corrected has another digest; another time only another state") {
    const core::Comm comm(MPI_COMM_WORLD);
    if (comm.size() > 1) return;
    const SharedFolder folder(comm);
    const core::SecretKey key = folder.key();
    const Pseudonyms pseudonyms(key);
    const Deliveries in(folder, comm);
    const auto scan = [&] {
        return Listing::scan(comm, readers, {}, in.all, Options{}, folder.path(), key, pseudonyms);
    };
    const Listing::Scan before = scan();
    SECTION("grew") {
        touch(in.root / "north/new");
    }
    SECTION("shrank") {
        fs::remove(in.root / "north/a/3");
    }
    SECTION("corrected") {
        touch(in.root / "north/a/3", "longer than it was");
    }
    SECTION("renamed") {
        fs::rename(in.root / "north/a/3", in.root / "north/a/03");
    }
    const Listing::Scan after = scan();
    CHECK(after.deliveries[0].names_digest != before.deliveries[0].names_digest);
    CHECK(after.deliveries[2].names_digest == before.deliveries[2].names_digest);
    CHECK(after.state_digest != before.state_digest);
    fs::last_write_time(in.root / "west/only", fs::file_time_type::clock::now() + std::chrono::hours(1));
    const Listing::Scan touched = scan();
    CHECK(touched.deliveries[2].names_digest == after.deliveries[2].names_digest);
    CHECK(touched.state_digest != after.state_digest);
}

TEST_CASE("a delivery that is not there is named") {
    const core::Comm comm(MPI_COMM_WORLD);
    const SharedFolder folder(comm);
    const core::SecretKey key = folder.key();
    const Pseudonyms pseudonyms(key);
    const std::vector<DeliveryFolder> deliveries{{"north", folder.path() / "absent"}};
    CHECK_THROWS_WITH(Listing::scan(comm, readers, {}, deliveries, Options{}, folder.path(), key, pseudonyms),
                      Catch::Contains("--delivery north"));
}

TEST_CASE("an archive's files are one batch in its place; one that is not whole is a file") {
    const core::Comm comm(MPI_COMM_WORLD);
    const SharedFolder folder(comm);
    const core::SecretKey key = folder.key();
    const fs::path root = folder.path() / "in";
    if (comm.is_root()) {
        // A tar file of one file, "in/d": header, one block, two blocks of zeros.
        std::string tar(2048, '\0');
        const auto put = [&](std::size_t at, std::string_view text) { tar.replace(at, text.size(), text); };
        put(0, "in/d");
        put(100, "0000644");
        put(124, "00000000001");
        put(148, "        ");
        put(156, "0");
        put(257, "ustar");
        put(263, "00");
        unsigned sum = 0;
        for (int i = 0; i < 512; ++i) sum += static_cast<unsigned char>(tar[static_cast<std::size_t>(i)]);
        char octal[8];
        std::snprintf(octal, sizeof octal, "%06o", sum);
        put(148, std::string(octal) + '\0' + ' ');
        put(512, "x");
        touch(root / "a");
        touch(root / "b.tar", tar);
        touch(root / "c.tar", tar.substr(0, 1024));
    }
    comm.barrier();
    const std::vector<DeliveryFolder> deliveries{{"north", root}};
    const auto scan =
        Listing::scan(comm, readers, {}, deliveries, Options{}, folder.path(), key, Pseudonyms(key));
    CHECK(scan.deliveries[0].files == 3);
    CHECK(scan.deliveries[0].bytes == 1 + 2048 + 1024);
    const Listing listing(folder.path(), 1, key);
    REQUIRE(listing.batches() == 3);
    CHECK(listing.batch(0).names == std::vector<std::string>{"a"});
    CHECK(listing.batch(0).archive.empty());
    CHECK(listing.batch(1).archive == "b.tar");
    CHECK(listing.batch(1).names == std::vector<std::string>{"b.tar/in/d"});
    CHECK(listing.batch(1).inner(0) == "in/d");
    CHECK(listing.batch(2).names == std::vector<std::string>{"c.tar"});
    CHECK(listing.batch(2).first_file == 2);
}
