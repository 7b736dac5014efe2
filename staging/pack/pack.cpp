#include "staging/pack/pack.h"

#include <algorithm>
#include <tuple>

#include "core/base/event.h"
#include "core/base/files.h"
#include "core/base/progress.h"
#include "core/mpi/queue.h"
#include "core/shard/reader.h"
#include "staging/image/fields.h"

namespace staging {
namespace {

constexpr std::int64_t kSamplesPerPart = 1 << 20;  // 128 MB of references

}  // namespace

std::int64_t part_count(std::int64_t samples, std::int64_t bytes, std::int64_t target_bytes) {
    const std::int64_t by_size = (bytes + target_bytes / 2) / target_bytes,
                       by_count = samples / kSamplesPerPart + 1;
    return std::max<std::int64_t>({1, by_size, by_count});
}

std::filesystem::path ShardPacker::receipt_path(std::int64_t number) const {
    return work_ / ("receipt-" + std::to_string(number));
}

Receipt ShardPacker::receipt(std::int64_t number) const {
    const auto json = nlohmann::ordered_json::parse(core::read_text(receipt_path(number)));
    return {core::shard_from_json(json.at("entry"), number), quality_from_json(json.at("quality"))};
}

bool ShardPacker::is_complete(std::int64_t number) const {
    if (!std::filesystem::exists(receipt_path(number))) return false;
    try {
        const core::ShardEntry entry = receipt(number).entry;
        core::verify_shard(shards_ / entry.file, entry, definition_.schema, definition_.id(), number, key_);
        return true;
    } catch (const std::exception&) {
        return false;  // whatever is wrong with it: it is written again
    }
}

void ShardPacker::write(std::int64_t number, std::vector<SampleRef> samples) const {
    std::sort(samples.begin(), samples.end(), [](const SampleRef& a, const SampleRef& b) {
        return std::tie(a.order, a.origin) < std::tie(b.order, b.origin);
    });
    core::WriterOptions options;
    options.codec = definition_.codec;
    core::ShardWriter writer(shards_ / core::shard_file(number), definition_.schema, definition_.id(), number,
                             key_, options);
    Receipt receipt;
    for (const SampleRef& ref : samples) {
        core::Sample sample = spill_.sample(ref);
        if (definition_.kind == SampleKind::volume)
            if (const auto volume = spill_.composite(ref))
                finish_volume(sample, definition_, volume->spacing);
        receipt.quality.add(sample, definition_);
        writer.append(std::move(sample));
    }
    receipt.entry = writer.finish();
    // Read by the enclave's accounts, to whom the key is given by other means: what is in it is sealed.
    std::filesystem::permissions(shards_ / receipt.entry.file, std::filesystem::perms(0644));
    core::verify_shard(shards_ / receipt.entry.file, receipt.entry, definition_.schema, definition_.id(),
                       number, key_);
    const nlohmann::ordered_json json{{"entry", core::to_json(receipt.entry)},
                                      {"quality", staging::to_json(receipt.quality)}};
    core::write_atomically(receipt_path(number), json.dump());
    core::Event("info", "shard_written")
        .with("shard", number)
        .with("samples", receipt.entry.samples)
        .with("bytes", receipt.entry.bytes);
}

std::int64_t ShardPacker::pack(const core::Comm& comm, const Plan& plan) const {
    const auto count = static_cast<std::int64_t>(plan.shards.size());
    std::int64_t reused = 0;
    core::WorkQueue queue(comm, count);
    core::Progress progress("pack", comm.is_root() ? count : 0);
    core::together(comm, [&] {
        std::int64_t seen = 0;
        while (const auto number = queue.next()) {
            if (is_complete(*number))
                ++reused;
            else
                write(*number, plan.samples->records(plan.shards[static_cast<std::size_t>(*number)]));
            if (comm.is_root()) progress.advance(*number + 1 - std::exchange(seen, *number + 1));
        }
    });
    if (comm.is_root()) progress.finish();
    return comm.sum(reused);
}

}  // namespace staging
