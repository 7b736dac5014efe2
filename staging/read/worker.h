#pragma once
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/files.h"
#include "staging/read/record.h"
#include "staging/read/wanted.h"
#include "staging/sandbox/channel.h"

// What a program uses to read a delivery. Parsers run in a process of their own (staging/sandbox).
//
//   int main(int argc, char** argv) {
//       staging::Readers readers;                // first line: before flags, threads, keys and MPI
//       CLI::App app{...};
//       return core::run_mpi_tool(app, argc, argv, [&](const core::Comm& world) {
//           staging::Worker worker(readers, Wanted::attributes(profile.paths()), limits);
//           staging::Delivery delivery(folder);   // delivery.h
//           const Opened file = delivery.open(name);
//           const Record record = worker.read(file, Depth::pixels);

namespace staging {

struct Opened;  // delivery.h: a file that is known to be regular, or the reason why there is none

// The machine could not read a file, three times: the run must end, not the file be judged. The text says
// what happened and names nothing.
class MachineFault : public core::Error {
public:
    explicit MachineFault(const std::string& text) : Error(core::Fault::system, text) {}
};

// The fork server of readers of this folder's formats.
class Readers : public ForkServer {
public:
    Readers() noexcept;

protected:
    // Of a test, whose workers have been taken over.
    using ForkServer::ForkServer;
};

// One sandboxed worker at a time, replaced when it dies. One thread. `readers` must outlive it.
class Worker {
public:
    // Throws Error(system) if no worker can be started, Error(usage) if `wanted` is of a table.
    Worker(const Readers& readers, Wanted wanted, Limits limits = {});
    Worker(Worker&&) noexcept;
    ~Worker();

    // Reads a file of the format that is wanted. Never throws for what is in the file: a worker that died of
    // its own doing is tried once more, then the file is to blame. Throws Error(system) if workers cannot be
    // started any more, MachineFault if the machine kept three workers from reading. Pixels in the result are
    // valid until the next call.
    Record read(const Opened& file, Depth depth) { return read(file, nullptr, depth); }
    // The same of a pair (format.h): its header and its data.
    Record read_pair(const Opened& first, const Opened& second, Depth depth) {
        return read(second, &first, depth);
    }

    // The next file is another delivery's: it gets a worker that has seen no other.
    void renew() noexcept;

    // Workers that were replaced so far: for the report.
    std::uint64_t replaced() const noexcept;

private:
    Record read(const Opened& file, const Opened* first, Depth depth);
    Wanted wanted_;
    Limits limits_;
    std::unique_ptr<Channel> channel_;
    std::uint64_t last_pixel_bytes_ = 0;
};

// A CSV file (RFC 4180, UTF-8 with or without a byte order mark, header row, comma), parsed by a worker of
// its own, a batch of rows at a time: memory does not depend on the size of the table. Columns that are not
// wanted never leave the worker.
//   Table table(readers, Wanted::columns({"id", "radius"}), limits, delivery.open(name));
//   Record row;
//   while (table.next(row)) ...
class Table {
public:
    // Throws as Worker and its read() do. A file that cannot be opened gives one Record with the reason.
    Table(const Readers& readers, Wanted wanted, Limits limits, const Opened& file);
    // The table that is member `member` of an archive, called `name`.
    Table(const Readers& readers, Wanted wanted, Limits limits, const Opened& archive, std::uint64_t member,
          const std::string& name);
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

// A zip or tar file, read as a folder by a worker of its own, in one pass and never onto a disk. Members are numbered
// from 0 in the archive's own order; folders in it are none.
//   Archive archive(readers, wanted, limits, delivery.open(name));
//   if (archive.list([&](const std::string& name) { names.push_back(name); }) == Reason::none)
//       for (n ...) archive.read(n, names[n], Depth::header)
class Archive {
public:
    // Throws as Worker does. What cannot be opened gives its reason for every member.
    Archive(const Readers& readers, Wanted wanted, Limits limits, const Opened& file);
    Archive(Archive&&) noexcept;
    ~Archive();

    // Calls `take` with each member's name, which may hold identifiers; why it has no members at all, where it is not
    // whole: what was told before is then of no use. Throws MachineFault.
    Reason list(const std::function<void(const std::string& name)>& take);

    // One member as Worker::read gives a file; numbers may not fall. A member that is not called `name` any more is
    // changed_while_read. A worker that died begins the archive anew.
    Record read(std::uint64_t member, const std::string& name, Depth depth);

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace staging
