#include "staging/deid/cases.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "core/base/error.h"
#include "staging/deid/choices.h"

namespace staging {
namespace {

struct NamedMatch {
    Match match;
    const char* name;
    const char* attribute;  // where DICOM says it
    bool is_uid;
};
constexpr NamedMatch kMatches[] = {{Match::patient, "patient", "", false},
                                   {Match::study, "study", "StudyInstanceUID", true},
                                   {Match::accession, "accession", "AccessionNumber", false},
                                   {Match::instance, "instance", "SOPInstanceUID", true}};

const NamedMatch& row_of(Match match) {
    return *std::ranges::find(kMatches, match, &NamedMatch::match);
}

const NamedMatch& read_match(const core::Config& table) {
    const std::string word = table.text("match");
    const auto* found =
        std::ranges::find_if(kMatches, [&](const NamedMatch& one) { return word == one.name; });
    if (found == std::end(kMatches))
        table.refuse("match", "expected \"patient\", \"study\", \"accession\" or \"instance\"");
    return *found;
}

// What tells both sides' case: where images say it, and the table.
void read_keys(const core::Config& table, Definition& images, Paths& image_paths, Definition& rows,
               Paths& row_paths) {
    const NamedMatch& match = read_match(table);
    images.key = rows.key = CaseKey{match.match, kNowhere, false};
    const bool dicom = images.profile.source->name == "dicom";
    if (match.match == Match::patient) {
        if (rows.patient.empty())
            table.refuse("match", "the table's profile names no [[patient]] to match by");
        for (const auto& [site, one] : images.descriptions)
            if (one.newborn.younger_than_days != 0)
                table.refuse("match", "the description of " + site +
                                          " tells newborns from their mothers, which a table cannot: "
                                          "match by study, accession or instance");
        return;
    }
    if (match.match == Match::instance && images.kind == SampleKind::volume && dicom)
        table.refuse("match", "a volume is of many instances: match by study or accession");
    std::string from = table.text_or("from", dicom ? match.attribute : "");
    if (from.empty())
        table.refuse("from",
                     "missing; these images do not say it themselves: \"path:NAME\", with a name "
                     "that the delivery's description takes from the path");
    if (!dicom && !from.starts_with("path:")) table.refuse("from", "expected \"path:NAME\"");
    images.key->place = image_paths.position(from);
    rows.key->place = row_paths.position(table.text("column"));
    images.key->is_uid = rows.key->is_uid = match.is_uid && from == match.attribute;
}

// What must not be learned or found out from either table's columns: the stricter of both profiles.
void join_risk(const core::Config& table, RiskPolicy& images, const RiskPolicy& rows,
               const std::vector<ColumnChoice>& columns) {
    const auto is_taken = [&](const std::string& name) {
        return std::ranges::any_of(columns, [&](const ColumnChoice& one) { return one.rule.name == name; });
    };
    for (const std::string& name : rows.quasi_identifiers)
        if (is_taken(name) &&
            std::ranges::find(images.quasi_identifiers, name) == images.quasi_identifiers.end())
            images.quasi_identifiers.push_back(name);
    images.suppress = images.suppress || rows.suppress;
    if (rows.generalises()) {
        const bool both = images.generalises();
        images.most_suppressed =
            both ? std::min(images.most_suppressed, rows.most_suppressed) : rows.most_suppressed;
        images.most_steps = both ? std::min(images.most_steps, rows.most_steps) : rows.most_steps;
    }
    for (const auto& [name, rule] : rows.hierarchies)
        if (is_taken(name) && !images.hierarchies.try_emplace(name, rule).first->second.join(rule))
            table.refuse("columns", "both profiles make \"" + name + "\" coarser, each in its own way");
    if (!is_taken(rows.sensitive)) return images.join({.k = rows.k});
    if (images.sensitive.empty()) images.sensitive = rows.sensitive, images.distance = rows.distance;
    if (images.sensitive != rows.sensitive)
        table.refuse("columns", "both profiles have a sensitive column: one can be measured");
    if (images.t > 0 && rows.t > 0 && images.distance != rows.distance)
        table.refuse("columns", "both profiles have a t, of two distances");
    if (images.t == 0) images.distance = rows.distance;
    images.join(rows);
}

core::Id16 joined(const Masks& masks, const std::vector<std::string>& parts, std::string_view site,
                  const Pseudonyms& pseudonyms) {
    std::string all;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        if (parts[i].empty()) return {};
        all += masks.names[i] + '\0' + parts[i] + '\0';
    }
    return pseudonyms.of("case:mask", core::view(site), core::view(all));
}

}  // namespace

std::string_view name_of(Match match) {
    return row_of(match).name;
}

std::shared_ptr<const Labels> read_labels(const core::Config& file, const std::filesystem::path& folder,
                                          const core::Config& maps, Definition& images, Paths& paths) {
    if (!file.has("labels")) return nullptr;
    const core::Config table = file.table("labels");
    if (images.kind == SampleKind::row)
        table.refuse("files", "rows have their labels in columns of their own");
    std::optional<PathPattern> files;
    try {
        files.emplace(table.text("files"), PathPattern::Names::optional);
    } catch (const core::Error& e) {
        table.refuse("files", e.what());
    }
    Definition rows;
    rows.name = images.name, rows.version = images.version;
    rows.kind = SampleKind::row;
    rows.profile = Profile::load(folder / table.text("profile"));
    if (!rows.profile.source->is_table) table.refuse("profile", "its source is no table");
    if (rows.profile.max_shift_days != images.profile.max_shift_days)
        table.refuse("profile",
                     "max_shift_days differs from the images' profile: intervals would not survive");
    rows.sites = images.sites;
    rows.descriptions = images.descriptions;
    rows.splits = images.splits;
    Paths row_paths;
    for (const PatientRule& rule : rows.profile.patient)
        for (PatientChoice& choice : patient_choices(rule, row_paths))
            rows.patient.push_back(std::move(choice));
    read_keys(table, images, paths, rows, row_paths);
    for (const std::string& name : table.texts("columns")) {
        rows.columns.push_back(read_column(table, "columns", maps, name, rows.profile, row_paths));
        ColumnRule& rule = rows.columns.back().rule;
        if (std::holds_alternative<DeliveryName>(rule.transform)) rule.categories = rows.sites;
    }
    if (rows.columns.empty()) table.refuse("columns", "missing; expected what the table says of images");
    join_risk(table, images.profile.risk, rows.profile.risk, rows.columns);
    const std::string unmatched = table.text_or("unmatched", "leave_out");
    if (unmatched != "leave_out" && unmatched != "keep")
        table.refuse("unmatched", "expected \"leave_out\" or \"keep\"");
    rows.path_names = row_paths.from_path();
    rows.wanted = Wanted::of(*rows.profile.source, row_paths.all());
    return std::make_shared<const Labels>(Labels{*std::move(files), unmatched == "keep", std::move(rows)});
}

std::variant<core::Id16, Rejection> case_key(const Definition& definition, const Values& values,
                                             std::string_view site, const Pseudonyms& pseudonyms) {
    const CaseKey& key = *definition.key;
    const auto& value = values.at(key.place);
    const bool is_row = definition.kind == SampleKind::row;
    const auto rejected = [&](Reason reason) {
        return Rejection{reason,
                         is_row ? definition.wanted.name(key.place) : std::string(name_of(key.match))};
    };
    if (key.match == Match::patient) return core::Id16{};
    std::string text;
    if (!is_absent(value)) {
        if (value->undecodable) return rejected(Reason::undecodable);
        if (is_binary(*value)) return rejected(Reason::bad_value);
        text = key.is_uid ? std::string(trimmed(value->bytes))
                          : definition.description(site).normal(std::string(name_of(key.match)),
                                                                core::view(value->bytes));
        if (key.is_uid && !is_uid(text)) return rejected(Reason::bad_uid);
    }
    if (!text.empty())
        return pseudonyms.of("case:" + std::string(name_of(key.match)), core::view(site), core::view(text));
    if (is_row) return rejected(Reason::missing_attribute);
    return core::Id16{};
}

namespace {

// Whether several masks of an image are one, and what stands where two of them show something.
void read_overlap(const core::Config& table, Masks& out) {
    const std::string overlap = table.text_or("overlap", "refuse");
    if (overlap != "refuse" && overlap != "higher")
        table.refuse("overlap", "expected \"refuse\" or \"higher\"");
    out.higher_stands = overlap == "higher";
}

// Files that show a part each: which, and the number that it has in the mask.
void read_parts(const core::Config& table, Masks& out) {
    const std::string part = table.text("part");
    const auto& names = out.files->names();
    const auto found = std::ranges::find(names, part);
    if (found == names.end()) table.refuse("part", "`files` has no {" + part + "}");
    if (std::ranges::find(out.names, part) != out.names.end())
        table.refuse("part", "`match` has it: it tells which image a file belongs to");
    out.part = static_cast<std::size_t>(found - names.begin());
    const core::Config parts = table.table("parts");
    std::set<std::int64_t> taken;
    for (const std::string& name : parts.keys()) {
        const std::int64_t value = parts.integer(name);
        if (value < 1 || value > 255) parts.refuse(name, "expected 1 to 255: 0 stands for nothing");
        if (!taken.insert(value).second) parts.refuse(name, "another part has this number");
        out.parts.emplace(name, static_cast<std::uint8_t>(value));
    }
    if (out.parts.empty())
        table.refuse("parts", "missing; expected what {" + part + "} can be, and a number for each");
    const std::string missing = table.text_or("missing", "leave_out");
    if (missing != "leave_out" && missing != "nothing")
        table.refuse("missing", "expected \"leave_out\" or \"nothing\"");
    out.needs_all_parts = missing == "leave_out";
    out.joins = true;
    read_overlap(table, out);
}

// What i and j of a file run along.
PlaneAxes read_axes(const core::Config& table) {
    const std::vector<std::string> words = table.texts("axes");
    PlaneAxes out;
    bool has_rows = false, has_columns = false;
    for (const std::string& word : words) {
        const bool is_turned = word.starts_with('-');
        const std::string_view axis = std::string_view(word).substr(is_turned ? 1 : 0);
        if (axis == "rows") has_rows = true, out.rows_turned = is_turned;
        if (axis == "columns") has_columns = true, out.columns_turned = is_turned;
    }
    if (words.size() != 2 || !has_rows || !has_columns)
        table.refuse("axes",
                     "expected what the file's first and second axis run along: \"columns\" and \"rows\", "
                     "or \"-rows\" where the last row comes first");
    out.rows_first = words[0].ends_with("rows");
    return out;
}

// Files beside the images, told by their paths.
void read_mask_files(const core::Config& table, std::string_view format, Masks& out, Paths& paths) {
    try {
        out.files.emplace(table.text("files"));
    } catch (const core::Error& e) {
        table.refuse("files", e.what());
    }
    const core::Config match = table.table("match");
    for (const std::string& name : match.keys()) {
        const auto& names = out.files->names();
        const auto found = std::ranges::find(names, name);
        if (found == names.end()) match.refuse(name, "`files` has no {" + name + "}");
        out.names.push_back(name);
        out.in_path.push_back(static_cast<std::size_t>(found - names.begin()));
        out.places.push_back(paths.position(match.text(name)));
    }
    if (out.names.empty())
        table.refuse("match", "missing; expected names of `files`, and where images say the same");
    const auto values = table.integers("values");
    if (values.empty()) table.refuse("values", "missing; expected the numbers that may stand in a mask");
    for (const std::int64_t value : values) {
        if (value < 0 || value > 255) table.refuse("values", "expected 0 to 255");
        out.values[static_cast<std::size_t>(value)] = true;
    }
    // What is cropped or lies outside of what was scanned is 0.
    if (!out.values[0]) table.refuse("values", "0 stands for nothing, and must be one of them");
    if (table.has("part")) read_parts(table, out);
    if (out.is_flat && format == "nifti") out.axes = read_axes(table);
    if (out.is_flat && table.has("drawn_on")) {
        const std::string drawn_on = table.text("drawn_on");
        if (drawn_on != "stored" && drawn_on != "upright")
            table.refuse("drawn_on", "expected \"stored\" or \"upright\"");
        out.drawn_on = drawn_on == "stored" ? DrawnOn::stored : DrawnOn::upright;
    }
    // A palette's colours are for who looks at a mask; what it says are the numbers.
    out.wanted = Wanted::of(*find_format(format == "raster" ? "raster-indices" : format), {});
}

// Segmentations of DICOM: what each code that a segment may have is as a number.
void read_segments(const core::Config& table, const Definition& images, Masks& out, Paths& paths) {
    if (images.profile.source->name != "dicom")
        table.refuse("format", "segmentations refer to images in DICOM, and these are none");
    const core::Config segments = table.table("segments");
    for (const std::string& code : segments.keys()) {
        const std::int64_t value = segments.integer(code);
        if (code.find(':') == std::string::npos)
            segments.refuse(code, "expected SCHEME:VALUE of the segment's property type, as SCT:10200004");
        if (value < 1 || value > 255) segments.refuse(code, "expected 1 to 255: 0 stands for nothing");
        out.segments.emplace(code, static_cast<std::uint8_t>(value));
    }
    if (out.segments.empty())
        table.refuse("segments", "missing; expected codes of what segments show, and a number for each");
    out.joins = table.has("overlap");
    read_overlap(table, out);
    if (table.has("threshold")) {
        out.threshold = table.number("threshold");
        if (!(*out.threshold > 0 && *out.threshold <= 1))
            table.refuse("threshold", "expected a part of a voxel: above 0, and 1 at most");
    }
    // A single image is named by those that are of it; a volume's slices may be named one by one, or not at all.
    out.names = out.is_flat ? std::vector<std::string>{"SOPInstanceUID"}
                            : std::vector<std::string>{"FrameOfReferenceUID", "StudyInstanceUID"};
    for (const std::string& uid : out.names) out.places.push_back(paths.position(uid));
}

}  // namespace

std::shared_ptr<const Masks> read_masks(const core::Config& file, const Definition& images, Paths& paths) {
    if (!file.has("masks")) return nullptr;
    const core::Config table = file.table("masks");
    if (images.kind == SampleKind::row) table.refuse("files", "masks lie on images, and a row is none");
    const bool is_flat = images.kind == SampleKind::image;
    if (is_flat && images.profile.source->name == "nifti")
        table.refuse("files", "of NIfTI, masks lie on volumes: samples = \"volume\"");
    Masks out;
    out.is_flat = is_flat;
    out.field = images.fields.front();
    const std::string format = table.text_or("format", is_flat ? "raster" : "nifti");
    if (format != "nifti" && format != "dicom-seg" && !(is_flat && format == "raster"))
        table.refuse("format", is_flat ? "expected \"raster\" (PNG, TIFF, JPEG), \"nifti\" or \"dicom-seg\""
                                       : "expected \"nifti\" or \"dicom-seg\"");
    if (format == "dicom-seg")
        read_segments(table, images, out, paths);
    else
        read_mask_files(table, format, out, paths);
    FieldChoice& field = out.field;
    field.rule =
        find_rule(table, "name", images.profile.fields, table.text_or("name", "mask"), images.profile.name);
    if (!field.rule.masks) table.refuse("name", "the profile has this field from pixels, not from masks");
    field.field.name = field.rule.name;
    field.field.dtype = core::DType::u8;
    field.field.units.clear();
    if (!field.field.shape.empty()) field.field.shape[0] = 1;
    field.padding = 0;
    field.stored = false;
    return std::make_shared<const Masks>(std::move(out));
}

std::variant<core::Id16, Rejection> mask_key(const Definition& definition, const Values& values,
                                             std::string_view site, const Pseudonyms& pseudonyms) {
    const Masks& masks = *definition.masks;
    std::vector<std::string> parts;
    for (std::size_t i = 0; i < masks.places.size(); ++i) {
        const auto& value = values.at(masks.places[i]);
        if (masks.is_segmentation()) {  // the first that is there
            const std::string_view uid = is_absent(value) ? std::string_view{} : trimmed(value->bytes);
            if (uid.empty()) continue;
            if (!is_uid(uid)) return Rejection{Reason::bad_uid, masks.names[i]};
            return pseudonyms.of("case:" + masks.names[i], core::view(site), core::view(uid));
        }
        if (is_absent(value)) return core::Id16{};
        if (value->undecodable) return Rejection{Reason::undecodable, masks.names[i]};
        if (is_binary(*value)) return Rejection{Reason::bad_value, masks.names[i]};
        parts.push_back(definition.description(site).normal(masks.names[i], core::view(value->bytes)));
    }
    return masks.is_segmentation() ? core::Id16{} : joined(masks, parts, site, pseudonyms);
}

std::variant<core::Id16, Rejection> mask_key(const Definition& definition, const Segmentation& segmentation,
                                             std::string_view site, const Pseudonyms& pseudonyms) {
    const auto& sources = segmentation.sources;  // in their order
    // The first is without a name where a frame names none.
    if (sources.empty() || sources.front().instance != sources.back().instance)
        return Rejection{Reason::bad_mask, "sources"};
    if (segmentation.is_moved) return Rejection{Reason::bad_mask, "SpatialLocationsPreserved"};
    const std::string& name = definition.masks->names.front();
    const std::string& uid = sources.front().instance;
    if (!is_uid(uid)) return Rejection{Reason::bad_uid, name};
    return pseudonyms.of("case:" + name, core::view(site), core::view(uid));
}

std::optional<core::Id16> mask_key(const Definition& definition, std::string_view file_name,
                                   std::string_view site, const Pseudonyms& pseudonyms) {
    const Masks& masks = *definition.masks;
    if (masks.is_segmentation()) return std::nullopt;
    const auto match = masks.files->match(file_name);
    if (!match) return std::nullopt;
    std::vector<std::string> parts;
    for (std::size_t i = 0; i < masks.in_path.size(); ++i)
        parts.push_back(
            definition.description(site).normal(masks.names[i], core::view((*match)[masks.in_path[i]])));
    return joined(masks, parts, site, pseudonyms);
}

std::optional<std::uint8_t> mask_part(const Masks& masks, std::string_view file_name) {
    if (!masks.part) return 0;
    const auto match = masks.files->match(file_name);
    const auto found = match ? masks.parts.find((*match)[*masks.part]) : masks.parts.end();
    return found == masks.parts.end() ? std::nullopt : std::optional(found->second);
}

std::vector<core::Cell> label_cells(std::vector<core::Cell> row, const core::Id16& patient,
                                    const Definition& images, const Pseudonyms& pseudonyms) {
    move_to(row, patient, images.labels->table, pseudonyms);
    row.erase(row.begin(), row.begin() + kFirstRuleColumn);
    return row;
}

std::size_t first_label_column(const Definition& images) {
    return images.schema.columns.size() - (images.labels ? images.labels->table.columns.size() : 0);
}

}  // namespace staging
