#include "staging/build/accounts.h"

#include "core/base/error.h"

namespace staging {

std::vector<Parent> received(const core::Comm& comm, const Spill& spill,
                             const std::vector<DeliveryFolder>& deliveries,
                             const std::vector<DeliveryCount>& listed, const Pseudonyms& pseudonyms) {
    struct Sum {
        std::int64_t files = 0, bytes = 0, pieces = 0, blanked_frames = 0, blanked_boxes = 0;
        DeviationCounts deviations{};
        std::array<std::uint8_t, 32> digest{};
    };
    std::vector<Sum> sums(deliveries.size());
    core::together(comm, [&] {
        for (auto i = static_cast<std::size_t>(comm.rank()); i < spill.segments();
             i += static_cast<std::size_t>(comm.size()))
            spill.each_batch(i, [&](const BatchSummary& batch) {
                Sum& sum = sums.at(batch.delivery);
                sum.files += static_cast<std::int64_t>(batch.files);
                sum.bytes += static_cast<std::int64_t>(batch.bytes);
                sum.pieces +=
                    static_cast<std::int64_t>(batch.samples + batch.slices + batch.beside + batch.rejected);
                sum.blanked_frames += static_cast<std::int64_t>(batch.blanked_frames);
                sum.blanked_boxes += static_cast<std::int64_t>(batch.blanked_boxes);
                for (std::size_t k = 0; k < kDeviations; ++k) sum.deviations[k] += batch.deviations[k];
                core::join_digest(sum.digest, batch.digest);
            });
    });
    std::vector<Parent> out;
    for (std::size_t i = 0; i < deliveries.size(); ++i) {
        Parent one;
        one.delivery = deliveries[i].name;
        one.names_digest = listed.at(i).names_digest;
        one.files = static_cast<std::uint64_t>(comm.sum(sums[i].files));
        one.bytes = static_cast<std::uint64_t>(comm.sum(sums[i].bytes));
        one.pieces = comm.sum(sums[i].pieces);
        one.blanked_frames = comm.sum(sums[i].blanked_frames);
        one.blanked_boxes = comm.sum(sums[i].blanked_boxes);
        for (std::size_t k = 0; k < kDeviations; ++k)
            one.deviations[k] =
                static_cast<std::uint64_t>(comm.sum(static_cast<std::int64_t>(sums[i].deviations[k])));
        comm.exclusive_or(sums[i].digest);
        one.contents_digest = pseudonyms.file_name("delivery contents", sums[i].digest);
        if (one.files != listed[i].files)
            throw core::AgreedError(
                core::Fault::data,
                "delivery " + one.delivery + ": " + std::to_string(listed[i].files) +
                    " files were listed and " + std::to_string(one.files) +
                    " were read: the work folder lost some. Remove it and run the build again");
        out.push_back(std::move(one));
    }
    return out;
}

void check_accounts(std::vector<Parent>& parents, const std::map<std::string, std::int64_t>& packed,
                    const ReasonCounts& left_out) {
    for (Parent& one : parents) {
        const auto found = packed.find(one.delivery);
        one.packed = found == packed.end() ? 0 : found->second;
        one.left_out = one.not_selected = 0;
        for (const auto& [reason, sites] : left_out) {
            const auto here = sites.find(one.delivery);
            if (here == sites.end()) continue;
            (reason == reason_name(Reason::not_selected) ? one.not_selected : one.left_out) += here->second;
        }
        if (one.pieces == one.packed + one.left_out + one.not_selected) continue;
        throw core::Error(core::Fault::bug, "delivery " + one.delivery + ": of " +
                                                std::to_string(one.pieces) + " files and rows " +
                                                std::to_string(one.packed) + " were packed and " +
                                                std::to_string(one.left_out + one.not_selected) +
                                                " left out: the rest is lost. No version was made");
    }
}

nlohmann::ordered_json accounts_summary(const std::vector<Parent>& parents) {
    auto out = nlohmann::ordered_json::object();
    for (const Parent& parent : parents) {
        nlohmann::ordered_json& one = out[parent.delivery] = {{"files", parent.files},
                                                              {"files_and_rows", parent.pieces},
                                                              {"packed", parent.packed},
                                                              {"left_out", parent.left_out},
                                                              {"not_selected", parent.not_selected}};
        if (auto found = deviations_record(parent.deviations); !found.empty())
            one["deviations"] = std::move(found);
    }
    return out;
}

}  // namespace staging
