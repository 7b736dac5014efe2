#include "staging/build/stage1.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>
#include <utility>

#include "staging/build/risk_of.h"
#include "staging/build/slices.h"
#include "staging/deid/cases.h"
#include "staging/deid/clean.h"
#include "staging/deid/risk.h"
#include "staging/image/clean_text.h"
#include "staging/image/fields.h"
#include "staging/image/mask.h"
#include "staging/read/archive/archive.h"
#include "staging/read/codec/compressed.h"
#include "staging/read/format.h"

namespace staging {
namespace {

// Where a picture stands within its patient: series, and what tells its frames from others of the series. Zero
// if nothing is known; a row has no place.
core::Id16 place_of(const Record& record, const core::Id16& series, const Pseudonyms& pseudonyms) {
    if (record.row != 0) return {};
    std::string place(series.begin(), series.end());
    bool known = series != core::Id16{};
    const auto put = [&](const auto& value) {
        place += value ? '1' : '0';
        if (!value) return;
        known = true;
        place.append(reinterpret_cast<const char*>(&*value), sizeof *value);
    };
    for (const Frame& frame : record.frames) {
        put(frame.position);
        put(frame.orientation);
        put(frame.instance);
        put(frame.acquisition);
        put(frame.temporal);
        put(frame.echo);
        put(frame.stack);
        put(frame.trigger_ms);
        put(frame.b_value);
        put(frame.kind);
    }
    return known ? pseudonyms.of("place", {}, core::view(place)) : core::Id16{};
}

// macos_file() of one that is open.
Word macos_file_of(const std::string& name, const Opened& file) {
    if (file.reason != Reason::none || name[name.rfind('/') + 1] != '.') return {};
    std::uint8_t head[kBesideHead];
    const ssize_t count = ::pread(file.fd.get(), head, sizeof head, 0);
    return macos_file(name, {head, count > 0 ? static_cast<std::size_t>(count) : 0});
}

void reject(const Rejection& rejection, const Rejected& blank, Stage1Sink& sink) {
    Rejected out = blank;
    set_reason(out, rejection.reason, rejection.detail);
    sink.reject(out);
}

// What waits beside images, as its file begins it.
Beside beside_of(const Rejected& blank, const core::Id16& key) {
    Beside ref;
    ref.origin = blank.origin;
    ref.key = key;
    ref.site = blank.site;
    std::memcpy(ref.file_name, blank.file_name, sizeof ref.file_name);
    return ref;
}

void set_person(Beside& ref, const Cleaned& good) {
    ref.patient = good.patient;
    std::copy(good.aliases.begin(), good.aliases.end(), ref.aliases.begin());
}

}  // namespace

void Stage1::set_mask(Beside& ref, const Grid& grid, const std::set<std::uint8_t>& shows,
                      const core::Array& field) const {
    ref.is_mask = 1;
    ref.grid = grid;
    for (const std::uint8_t number : shows)
        ref.shows[number / 8] |= static_cast<std::uint8_t>(1U << number % 8);
    ref.content = pseudonyms_.of("mask", {}, field.bytes);
}

Stage1::Stage1(const Readers& server, const Definition& definition, const Pseudonyms& pseudonyms,
               const std::vector<DeliveryFolder>& deliveries)
    : server_(server), definition_(definition), pseudonyms_(pseudonyms) {
    for (const DeliveryFolder& delivery : deliveries) {
        names_.push_back(delivery.name);
        deliveries_.emplace_back(delivery.folder);
    }
    if (!definition.profile.source->is_table)
        worker_ = std::make_unique<Worker>(server, definition.wanted, definition.limits);
    if (definition.masks && !definition.masks->is_segmentation())
        mask_worker_ = std::make_unique<Worker>(server, definition.masks->wanted, definition.limits);
}

Stage1Result Stage1::read(const Batch& batch, Stage1Sink& sink, const std::function<bool()>& stop) {
    Stage1Result result;
    // Whoever takes a worker over with a file of one hospital meets no file of another.
    if (std::exchange(worker_delivery_, batch.delivery) != batch.delivery)
        for (const auto* worker : {&worker_, &mask_worker_})
            if (*worker) (*worker)->renew();
    const auto replaced = [&] {
        return (worker_ ? worker_->replaced() : 0) + (mask_worker_ ? mask_worker_->replaced() : 0);
    };
    const std::uint64_t replaced_before = replaced();
    const Inside inside = open_archive(batch);
    for (std::size_t i = 0; i < batch.names.size() && !result.stopped; ++i) {
        read_file(batch, i, inside, sink, result, stop);
        result.stopped = result.stopped || (stop && stop());
    }
    result.replaced_workers = replaced() - replaced_before;
    return result;
}

Opened Stage1::open(std::uint64_t delivery, const std::string& name) const {
    constexpr int kTries = 3;
    for (int tries = 1;; ++tries) {
        Opened file = deliveries_[delivery].open(name);
        if (file.trouble == 0) return file;
        if (tries == kTries) throw MachineFault(core::with_errno("it cannot be opened", file.trouble));
        std::this_thread::sleep_for(std::chrono::milliseconds(100 * tries));
    }
}

Stage1::Inside Stage1::open_archive(const Batch& batch) const {
    Inside inside;
    if (batch.archive.empty()) return inside;
    std::set<std::string> seen;
    for (const std::string& name : batch.names)
        if (!seen.insert(name).second) inside.twice.insert(name);
    try {
        if (worker_)
            inside.archive = std::make_unique<Archive>(server_, definition_.wanted, definition_.limits,
                                                       open(batch.delivery, batch.archive));
        if (mask_worker_)
            inside.masks = std::make_unique<Archive>(server_, definition_.masks->wanted, definition_.limits,
                                                     open(batch.delivery, batch.archive));
    } catch (const MachineFault& e) {
        machine_failed(e, batch, batch.archive, batch.first_file);
    }
    return inside;
}

void Stage1::read_file(const Batch& batch, std::size_t index, const Inside& inside, Stage1Sink& sink,
                       Stage1Result& result, const std::function<bool()>& stop) {
    const std::string& name = batch.names[index];
    const bool is_inside = !batch.archive.empty();
    Rejected blank;
    blank.origin.file = batch.first_file + index;
    blank.site = definition_.site_number(names_[batch.delivery]);
    const std::string file_name = pseudonyms_.file_name(names_[batch.delivery], core::view(name));
    std::memcpy(blank.file_name, file_name.data(), sizeof blank.file_name);
    ++result.files;
    const auto reject = [&](Reason reason, std::string_view detail) {
        set_reason(blank, reason, detail);
        sink.reject(blank);
    };

    const bool is_folder = !is_inside && name.ends_with('/');  // one that could not be listed
    const bool is_archive = !is_inside && is_archive_name(name);
    const bool is_file = !is_folder && !is_archive;
    const bool is_label = is_file && is_label_table(name);
    const bool is_table = !worker_ || is_label;
    const auto mask = definition_.masks && is_file && !is_label
                          ? mask_key(definition_, name, names_[batch.delivery], pseudonyms_)
                          : std::nullopt;
    const auto ends_as_wanted = [&](std::string_view given) {
        return ends_with_folded(given, definition_.file_suffix);
    };
    if (is_file && !is_label && !mask && !ends_as_wanted(name) &&
        !(is_table && ends_as_wanted(decompressed_name(name))))
        return reject(Reason::not_selected, "file_suffix");
    const auto part = mask ? mask_part(*definition_.masks, name) : std::nullopt;
    if (mask && !part) return reject(Reason::not_selected, "part");
    if (inside.twice.count(name)) return reject(Reason::name_twice, "archive");
    core::Digest contents{};
    const auto add_digest = [&] {
        core::Sha256 keyed;
        keyed.update(core::view(file_name));
        keyed.update(contents);
        core::join_digest(result.digest, keyed.finish());
    };
    const auto account = [&](const Record& record) {
        contents = record.file_sha256;
        result.bytes += record.file_bytes;
        count_file(result.deviations, record.deviations);
        add_digest();
    };
    try {
        // The archive is open already, but for a table, which is read by a worker of its own.
        const Opened file =
            is_inside && !is_table ? Opened{} : open(batch.delivery, is_inside ? batch.archive : name);
        if (is_folder) return reject(file.reason, "folder");
        if (const Word beside = is_inside ? Word() : macos_file_of(name, file); !beside.text().empty())
            return reject(Reason::not_selected, beside.text());
        if (is_archive) {
            // It was listed as a file: it is not whole, or empty. What is whole by now was not then.
            bool has_files = false;
            const Reason reason =
                Archive(server_, definition_.wanted, definition_.limits, file).list([&](const std::string&) {
                    has_files = true;
                });
            if (reason != Reason::none) return reject(reason, "archive");
            return has_files ? reject(Reason::changed_while_read, "archive")
                             : reject(Reason::not_selected, "empty archive");
        }
        if (mask) {
            const Record record = is_inside ? inside.masks->read(index, batch.inner(index), Depth::pixels)
                                            : mask_worker_->read(file, Depth::pixels);
            account(record);
            return take_mask(record, *mask, *part, name, blank, sink);
        }
        if (!is_table) {
            // The header is the sample; an archive is read in one pass, where one file cannot wait for another.
            const auto pair = pair_of(*definition_.profile.source, name);
            std::optional<Opened> data;
            if (pair && file.reason == Reason::none) {
                if (is_inside) return reject(Reason::half_of_pair, "in an archive");
                data = open(batch.delivery, pair->other);
                if (data->reason != Reason::none)
                    return reject(Reason::half_of_pair, pair->is_first ? "header" : "data");
                if (!pair->is_first) return reject(Reason::not_selected, "data of a pair");
            }
            const auto read = [&](Depth depth) {
                return is_inside ? inside.archive->read(index, batch.inner(index), depth)
                       : data    ? worker_->read_pair(file, *data, depth)
                                 : worker_->read(file, depth);
            };
            // The header decides first, so that nothing is decoded in vain and what is refused is refused for what
            // it is.
            // A format whose header is not read alone is read once, and again only if its pixels fail.
            const bool at_once = definition_.wanted.format().read_head == nullptr;
            Record record = read(at_once ? Depth::pixels : Depth::header);
            const bool is_whole = at_once && record.ok();
            if (at_once && !is_whole) record = read(Depth::header);
            if (definition_.masks && definition_.masks->is_segmentation() && record.segmentation) {
                record = read(Depth::pixels);
                account(record);
                return take_segmentation(record, name, blank, sink);
            }
            auto judged = judge(record, name, blank);
            if (!is_whole && std::holds_alternative<Cleaned>(judged)) record = read(Depth::pixels);
            account(record);
            core::Bytes blanked;  // what the record's pixels are, if text was in them
            if (record.ok() && std::holds_alternative<Cleaned>(judged)) {
                auto cleaned = clean_text(record, definition_.profile.pixels.text, stop);
                auto* good = std::get_if<TextCleaned>(&cleaned);
                if (!good) judged = std::get<Rejection>(std::move(cleaned));
                if (good && good->stopped) return void(result.stopped = true);
                if (good && good->frames) {
                    record.pixels.bytes = blanked = std::move(good->bytes);
                    record.pixels.sha256 = good->sha256;
                    result.blanked_frames += good->frames;
                    result.blanked_boxes += good->boxes;
                }
            }
            const Declared declared =
                definition_.description(definition_.sites[blank.site]).declared_of(name);
            const HeaderSays header = header_says(record.facts, definition_.profile.pixels, declared);
            return take(record, std::move(judged), blank, header, sink);
        }
        const Definition& rules = is_label ? definition_.labels->table : definition_;
        const Wanted wanted = rules.wanted.in_form(rules.description(names_[batch.delivery]).tables);
        if (read_table(is_inside ? Table(server_, wanted, definition_.limits, file, index, batch.inner(index))
                                 : Table(server_, wanted, definition_.limits, file),
                       rules, name, blank, contents, sink, result, stop))
            add_digest();
    } catch (const MachineFault& e) {
        machine_failed(e, batch, name, blank.origin.file);
    }
}

bool Stage1::is_label_table(const std::string& name) const {
    if (!definition_.labels) return false;
    const PathPattern& files = definition_.labels->files;
    return files.match(name) || files.match(decompressed_name(name));
}

// False if another rank has failed.
bool Stage1::read_table(Table table, const Definition& rules, const std::string& name, Rejected blank,
                        core::Digest& contents, Stage1Sink& sink, Stage1Result& result,
                        const std::function<bool()>& stop) const {
    constexpr std::uint64_t kLookEvery = 1024;  // rows
    const std::string& site = definition_.sites[blank.site];
    const Description& delivery = rules.description(site);
    Record row;
    while (table.next(row)) {
        blank.origin.row = row.row;
        auto judged = clean(row, {site, name}, rules, pseudonyms_);
        as_declared(row, rules, delivery);
        if (&rules != &definition_)
            take_row(std::move(judged), blank, sink);
        else
            take(row, std::move(judged), blank, HeaderSays::answered, sink);
        if (row.row % kLookEvery == 0 && stop && stop()) {
            result.stopped = true;
            return false;
        }
    }
    contents = table.file_sha256();
    result.bytes += table.file_bytes();
    return true;
}

void Stage1::machine_failed(const MachineFault& why, const Batch& batch, const std::string& name,
                            std::uint64_t number) const {
    const std::string& delivery = names_[batch.delivery];
    throw core::Error(core::Fault::system,
                      "delivery " + delivery + ", file " + std::to_string(number) + " (" +
                          pseudonyms_.file_name(delivery, core::view(name)) + "): " + why.what() +
                          ". Nothing was decided about it: look at the machine and its file systems, then "
                          "run the build again; it goes on (aloft-stage quarantine find tells which file)");
}

void Stage1::take_row(std::variant<Cleaned, Rejection> judged, const Rejected& blank,
                      Stage1Sink& sink) const {
    if (const auto* rejection = std::get_if<Rejection>(&judged)) return reject(*rejection, blank, sink);
    Cleaned& good = std::get<Cleaned>(judged);
    Beside ref = beside_of(blank, good.key);
    set_person(ref, good);
    sink.take_beside(ref, {{}, std::move(good.columns)});
}

void Stage1::take_mask(const Record& record, const core::Id16& key, std::uint8_t part,
                       const std::string& file_name, const Rejected& blank, Stage1Sink& sink) const {
    const auto reject = [&](const Rejection& rejection) { staging::reject(rejection, blank, sink); };
    if (!record.ok()) return reject({record.reason, record.detail});
    const PixelPolicy& policy = definition_.profile.pixels;
    const Declared declared = definition_.description(definition_.sites[blank.site]).declared_of(file_name);
    if (!policy.by_class)  // a mask of the skin is a face, too
        if (const auto risk =
                pixel_risk(record.facts, policy, declared, definition_.kind == SampleKind::volume))
            return reject(*risk);
    if (key == core::Id16{}) return reject({Reason::missing_attribute, "match"});
    auto made = mask_of(record, *definition_.masks, part);
    if (const auto* rejection = std::get_if<Rejection>(&made)) return reject(*rejection);
    Mask& mask = std::get<Mask>(made);
    Beside ref = beside_of(blank, key);
    set_mask(ref, mask.grid, part ? std::set{part} : std::set<std::uint8_t>{}, mask.array);
    ref.turned = record.pixels.turned;
    ref.needs_cut = !policy.by_class && definition_.looks_for_faces() &&
                    header_says(record.facts, policy, declared) != HeaderSays::answered;
    sink.take_beside(ref, {{std::move(mask.array)}, {}});
}

void Stage1::take_segmentation(const Record& record, const std::string& file_name, const Rejected& blank,
                               Stage1Sink& sink) const {
    const auto reject = [&](const Rejection& rejection) { staging::reject(rejection, blank, sink); };
    const std::string& site = definition_.sites[blank.site];
    if (!record.ok()) return reject({record.reason, record.detail});
    if (!record.segmentation) return reject({Reason::bad_mask, "frames"});  // as the header's answer had
    if (const auto risk = segmentation_risk(record.facts, definition_.profile.pixels,
                                            definition_.description(site).declared_of(file_name)))
        return reject(*risk);
    const auto judged = clean_segmentation(record, {site, file_name}, definition_, pseudonyms_);
    if (const auto* rejection = std::get_if<Rejection>(&judged)) return reject(*rejection);
    const Cleaned& good = std::get<Cleaned>(judged);
    auto made = segments_of(record, *definition_.masks);
    if (const auto* rejection = std::get_if<Rejection>(&made)) return reject(*rejection);
    Segments& segments = std::get<Segments>(made);
    SegmentsPlace place{std::move(segments.positions), {}};
    for (const Segmentation::Source& source : record.segmentation->sources)
        place.sources.push_back({instance_digest(source.instance, pseudonyms_), source.frame});
    Beside ref = beside_of(blank, good.mask_key);
    set_person(ref, good);
    set_mask(ref, segments.grid, segments.shows, segments.array);
    // Of a single image the key tells which it is.
    sink.take_beside(ref, {{std::move(segments.array)},
                           definition_.masks->is_flat ? cells_of(segments.lies) : cells_of(place)});
}

std::variant<Cleaned, Rejection> Stage1::judge(const Record& record, const std::string& file_name,
                                               const Rejected& blank) const {
    const std::string& site = definition_.sites[blank.site];
    if (record.ok() && worker_) {
        const Declared declared = definition_.description(site).declared_of(file_name);
        if (auto risk = pixel_risk(record.facts, definition_.profile.pixels, declared,
                                   definition_.kind == SampleKind::volume))
            return *std::move(risk);
    }
    return clean(record, {site, file_name}, definition_, pseudonyms_);
}

void Stage1::take(const Record& record, std::variant<Cleaned, Rejection> judged, const Rejected& blank,
                  HeaderSays header, Stage1Sink& sink) const {
    const auto reject = [&](const Rejection& rejection) { staging::reject(rejection, blank, sink); };
    if (const auto* rejection = std::get_if<Rejection>(&judged)) return reject(*rejection);
    if (!record.ok()) return reject({record.reason, record.detail});
    Cleaned& good = std::get<Cleaned>(judged);
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
    ref.study = good.study;
    ref.key = good.key;
    ref.mask_key = good.mask_key;
    std::copy(good.aliases.begin(), good.aliases.end(), ref.aliases.begin());
    ref.patient = good.patient;
    ref.quasi = quasi_of(sample.columns, definition_, pseudonyms_);
    ref.place = place_of(record, good.series, pseudonyms_);
    ref.sensitive = sensitive_of(sample.columns, definition_);
    // From what the sample is, not from where it stood: it keeps its place among the others when data are
    // added.
    ref.order = first_64_bits(pseudonyms_.of("order", core::view(definition_.id()), ref.content));
    ref.site = blank.site;
    const auto& split = std::get<std::string>(sample.columns[kSplitColumn]);
    ref.split = static_cast<std::uint32_t>(
        std::find(std::begin(core::kSplits), std::end(core::kSplits), split) - std::begin(core::kSplits));
    if (definition_.masks && definition_.masks->is_flat) {
        ref.size = {record.pixels.frames, record.pixels.rows, record.pixels.columns, record.pixels.turned};
        ref.lies = flat_place(record);
    }
    if (definition_.kind != SampleKind::volume) return sink.take(ref, sample);
    // A file of NIfTI is a series by itself.
    if (definition_.series == kNowhere)
        good.series = pseudonyms_.of("series of a file", {},
                                     core::view(std::string_view(blank.file_name, sizeof blank.file_name)));
    if (good.series == core::Id16{}) return reject({Reason::missing_attribute, "SeriesInstanceUID"});
    // With patient and study in it: two people never become one volume.
    core::Bytes whole(good.study.begin(), good.study.end());
    whole.insert(whole.end(), good.series.begin(), good.series.end());
    const core::Id16 series = pseudonyms_.of("series of a patient", good.patient, whole);
    sink.take_slices(slices_of(record, ref, series, blank, header, pseudonyms_), sample);
}

}  // namespace staging
