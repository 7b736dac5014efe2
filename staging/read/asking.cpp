#include "staging/read/asking.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>

#include "core/base/error.h"
#include "staging/read/delivery.h"

namespace staging {
namespace {

// Beside the file, what it inflates to and the shared memory (which is mapped already): elements, codecs.
constexpr std::uint64_t kWorkingMemory = 96 << 20;
// What tables and archives are decompressed with: zstd looks back 128 MiB at most by default (zstd --long=27).
constexpr std::uint64_t kWindow = 160 << 20;

// How often a file is read before the machine, or the file, is said to be at fault.
constexpr int kMachineTries = 3, kFileTries = 2;

// Whether the machine cannot read a file, as a worker has said of it.
bool machine_cannot_read(int fd, std::uint64_t bytes) {
    core::Bytes buffer(std::min<std::uint64_t>(bytes, 1 << 20));
    for (std::uint64_t at = 0; at < bytes;) {
        const ssize_t got = ::pread(fd, buffer.data(), buffer.size(), static_cast<off_t>(at));
        if (got < 0) return is_machines_fault(errno);
        if (got == 0) return false;
        at += static_cast<std::uint64_t>(got);
    }
    return false;
}

}  // namespace

Record refusal(Reason reason, std::string_view detail, std::uint64_t row) {
    Record record;
    record.reason = reason;
    record.detail = detail;
    record.row = row;
    return record;
}

std::optional<Reason> Tries::verdict(Ended ended) {
    switch (ended) {
        case Ended::answered:
            return Reason::none;
        case Ended::spent:
            return Reason::time_limit;
        case Ended::died:
            if (++died_ >= kFileTries) return Reason::worker_died;
            return std::nullopt;
        case Ended::killed:
            return machine("its reader was killed, as the kernel does when memory is short");
        case Ended::stuck:
            return machine("its reader got no answer from the file system");
    }
    return Reason::worker_died;
}

std::optional<Reason> Tries::io_error(int fd, std::uint64_t bytes) {
    if (machine_cannot_read(fd, bytes)) return machine("it could not be read: an input/output error");
    return verdict(Ended::died);
}

std::optional<Reason> Tries::machine(const std::string& what) {
    if (++machine_ >= kMachineTries) throw MachineFault(what + ", " + std::to_string(machine_) + " times");
    return std::nullopt;
}

core::Fd second_of(const core::Fd& file) {
    core::Fd second(::fcntl(file.get(), F_DUPFD_CLOEXEC, 0));
    if (!second.is_open()) throw MachineFault(core::with_errno("it cannot be read", errno));
    return second;
}

std::unique_ptr<Channel> open_channel(const Readers& readers, const Wanted& wanted, const Limits& limits,
                                      bool is_whole, bool is_archive) {
    core::Bytes configuration(kMessageBytes);
    Packer message(configuration);
    pack(message, wanted, limits);
    configuration.resize(message.size());
    Budget budget;
    budget.bulk_bytes = wanted.is_table() ? 0 : limits.pixel_bytes;
    budget.memory_bytes = (wanted.is_table() ? 4 * limits.row_bytes : limits.inflated_bytes) +
                          (is_whole ? limits.file_bytes : 0) + kWorkingMemory +
                          (wanted.is_table() || is_archive ? kWindow : 0);
    budget.seconds = limits.seconds;
    return std::make_unique<Channel>(readers, std::move(configuration), budget);
}

core::Bytes message_of(Channel& channel, std::uint64_t bytes) {
    const auto shared = channel.region().messages().first(bytes);
    return {shared.begin(), shared.end()};
}

Reached reached(Unpacker& in, const std::string& name) {
    switch (in.get<Listed>()) {
        case Listed::not_yet:
            return {true, Reason::none};
        case Listed::here:
            return {false, in.text() == name ? Reason::none : Reason::changed_while_read};
        case Listed::end:
            return {false, Reason::changed_while_read};
        case Listed::refused: {
            const Reason reason = reason_of(in);
            if (reason == Reason::none) break;
            return {false, reason};
        }
    }
    throw std::out_of_range("not what a worker writes");
}

Reason reason_of(Unpacker& in) {
    const auto reason = in.get<Reason>();
    if (reason >= Reason::count_) throw std::out_of_range("not what a worker writes");
    return reason;
}

}  // namespace staging
