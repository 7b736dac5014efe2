#include "staging/build/dry_run.h"

#include <algorithm>
#include <map>

#include "core/base/error.h"
#include "core/base/progress.h"
#include "staging/build/request.h"
#include "staging/build/stage1.h"
#include "staging/face/deface.h"

namespace staging {
namespace {

using Json = nlohmann::ordered_json;

struct Counting : Stage1Sink {
    void take(const SampleRef& ref, const core::Sample&) override { ++samples[ref.site]; }
    void take_slices(std::vector<SliceRef> slices, const core::Sample&) override {
        samples[slices.front().ref.site] += static_cast<std::int64_t>(slices.size());
    }
    void take_beside(const Beside& ref, const core::Sample&) override { ++beside[ref.site]; }
    void reject(const Rejected& one) override { ++reasons[one.site][one.reason]; }
    std::map<std::uint32_t, std::int64_t> samples, beside;
    std::map<std::uint32_t, std::map<std::string, std::int64_t>> reasons;
};

// What can still leave out a file that passes alone.
std::vector<std::string> not_looked_for(const BuildRequest& request, const Definition& definition) {
    std::vector<std::string> out{"duplicates", "conflicts"};
    if (!request.left_out.empty()) out.push_back("people_to_leave_out");
    if (definition.kind == SampleKind::volume) out.push_back("volumes");
    if (definition.labels || definition.masks) out.push_back("labels_and_masks");
    if (definition.profile.risk.suppress || definition.profile.risk.generalises())
        out.push_back("small_groups");
    return out;
}

Json run(const BuildRequest& request, const Readers& server) {
    const std::vector<DeliveryFolder> deliveries = in_order(request.deliveries);
    const Definition definition =
        Definition::load(request.dataset, names_of(deliveries), request.descriptions);
    // A template that is missing is told now; the volumes themselves are looked at by the build alone.
    if (definition.looks_for_faces()) Defacer(definition.profile.pixels.face_template);
    // The dataset's own key is not there yet, perhaps: what is written here is gone in a moment.
    const core::SecretKey run_key = core::SecretKey::generate();
    const Pseudonyms pseudonyms(core::SecretKey::load(request.keys / kPseudonymKey));
    const core::TemporaryFolder temporary("aloft-stage");
    const core::Comm alone(MPI_COMM_SELF);
    const Listing::Scan found = Listing::scan(alone, server, definition.limits, deliveries, request.options,
                                              temporary.path(), run_key, pseudonyms);
    if (std::all_of(found.deliveries.begin(), found.deliveries.end(),
                    [](const auto& one) { return one.files == 0; }))
        throw core::Error(core::Fault::data, "the deliveries hold no files at all");
    const Listing listing(temporary.path(), deliveries.size(), run_key);
    Stage1 reader(server, definition, pseudonyms, deliveries);
    Counting counting;
    core::Progress progress("dry_run", static_cast<std::int64_t>(listing.files()));
    for (std::uint64_t i = 0; i < listing.batches(); ++i) {
        const Batch batch = listing.batch(i);
        reader.read(batch, counting);
        progress.advance(static_cast<std::int64_t>(batch.names.size()));
    }
    progress.finish();

    Json taken = Json::object(), by_delivery = Json::object();
    std::map<std::string, std::int64_t> reasons;
    for (std::size_t i = 0; i < deliveries.size(); ++i) {
        const std::uint32_t site = definition.site_number(deliveries[i].name);
        const std::int64_t samples = counting.samples[site];
        if (samples) taken[deliveries[i].name] = samples;
        for (const auto& [reason, count] : counting.reasons[site]) reasons[reason] += count;
        by_delivery[deliveries[i].name] = {{"files", found.deliveries[i].files},
                                           {"passes_alone", samples},
                                           {"left_out", counting.reasons[site]}};
        if (definition.labels || definition.masks)
            by_delivery[deliveries[i].name]["labels_and_masks"] = counting.beside[site];
    }
    return {{"dataset", definition.id()},
            {"dry_run", true},
            {"files", listing.files()},
            {"deliveries", by_delivery},
            {"samples_before_duplicates", taken},
            {"quarantine", reasons},
            {"not_looked_for", not_looked_for(request, definition)}};
}

}  // namespace

Json dry_run(const BuildRequest& request, const Readers& server, const core::Comm& comm) {
    Json summary;
    core::together(comm, [&] {
        if (comm.is_root()) summary = run(request, server);
    });
    return summary;
}

bool takes_nothing(const Json& summary) {
    return summary.value("dry_run", false) && summary.at("samples_before_duplicates").empty();
}

}  // namespace staging
