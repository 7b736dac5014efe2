#include "staging/work/listing.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/base/error.h"
#include "core/base/files.h"
#include "staging/read/delivery.h"

namespace staging {
namespace {

constexpr char kPurpose[] = "listing";

// One batch: delivery, first file, then the names, each with its length.
core::Bytes encode(const Batch& batch) {
    core::Bytes out;
    const auto number = [&](std::uint64_t value) {
        const auto* bytes = reinterpret_cast<const std::uint8_t*>(&value);
        out.insert(out.end(), bytes, bytes + sizeof value);
    };
    number(batch.delivery);
    number(batch.first_file);
    for (const std::string& name : batch.names) {
        number(name.size());
        out.insert(out.end(), name.begin(), name.end());
    }
    return out;
}

// Order and times matter to nobody but this digest.
std::string line(const std::string& name, std::uint64_t size) {
    return std::to_string(name.size()) + " " + name + " " + std::to_string(size) + "\n";
}

}  // namespace

Listing::Scan Listing::scan(const std::vector<DeliveryFolder>& deliveries, std::uint64_t files_per_batch,
                            const std::filesystem::path& work, const core::SecretKey& run_key,
                            const Pseudonyms& pseudonyms) {
    std::filesystem::remove(work / "listing");
    SealedWriter names(work / "listing", run_key, kPurpose);
    core::AtomicFile index(work / "listing.index");
    Scan out;
    core::Sha256 state;
    std::uint64_t next_file = 0;
    for (std::size_t i = 0; i < deliveries.size(); ++i) {
        DeliveryCount count;
        core::Sha256 digest;
        Batch batch{i, next_file, {}};
        const auto flush = [&] {
            if (batch.names.empty()) return;
            const std::uint64_t offset = names.append(encode(batch));
            index.write({reinterpret_cast<const std::uint8_t*>(&offset), sizeof offset});
            batch = {i, next_file, {}};
        };
        state.update(core::view(deliveries[i].name + "\n"));
        Delivery(deliveries[i].folder).walk([&](const std::string& name) {
            struct stat status {};
            const bool regular =
                ::lstat((deliveries[i].folder / name).c_str(), &status) == 0 && S_ISREG(status.st_mode);
            const std::uint64_t size = regular ? static_cast<std::uint64_t>(status.st_size) : 0;
            digest.update(core::view(line(name, size)));
            state.update(core::view(line(name, size) + std::to_string(status.st_mtim.tv_sec) + "." +
                                    std::to_string(status.st_mtim.tv_nsec) + "\n"));
            ++count.files;
            count.bytes += size;
            batch.names.push_back(name);
            ++next_file;
            if (batch.names.size() == files_per_batch) flush();
        });
        flush();
        const core::Digest plain = digest.finish();
        count.names_digest = pseudonyms.file_name("delivery " + deliveries[i].name, plain);
        out.deliveries.push_back(std::move(count));
    }
    const core::Digest plain = state.finish();
    out.state_digest = pseudonyms.file_name("state", plain);
    index.commit();
    return out;
}

Listing::Listing(const std::filesystem::path& work, const core::SecretKey& run_key)
    : names_(work / "listing", run_key, kPurpose), index_(core::open_regular(work / "listing.index")) {
    struct stat status {};
    if (::fstat(index_.get(), &status))
        throw core::Error(core::Fault::system, core::with_errno("cannot examine the listing", errno));
    batches_ = static_cast<std::uint64_t>(status.st_size) / sizeof(std::uint64_t);
}

Batch Listing::batch(std::uint64_t number) const {
    std::uint64_t offset = 0;
    if (::pread(index_.get(), &offset, sizeof offset, static_cast<off_t>(number * sizeof offset)) !=
        sizeof offset)
        throw core::Error(core::Fault::system, core::with_errno("cannot read the listing", errno));
    const core::Bytes bytes = names_.at(offset);
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
    while (at < bytes.size()) {
        const std::uint64_t length = next();
        if (length > bytes.size() - at) throw core::Error(core::Fault::bug, "the listing is cut short");
        out.names.emplace_back(reinterpret_cast<const char*>(bytes.data()) + at, length);
        at += length;
    }
    return out;
}

}  // namespace staging
