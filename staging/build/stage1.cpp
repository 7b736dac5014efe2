#include "staging/build/stage1.h"

#include <algorithm>
#include <cstring>

#include "staging/deid/clean.h"
#include "staging/deid/risk.h"
#include "staging/image/fields.h"

namespace staging {
namespace {

// The class of patients that look alike: equal values of every quasi-identifier.
core::Id16 quasi_of(const core::Sample& sample, const Definition& definition, const Pseudonyms& pseudonyms) {
    std::string values;
    for (const std::string& name : definition.profile.risk.quasi_identifiers) {
        const core::Cell& cell = sample.columns[definition.schema.column(name)];
        if (const auto* category = std::get_if<std::string>(&cell))
            values += *category;
        else if (const auto* integer = std::get_if<std::int64_t>(&cell))
            values += std::to_string(*integer);
        else if (const auto* real = std::get_if<double>(&cell))
            values += std::to_string(*real);
        values += '\0';
    }
    return pseudonyms.of("quasi", {}, core::view(values));
}

std::vector<SliceRef> slices_of(const Record& record, const SampleRef& ref, const core::Id16& series,
                                const Rejected& blank, const Pseudonyms& pseudonyms) {
    SliceRef slice;
    slice.ref = ref;
    slice.series = series;
    slice.frames = record.pixels.frames;
    slice.rows = record.pixels.rows;
    slice.columns = record.pixels.columns;
    slice.samples = record.pixels.samples;
    slice.is_localizer = folded(record.facts.image_type).find("LOCALIZER") != std::string::npos;
    std::memcpy(slice.file_name, blank.file_name, sizeof slice.file_name);
    std::vector<SliceRef> out;
    for (std::uint32_t frame = 0; frame < record.pixels.frames; ++frame) {
        slice.frame = frame;
        slice.ref.content = content_of_frame(record, frame, pseudonyms);
        // One place for several frames is a place for none of them.
        slice.place = record.frames.size() == record.pixels.frames ? record.frames[frame] : Frame{};
        out.push_back(slice);
    }
    return out;
}

bool ends_with_folded(const std::string& name, const std::string& suffix) {
    return name.size() >= suffix.size() && folded(name.substr(name.size() - suffix.size())) == folded(suffix);
}

}  // namespace

void set_reason(Rejected& rejected, Reason reason, const std::string& detail) {
    std::memset(rejected.reason, 0, sizeof rejected.reason);
    std::memset(rejected.detail, 0, sizeof rejected.detail);
    const std::string_view name = reason_name(reason);
    std::memcpy(rejected.reason, name.data(), std::min(name.size(), sizeof rejected.reason - 1));
    std::memcpy(rejected.detail, detail.data(), std::min(detail.size(), sizeof rejected.detail - 1));
}

Stage1::Stage1(const Readers& server, const Definition& definition, const Pseudonyms& pseudonyms,
               const std::vector<DeliveryFolder>& deliveries)
    : server_(server), definition_(definition), pseudonyms_(pseudonyms) {
    for (const DeliveryFolder& delivery : deliveries) {
        names_.push_back(delivery.name);
        deliveries_.emplace_back(delivery.folder);
    }
    if (!definition.profile.source->is_table) worker_ = std::make_unique<Worker>(server, definition.wanted);
}

Stage1Result Stage1::read(const Batch& batch, Stage1Sink& sink) {
    Stage1Result result;
    core::Sha256 digest;
    const std::uint64_t replaced_before = worker_ ? worker_->replaced() : 0;
    for (std::size_t i = 0; i < batch.names.size(); ++i) read_file(batch, i, sink, result, digest);
    const core::Digest plain = digest.finish();
    result.digest = pseudonyms_.file_name("contents", plain);
    if (worker_) result.replaced_workers = worker_->replaced() - replaced_before;
    return result;
}

void Stage1::read_file(const Batch& batch, std::size_t index, Stage1Sink& sink, Stage1Result& result,
                       core::Sha256& digest) {
    const std::string& name = batch.names[index];
    Rejected blank;
    blank.origin.file = batch.first_file + index;
    const auto site = std::find(definition_.sites.begin(), definition_.sites.end(), names_[batch.delivery]);
    blank.site = static_cast<std::uint32_t>(site - definition_.sites.begin());
    const std::string file_name = pseudonyms_.file_name(names_[batch.delivery], core::view(name));
    std::memcpy(blank.file_name, file_name.data(), sizeof blank.file_name);
    ++result.files;

    if (!ends_with_folded(name, definition_.file_suffix)) {
        set_reason(blank, Reason::not_selected, "file_suffix");
        return sink.reject(blank);
    }
    const Opened file = deliveries_[batch.delivery].open(name);
    if (worker_) {
        const Record record = worker_->read(file, Depth::pixels);
        digest.update(record.file_sha256);
        result.bytes += record.file_bytes;
        return judge(record, blank, sink);
    }
    Table table(server_, definition_.wanted, Limits{}, file);
    Record row;
    while (table.next(row)) {
        blank.origin.row = row.row;
        judge(row, blank, sink);
    }
    digest.update(table.file_sha256());
    result.bytes += table.file_bytes();
}

void Stage1::judge(const Record& record, const Rejected& blank, Stage1Sink& sink) {
    const auto reject = [&](const Rejection& rejection) {
        Rejected out = blank;
        set_reason(out, rejection.reason, rejection.detail);
        sink.reject(out);
    };
    if (record.ok() && worker_)
        if (const auto risk = pixel_risk(record.facts, definition_.profile.pixels)) return reject(*risk);
    auto cleaned = clean(record, definition_.sites[blank.site], definition_, pseudonyms_);
    if (const auto* rejection = std::get_if<Rejection>(&cleaned)) return reject(*rejection);
    Cleaned& good = std::get<Cleaned>(cleaned);
    auto fields = fields_of(record, definition_);
    if (const auto* rejection = std::get_if<Rejection>(&fields)) return reject(*rejection);
    core::Sample sample{std::get<std::vector<core::Array>>(std::move(fields)), std::move(good.columns)};
    if (worker_)
        for (core::Cell& cell : image_cells(record)) sample.columns.push_back(std::move(cell));
    SampleRef ref;
    ref.origin = blank.origin;
    for (const core::Array& field : sample.fields) ref.bytes += field.bytes.size();
    ref.content = content_of(record, sample, pseudonyms_);
    ref.instance = good.instance;
    ref.patient = good.patient;
    ref.quasi = quasi_of(sample, definition_, pseudonyms_);
    // From what the sample is, not from where it stood: it keeps its place among the others when data are
    // added.
    ref.order = first_64_bits(pseudonyms_.of("order", core::view(definition_.id()), ref.content));
    ref.site = blank.site;
    const auto& split = std::get<std::string>(sample.columns[kSplitColumn]);
    ref.split = static_cast<std::uint32_t>(
        std::find(std::begin(core::kSplits), std::end(core::kSplits), split) - std::begin(core::kSplits));
    if (definition_.kind != SampleKind::volume) return sink.take(ref, sample);
    const auto& uid = record.values[*definition_.series_value];
    if (!uid || trimmed(uid->bytes).empty()) return reject({Reason::missing_attribute, "SeriesInstanceUID"});
    // With the patient in it: two people never become one volume.
    const core::Id16 series = pseudonyms_.of("series", good.patient, without_padding(core::view(uid->bytes)));
    sink.take_slices(slices_of(record, ref, series, blank, pseudonyms_), sample);
}

}  // namespace staging
