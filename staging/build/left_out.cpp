#include "staging/build/left_out.h"

#include <algorithm>
#include <map>

#include "core/base/error.h"
#include "staging/build/stage1.h"

namespace staging {

void LeftOut::each_record(const Spill& spill, const SampleRef& ref, const Rejection& why,
                          const std::function<void(const Rejected&)>& add) const {
    Rejected one;
    one.site = ref.site;
    set_reason(one, why.reason, why.detail);
    if (const auto found = spill.joined(ref)) {
        for (const Companion& row : found->first.companions) {
            Rejected of_row = one;
            of_row.origin = {row.file, row.row};
            std::copy(std::begin(row.file_name), std::end(row.file_name), of_row.file_name);
            add(of_row);
        }
        return each_record(*spill.inner(), found->second, why, add);
    }
    if (definition_.kind == SampleKind::volume) {
        std::map<std::uint64_t, Rejected> files;
        for (const Piece& piece : spill.composite(ref).pieces) {
            const auto [at, is_new] = files.try_emplace(piece.file, one);
            at->second.origin.file = piece.file;
            std::copy_n(piece.file_name, sizeof one.file_name, at->second.file_name);
            at->second.pieces = is_new ? 1 : at->second.pieces + 1;
        }
        for (const auto& [file, record] : files) add(record);
        return;
    }
    const Batch batch = listing_.batch(ref.batch);
    one.origin = ref.origin;
    one.pieces = ref.pieces;
    const std::string name = pseudonyms_.file_name(
        deliveries_[batch.delivery].name, core::view(batch.names.at(ref.origin.file - batch.first_file)));
    std::copy_n(name.data(), sizeof one.file_name, one.file_name);
    add(one);
}

Rejection rejection_of(WhyDropped why) {
    switch (why) {
        case WhyDropped::two_persons:
            return {Reason::identity_conflict, "two national identifiers"};
        case WhyDropped::uid_conflict:
            return {Reason::uid_conflict, "SOPInstanceUID"};
        case WhyDropped::study_of_two_patients:
            return {Reason::study_of_two_patients, "StudyInstanceUID"};
        case WhyDropped::sent_again:
            return {Reason::duplicate, "sent_again"};
        case WhyDropped::same_content:
            return {Reason::duplicate, "same_content"};
        case WhyDropped::small_group:
            return {Reason::risk_small_group, ""};
        case WhyDropped::opted_out:
            return {Reason::opted_out, ""};
        case WhyDropped::not_consented:
            return {Reason::not_consented, ""};
    }
    throw core::Error(core::Fault::bug, "a sample was dropped for no known reason");
}

}  // namespace staging
