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

bool ends_with_folded(const std::string& name, const std::string& suffix) {
    return name.size() >= suffix.size() && folded(name.substr(name.size() - suffix.size())) == folded(suffix);
}

}  // namespace

void set_reason(Rejected& rejected, Reason why, const std::string& detail) {
    const std::string_view reason = reason_name(why);
    std::memset(rejected.reason, 0, sizeof rejected.reason);
    std::memset(rejected.detail, 0, sizeof rejected.detail);
    std::memcpy(rejected.reason, reason.data(), std::min(reason.size(), sizeof rejected.reason - 1));
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
        // The header decides first, so that nothing is decoded in vain and what is refused is refused for what it is.
        Record record = worker_->read(file, Depth::header);
        auto judged = judge(record, name, blank);
        if (std::holds_alternative<Cleaned>(judged)) record = worker_->read(file, Depth::pixels);
        digest.update(record.file_sha256);
        result.bytes += record.file_bytes;
        return take(record, std::move(judged), blank, sink);
    }
    const Description& delivery = definition_.description(names_[batch.delivery]);
    Table table(server_, definition_.wanted.in_form(delivery.tables), Limits{}, file);
    Record row;
    while (table.next(row)) {
        blank.origin.row = row.row;
        as_declared(row, definition_, delivery);
        take(row, judge(row, name, blank), blank, sink);
    }
    digest.update(table.file_sha256());
    result.bytes += table.file_bytes();
}

std::variant<Cleaned, Rejection> Stage1::judge(const Record& record, const std::string& file_name,
                                               const Rejected& blank) const {
    const std::string& site = definition_.sites[blank.site];
    if (record.ok() && worker_) {
        const Declared declared = definition_.description(site).declared_of(file_name);
        if (auto risk = pixel_risk(record.facts, definition_.profile.pixels, declared))
            return *std::move(risk);
    }
    return clean(record, {site, file_name}, definition_, pseudonyms_);
}

void Stage1::take(const Record& record, std::variant<Cleaned, Rejection> judged, const Rejected& blank,
                  Stage1Sink& sink) {
    const auto reject = [&](const Rejection& rejection) {
        Rejected out = blank;
        set_reason(out, rejection.reason, rejection.detail);
        sink.reject(out);
    };
    if (const auto* rejection = std::get_if<Rejection>(&judged)) return reject(*rejection);
    if (!record.ok()) return reject({record.reason, record.detail});
    Cleaned& good = std::get<Cleaned>(judged);
    auto fields = fields_of(record, definition_);
    if (const auto* rejection = std::get_if<Rejection>(&fields)) return reject(*rejection);
    const core::Sample sample{std::get<std::vector<core::Array>>(std::move(fields)), std::move(good.columns)};
    SampleRef ref;
    ref.origin = blank.origin;
    for (const core::Array& field : sample.fields) ref.bytes += field.bytes.size();
    ref.content = content_of(record, sample, pseudonyms_);
    ref.instance = good.instance;
    ref.study = good.study;
    std::copy(good.aliases.begin(), good.aliases.end(), ref.aliases.begin());
    ref.patient = good.patient;
    ref.quasi = quasi_of(sample, definition_, pseudonyms_);
    // From what the sample is, not from where it stood: it keeps its place among the others when data are
    // added.
    ref.order = first_64_bits(pseudonyms_.of("order", core::view(definition_.id()), ref.content));
    ref.site = blank.site;
    const auto& split = std::get<std::string>(sample.columns[kSplitColumn]);
    ref.split = static_cast<std::uint32_t>(
        std::find(std::begin(core::kSplits), std::end(core::kSplits), split) - std::begin(core::kSplits));
    sink.take(ref, sample);
}

}  // namespace staging
