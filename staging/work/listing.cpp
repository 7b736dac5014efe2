#include "staging/work/listing.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "core/base/error.h"
#include "core/base/event.h"
#include "core/base/files.h"
#include "core/mpi/share.h"
#include "staging/read/archive/archive.h"
#include "staging/read/delivery.h"

namespace staging {
namespace {

constexpr char kPurpose[] = "listing";

std::filesystem::path path_of(const std::filesystem::path& work, std::size_t delivery, const char* end) {
    return work / ("listing-" + std::to_string(delivery) + end);
}

// One batch: delivery, first file, the archive, then the names, each with its length.
core::Bytes encode(const Batch& batch) {
    core::Bytes out;
    const auto number = [&](std::uint64_t value) {
        const auto* bytes = reinterpret_cast<const std::uint8_t*>(&value);
        out.insert(out.end(), bytes, bytes + sizeof value);
    };
    number(batch.delivery);
    number(batch.first_file);
    number(batch.archive.size());
    out.insert(out.end(), batch.archive.begin(), batch.archive.end());
    for (const std::string& name : batch.names) {
        number(name.size());
        out.insert(out.end(), name.begin(), name.end());
    }
    return out;
}

// Why a file cannot be read that has to do with the file; all else is the machine's, and says nothing of it.
bool is_the_files_own(int error) {
    return error == ENOENT || error == ENOTDIR || error == EACCES || error == EPERM || error == ELOOP ||
           error == ENAMETOOLONG;
}

std::string line(const std::string& name, std::uint64_t size) {
    return std::to_string(name.size()) + " " + name + " " + std::to_string(size) + "\n";
}

// The names of the files in an archive, below its own; none if it is not whole.
std::vector<std::string> names_in(const Readers& readers, const Limits& limits, const Delivery& delivery,
                                  const std::string& archive) {
    const Opened file = delivery.open(archive);
    if (file.trouble) throw MachineFault(core::with_errno("an archive cannot be opened", file.trouble));
    std::vector<std::string> names;
    const Reason reason =
        Archive(readers, Wanted::attributes({}), limits, file).list([&](const std::string& name) {
            names.push_back(archive + "/" + name);
        });
    if (reason != Reason::none) names.clear();
    return names;
}

// The names of one delivery, in batches; numbers begin at 0.
void list(const Readers& readers, const Limits& limits, const DeliveryFolder& delivery, std::size_t number,
          const Options& options, const std::filesystem::path& work, const core::SecretKey& run_key) {
    remove_file(path_of(work, number, ""), *options.disk);
    SealedWriter names(path_of(work, number, ""), run_key, kPurpose + std::to_string(number), *options.disk);
    core::AtomicFile index(path_of(work, number, ".index"), 0600, *options.disk);
    core::Bytes offsets;
    Batch batch{number, 0, {}, {}};
    std::uint64_t next = 0;
    const auto flush = [&] {
        if (batch.names.empty()) return;
        const std::uint64_t offset = names.append(encode(batch));
        const auto* bytes = reinterpret_cast<const std::uint8_t*>(&offset);
        offsets.insert(offsets.end(), bytes, bytes + sizeof offset);
        if (offsets.size() >= 1 << 16) {
            index.write(offsets);
            offsets.clear();
        }
        batch = {number, next, {}, {}};
    };
    try {
        const Delivery folder(delivery.folder);
        Delivery(delivery.folder).walk([&](const std::string& name) {
            if (is_archive_name(name)) {
                if (auto inside = names_in(readers, limits, folder, name); !inside.empty()) {
                    flush();
                    next += inside.size();
                    batch.names = std::move(inside);
                    batch.archive = name;
                    return flush();
                }
            }
            batch.names.push_back(name);
            ++next;
            if (batch.names.size() == options.files_per_batch) flush();
        });
    } catch (const core::Error& e) {
        throw core::Error(e.fault(), "--delivery " + delivery.name + ": " + e.what());
    }
    flush();
    index.write(offsets);
    index.commit();
}

}  // namespace

Listing::Scan Listing::scan(const core::Comm& comm, const Readers& readers, const Limits& limits,
                            const std::vector<DeliveryFolder>& deliveries, const Options& options,
                            const std::filesystem::path& work, const core::SecretKey& run_key,
                            const Pseudonyms& pseudonyms) {
    core::share(comm, static_cast<std::int64_t>(deliveries.size()), [&](core::Shared& work_of) {
        while (const auto i = work_of.next())
            list(readers, limits, deliveries[static_cast<std::size_t>(*i)], static_cast<std::size_t>(*i),
                 options, work, run_key);
    });
    std::optional<Listing> listing;
    core::together(comm, [&] { listing.emplace(work, deliveries.size(), run_key, *options.disk); });

    std::vector<core::Id16> names(deliveries.size());
    core::Id16 state{};
    std::vector<std::int64_t> files(deliveries.size()), bytes(deliveries.size());
    core::share(comm, static_cast<std::int64_t>(listing->batches()), [&](core::Shared& work_of) {
        std::vector<core::Fd> folders(deliveries.size());
        while (const auto number = work_of.next()) {
            const Batch& batch = listing->batch(static_cast<std::uint64_t>(*number));
            core::Fd& folder = folders[batch.delivery];
            const DeliveryFolder& delivery = deliveries[batch.delivery];
            const auto cannot = [&](const char* doing) {
                throw core::Error(
                    core::Fault::system,
                    core::with_errno("--delivery " + delivery.name + ": cannot " + doing, errno));
            };
            if (!folder.is_open())
                folder = core::Fd(
                    options.disk->open(delivery.folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0));
            if (!folder.is_open()) cannot("open its folder");
            // Of an archive's files nothing but the archive is to be looked at.
            struct stat status {};
            bool readable = false;
            for (std::size_t i = 0; i < batch.names.size(); ++i) {
                const std::string& name = batch.names[i];
                const std::string& entry = batch.archive.empty() ? name : batch.archive;
                const bool is_known = !batch.archive.empty() && i > 0;
                const int failed = is_known ? 0
                                            : options.disk->fstatat(folder.get(), entry.c_str(), &status,
                                                                    AT_SYMLINK_NOFOLLOW);
                if (failed && !is_the_files_own(errno)) cannot("look at its files");
                const std::uint64_t size =
                    !failed && S_ISREG(status.st_mode) ? static_cast<std::uint64_t>(status.st_size) : 0;
                // A file that becomes readable is another delivery, too.
                if (!is_known) {
                    readable = !failed && options.disk->faccessat(folder.get(), entry.c_str(), R_OK,
                                                                  AT_EACCESS | AT_SYMLINK_NOFOLLOW) == 0;
                    if (!failed && !readable && !is_the_files_own(errno)) cannot("look at its files");
                }
                // Names of an archive's files may come twice: their numbers tell them apart.
                const std::string what = line(name, size) + (readable ? "" : "unreadable\n") +
                                         (batch.archive.empty() ? "" : std::to_string(i) + "\n");
                core::join_digest(names[batch.delivery],
                                  pseudonyms.of("listed", core::view(delivery.name), core::view(what)));
                core::join_digest(
                    state, pseudonyms.of("listed state", core::view(delivery.name),
                                         core::view(what + std::to_string(status.st_mtim.tv_sec) + "." +
                                                    std::to_string(status.st_mtim.tv_nsec))));
                ++files[batch.delivery];
                if (!is_known) bytes[batch.delivery] += static_cast<std::int64_t>(size);
            }
        }
    });
    Scan out;
    std::string all;
    comm.exclusive_or(state);
    for (std::size_t i = 0; i < deliveries.size(); ++i) {
        comm.exclusive_or(names[i]);
        out.deliveries.push_back({static_cast<std::uint64_t>(comm.sum(files[i])),
                                  static_cast<std::uint64_t>(comm.sum(bytes[i])), core::to_hex(names[i])});
        if (out.deliveries.back().files == 0 && comm.is_root())
            core::Event("warning", "empty_delivery").with("delivery", deliveries[i].name);
        all += deliveries[i].name + " " + std::to_string(out.deliveries.back().files) + "\n";
    }
    out.state_digest = core::to_hex(pseudonyms.of("listed state", state, core::view(all)));
    return out;
}

Listing::Listing(const std::filesystem::path& work, std::size_t deliveries, const core::SecretKey& run_key,
                 Disk& disk)
    : disk_(disk) {
    for (std::size_t i = 0; i < deliveries; ++i) {
        Part part{SealedReader(path_of(work, i, ""), run_key, kPurpose + std::to_string(i), disk),
                  open_to_read(path_of(work, i, ".index"), disk), batches_, files_};
        const std::uint64_t count = size_of(part.index, disk) / sizeof(std::uint64_t);
        if (count) {
            const Batch last = read(part, count - 1);
            files_ += last.first_file + last.names.size();
        }
        batches_ += count;
        parts_.push_back(std::move(part));
    }
}

Batch Listing::read(const Part& part, std::uint64_t number) const {
    std::uint64_t offset = 0;
    if (!read_at(part.index, &offset, sizeof offset, number * sizeof offset, disk_))
        throw core::Error(core::Fault::data, "the listing in the work folder is cut short");
    const core::Bytes bytes = part.names.at(offset);
    Batch out;
    std::size_t at = 0;
    const auto next = [&] {
        std::uint64_t value = 0;
        if (at + sizeof value > bytes.size()) throw core::Error(core::Fault::bug, "the listing is cut short");
        std::memcpy(&value, bytes.data() + at, sizeof value);
        at += sizeof value;
        return value;
    };
    out.delivery = next();
    out.first_file = next();
    const auto text = [&] {
        const std::uint64_t length = next();
        if (length > bytes.size() - at) throw core::Error(core::Fault::bug, "the listing is cut short");
        std::string read(reinterpret_cast<const char*>(bytes.data()) + at, length);
        at += length;
        return read;
    };
    out.archive = text();
    while (at < bytes.size()) out.names.push_back(text());
    return out;
}

const Batch& Listing::batch(std::uint64_t number) const {
    if (last_number_ == number) return last_;
    const auto after =
        std::upper_bound(parts_.begin(), parts_.end(), number,
                         [](std::uint64_t n, const Part& part) { return n < part.first_batch; });
    const Part& part = *(after - 1);  // of several that begin there, the last: the others are empty
    last_number_.reset();
    last_ = read(part, number - part.first_batch);
    last_.first_file += part.first_file;
    last_number_ = number;
    return last_;
}

}  // namespace staging
