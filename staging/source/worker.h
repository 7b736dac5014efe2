#pragma once
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "core/base/files.h"
#include "staging/source/record.h"
#include "staging/source/wanted.h"

// Parsers run in a process of their own that holds nothing worth stealing: no keys, no MPI, no network, no
// files but the one it was handed, and a system call list of reading, memory and answering. Whatever a file
// does to it, the program that started it goes on with a reason code and a fresh worker.
//
//   int main(int argc, char** argv) {
//       staging::ForkServer server;              // first line: before flags, threads, keys and MPI
//       CLI::App app{...};
//       return core::run_mpi_tool(app, argc, argv, [&](const core::Comm& world) {
//           staging::Worker worker(server, Wanted::attributes(profile.paths()), limits);
//           staging::Delivery delivery(folder);   // delivery.h
//           const Opened file = delivery.open(name);
//           const Record record = worker.read(file, Depth::pixels);

namespace staging {

struct Opened;  // delivery.h: a file that is known to be regular, or the reason why there is none

// A small process, forked while this one is still empty, that forks workers later: after MPI_Init, fork is
// unsafe, and a late fork would copy keys. It ends when this object dies or the program does.
class ForkServer {
public:
    // Does not throw, since main() has no handler yet: if it failed, the first Worker says so.
    ForkServer() noexcept;
    ForkServer(const ForkServer&) = delete;
    ForkServer& operator=(const ForkServer&) = delete;
    ~ForkServer();

private:
    friend class Channel;
    core::Fd control_;
    pid_t pid_ = -1;
    const char* failed_ = nullptr;  // doing what
};

class Channel;

// One sandboxed worker at a time, replaced when it dies. One thread. `server` must outlive it.
class Worker {
public:
    // Throws Error(system) if no worker can be started, Error(usage) if `wanted` is of a table.
    Worker(const ForkServer& server, Wanted wanted, Limits limits = {});
    Worker(Worker&&) noexcept;
    ~Worker();

    // Reads a DICOM file. Never throws for what is in the file; throws Error(system) only if workers cannot
    // be started any more. Pixels in the result are valid until the next call.
    Record read(const Opened& file, Depth depth);

    // Workers that were replaced so far: for the report.
    std::uint64_t replaced() const noexcept;

private:
    std::unique_ptr<const Wanted> wanted_;  // the channel refers to it
    Limits limits_;
    std::unique_ptr<Channel> channel_;
    std::uint64_t last_pixel_bytes_ = 0;
};

// A CSV file (RFC 4180, UTF-8 with or without a byte order mark, header row, comma), parsed by a worker of
// its own, a batch of rows at a time: memory does not depend on the size of the table. Columns that are not
// wanted never leave the worker.
//   Table table(server, Wanted::columns({"id", "radius"}), limits, delivery.open(name));
//   Record row;
//   while (table.next(row)) ...
class Table {
public:
    // Throws as Worker does. A file that cannot be opened gives one Record with the reason.
    Table(const ForkServer& server, Wanted wanted, Limits limits, const Opened& file);
    Table(Table&&) noexcept;
    ~Table();

    // The next row into `row`; false at the end. A row that is wrong comes with its reason and number and the
    // table goes on; where it cannot go on (bad_header, bad_quoting, too_many_rows, worker_died, ...), that
    // Record is the last. All rows come in the file's order.
    bool next(Record& row);

    // Digest of the whole file's bytes and their count; known once next() returned false.
    const core::Digest& file_sha256() const noexcept;
    std::uint64_t file_bytes() const noexcept;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace staging
