#include "core/mpi/comm.h"

#include <catch2/catch.hpp>
#include <filesystem>

using namespace core;

TEST_CASE("agree gives every rank the failure of one") {
    const Comm comm(MPI_COMM_WORLD);
    std::optional<Error> mine;
    if (comm.rank() == comm.size() - 1) mine = Error(Fault::data, "shard 7: bad checksum");
    try {
        agree(comm, mine);
        CHECK(false);
    } catch (const AgreedError& e) {
        CHECK(e.fault() == Fault::data);
        CHECK(std::string(e.what()) == "shard 7: bad checksum");
    }
}

TEST_CASE("agree lets all pass where none failed, and the lowest rank speaks where several did") {
    const Comm comm(MPI_COMM_WORLD);
    CHECK_NOTHROW(agree(comm, std::nullopt));
    CHECK_THROWS_WITH(agree(comm, Error(Fault::system, "rank " + std::to_string(comm.rank()))), "rank 0");
}

TEST_CASE("together turns any exception into the same failure everywhere") {
    const Comm comm(MPI_COMM_WORLD);
    CHECK_THROWS_AS(together(comm,
                             [&] {
                                 if (comm.rank() == 0) throw std::runtime_error("boom");
                             }),
                    AgreedError);
}

TEST_CASE("broadcast and gather carry any length, empty too") {
    const Comm comm(MPI_COMM_WORLD);
    const std::size_t length = GENERATE(0, 1, 100000);
    Bytes bytes(comm.is_root() ? length : 3, comm.is_root() ? 7 : 0);
    comm.broadcast(bytes);
    CHECK(bytes == Bytes(length, 7));
    const std::vector<Bytes> all = comm.gather(
        Bytes(length * static_cast<std::size_t>(comm.rank()), static_cast<std::uint8_t>(comm.rank())));
    CHECK(all.size() == (comm.is_root() ? static_cast<std::size_t>(comm.size()) : 0));
    for (std::size_t rank = 0; rank < all.size(); ++rank)
        CHECK(all[rank] == Bytes(length * rank, static_cast<std::uint8_t>(rank)));
}

TEST_CASE("an MPI error becomes an Error that says what was tried") {
    const Comm comm(MPI_COMM_WORLD);
    CHECK_THROWS_WITH(check_mpi(MPI_Bcast(nullptr, -1, MPI_INT, 0, comm.get()), "broadcast"),
                      Catch::Contains("cannot broadcast"));
}

TEST_CASE("what the operating system refuses the standard library is its fault, and no path is told") {
    const core::Comm comm(MPI_COMM_WORLD);
    try {
        core::together(comm, [] { (void)std::filesystem::file_size("/absent/Jane-Doe"); });
        CHECK(false);
    } catch (const core::AgreedError& e) {
        CHECK(e.fault() == core::Fault::system);
        CHECK(std::string(e.what()).find("Jane") == std::string::npos);
    }
}
