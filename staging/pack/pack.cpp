#include "staging/pack/pack.h"

#include <algorithm>
#include <tuple>

#include "core/base/event.h"
#include "core/base/files.h"
#include "core/base/progress.h"
#include "core/shard/verify.h"
#include "staging/deid/cases.h"
#include "staging/image/fields.h"
#include "staging/image/mask.h"

namespace staging {
namespace {

constexpr std::int64_t kSamplesPerPart = 1 << 20;  // 312 MB of references

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
    return {core::shard_from_json(json.at("entry"), number), quality_from_json(json.at("quality")),
            json.at("pieces").get<std::map<std::string, std::int64_t>>()};
}

bool ShardPacker::is_complete(std::int64_t number, std::int64_t samples) const {
    if (!std::filesystem::exists(receipt_path(number))) return false;
    try {
        const core::ShardEntry entry = receipt(number).entry;
        if (entry.samples != samples) return false;
        core::verify_shard(shards_ / entry.file, entry, definition_.schema, definition_.id(), number, key_);
        return true;
    } catch (const std::exception&) {
        return false;  // whatever is wrong with it: it is written again
    }
}

void ShardPacker::write(std::int64_t number, std::vector<SampleRef> samples, core::Shared& others) const {
    std::sort(samples.begin(), samples.end(), [](const SampleRef& a, const SampleRef& b) {
        return std::tie(a.order, a.origin) < std::tie(b.order, b.origin);
    });
    core::WriterOptions options;
    options.codec = definition_.codec;
    options.env = &env_;
    core::ShardWriter writer(shards_ / core::shard_file(number), definition_.schema, definition_.id(), number,
                             key_, options);
    Receipt receipt;
    for (const SampleRef& ref : samples) {
        if (others.poll()) return;  // another rank has failed: nothing is under the shard's name yet
        core::Sample sample = spill_.sample(ref);
        if (definition_.kind == SampleKind::volume) {
            const Composite volume = spill_.composite(ref);
            finish_volume(sample, definition_, volume.spacing, volume.grid, volume.cut);
        } else if (definition_.masks)
            fit_mask(sample.fields.at(definition_.fields.size()), *definition_.masks, ref.lies.steps());
        // Stage 2 has found that the record's identifier is another person's name.
        if (std::get<core::Id16>(sample.columns[kPatientColumn]) != ref.patient)
            move_to(sample.columns, ref.patient, definition_, pseudonyms_);
        if (definition_.quasi) generalise(sample.columns, *definition_.quasi);
        receipt.quality.add(sample, definition_);
        receipt.pieces[definition_.sites.at(ref.site)] += ref.pieces;
        writer.append(std::move(sample));
    }
    receipt.entry = writer.finish();
    // Read by the enclave's accounts, to whom the key is given by other means: what is in it is sealed.
    std::filesystem::permissions(shards_ / receipt.entry.file, std::filesystem::perms(0644));
    core::verify_shard(shards_ / receipt.entry.file, receipt.entry, definition_.schema, definition_.id(),
                       number, key_);
    const nlohmann::ordered_json json{{"entry", core::to_json(receipt.entry)},
                                      {"quality", staging::to_json(receipt.quality)},
                                      {"pieces", receipt.pieces}};
    core::write_atomically(receipt_path(number), json.dump(), 0600, env_);
    core::Event("info", "shard_written")
        .with("shard", number)
        .with("samples", receipt.entry.samples)
        .with("bytes", receipt.entry.bytes);
}

std::int64_t ShardPacker::pack(const core::Comm& comm, const Plan& plan) const {
    const auto count = static_cast<std::int64_t>(plan.shards.size());
    std::int64_t reused = 0;
    // Rank 0 tells of its own share, which is like everybody's.
    core::Progress progress("pack", (count + comm.size() - 1) / comm.size());
    core::share(comm, count, [&](core::Shared& work) {
        while (const auto number = work.next()) {
            const Plan::Shard& shard = plan.shards[static_cast<std::size_t>(*number)];
            if (is_complete(*number, shard.samples)) {
                ++reused;
            } else {
                std::vector<SampleRef> samples = plan.samples->records(shard.part);
                if (static_cast<std::int64_t>(samples.size()) != shard.samples)
                    throw core::Error(core::Fault::data, "the work folder lost samples of shard " +
                                                             std::to_string(*number) +
                                                             ". Remove it and run the build again");
                write(*number, std::move(samples), work);
            }
            if (comm.is_root()) progress.advance();
        }
    });
    if (comm.is_root()) progress.finish();
    return comm.sum(reused);
}

}  // namespace staging
