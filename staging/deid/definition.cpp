#include "staging/deid/definition.h"

#include <algorithm>
#include <set>

#include "core/base/error.h"
#include "core/base/files.h"
#include "staging/deid/cases.h"
#include "staging/deid/choices.h"
#include "staging/deid/computed.h"
#include "staging/deid/limits.h"

namespace staging {
namespace {

// What becomes of pixel values, and of arrays that are not of the field's shape.
void read_meaning(const core::Config& table, const Profile& profile, FieldChoice& choice) {
    if (!choice.rule.pixels) return;
    const std::string values = table.text_or("values", "real");
    if (values != "real" && values != "stored") table.refuse("values", "expected \"real\" or \"stored\"");
    choice.stored = values == "stored";
    if (choice.stored)
        for (const char* attribute : {"RescaleSlope", "RescaleIntercept", "PhotometricInterpretation"})
            if (std::ranges::none_of(profile.columns, [&](const ColumnRule& rule) {
                    return std::ranges::any_of(
                        rule.sources, [&](const Source& source) { return source.from == attribute; });
                }))
                table.refuse("values",
                             std::string("stored values of several scanners would be mixed, since the "
                                         "profile keeps no column of ") +
                                 attribute + "; leave it at \"real\"");
    if (table.has("padding")) choice.padding = table.number("padding");
    const std::string fit = table.text_or("fit", "exact");
    if (fit == "crop_pad")
        choice.fit = Fit::crop_pad;
    else if (fit == "resample")
        choice.fit = Fit::resample;
    else if (fit != "exact")
        table.refuse("fit", "expected \"exact\", \"crop_pad\" or \"resample\"");
    if (choice.fit != Fit::exact && choice.field.ragged())
        table.refuse("fit", "a field of shape [] takes every shape; there is nothing to fit");
    if (choice.fit == Fit::crop_pad && !choice.padding)
        table.refuse("padding", "missing; expected the number that fills what is too small");
    if (table.has("spacing_mm")) choice.spacing = table.numbers("spacing_mm");
    for (const double mm : choice.spacing)
        if (!(mm >= 0.001 && mm <= 1000)) table.refuse("spacing_mm", "expected millimetres, 0.001 to 1000");
    if ((choice.fit == Fit::resample || !choice.spacing.empty()) && choice.field.dtype == core::DType::i64)
        table.refuse("dtype", "64-bit integers are not resampled");
}

FieldChoice read_field(const core::Config& table, const Profile& profile, SampleKind kind, Paths& paths) {
    FieldChoice choice;
    choice.rule = find_rule(table, "name", profile.fields, table.text("name"), profile.name);
    if (choice.rule.masks) table.refuse("name", "masks are declared by [masks]");
    choice.field.name = choice.rule.name;
    if (!table.has("shape"))
        table.refuse("shape", "missing; expected a list of integers, [] if shapes differ");
    choice.field.shape = table.integers("shape");
    try {
        choice.field.dtype = core::dtype_of(table.text("dtype"));
    } catch (const core::Error& e) {
        table.refuse("dtype", e.what());
    }
    choice.field.units = table.text_or("units", "");
    read_meaning(table, profile, choice);
    const auto& shape = choice.field.shape;
    if (!choice.rule.pixels) {
        const auto count = static_cast<std::int64_t>(choice.rule.from.size());
        if (shape != std::vector<std::int64_t>{count})
            table.refuse("shape", "the profile names " + std::to_string(count) + " columns: expected [" +
                                      std::to_string(count) + "]");
        if (choice.field.dtype != core::DType::f32 && choice.field.dtype != core::DType::f64)
            table.refuse("dtype", "expected \"f32\" or \"f64\"");
        for (const std::string& column : choice.rule.from) choice.values.push_back(paths.position(column));
    } else if (kind == SampleKind::volume && !shape.empty() && shape.size() != 4) {
        table.refuse("shape", "of a volume: expected [channels, slices, rows, columns] or []");
    } else if (!shape.empty() && shape.size() != 3 && shape.size() != 4) {
        table.refuse("shape", "expected [channels, rows, columns], [channels, frames, rows, columns] or []");
    }
    return choice;
}

void read_splits(const core::Config& table, std::array<double, 4>& ends) {
    double sum = 0;
    for (std::size_t i = 0; i < 4; ++i) {
        const double fraction = table.number_or(core::kSplits[i], 0);
        if (!(fraction >= 0 && fraction <= 1)) table.refuse(core::kSplits[i], "expected a fraction of 1");
        if (i == 3 && fraction > 0)
            table.refuse("hidden",
                         "a hidden split needs a key of its own, which this version does not make yet");
        sum += fraction;
        ends[i] = sum;
    }
    if (sum < 0.999999 || sum > 1.000001) table.refuse("train", "the fractions must add up to 1");
    ends[2] = ends[3] = 1;
}

SampleKind read_kind(const core::Config& file, const Profile& profile) {
    const bool table = profile.source->is_table;
    const std::string word = file.text_or("samples", table ? "row" : "image");
    if (table != (word == "row") || (word != "row" && word != "image" && word != "volume"))
        file.refuse("samples", table ? "a table's samples are \"row\"" : "expected \"image\" or \"volume\"");
    return table ? SampleKind::row : word == "image" ? SampleKind::image : SampleKind::volume;
}

void read_sites(const core::Config& file, const std::vector<std::string>& deliveries,
                std::vector<std::string>& sites) {
    sites = file.texts("sites");
    if (sites.empty()) {
        sites = deliveries;
        std::sort(sites.begin(), sites.end());
        sites.erase(std::unique(sites.begin(), sites.end()), sites.end());
    }
    for (const std::string& site : sites)
        if (!is_site(site)) file.refuse("sites", "a hospital's name has small letters, digits, - and _ only");
    for (const std::string& name : deliveries)
        if (std::find(sites.begin(), sites.end(), name) == sites.end()) {
            const auto near = core::nearest(name, sites);
            file.refuse("sites", "the delivery \"" + name + "\" is none of them" +
                                     (near ? "; did you mean \"" + *near + "\"?" : ""));
        }
}

// A description for each site, and what they add to the digest of the rules.
std::string read_descriptions(Definition& out, const std::vector<std::filesystem::path>& given,
                              const std::set<std::string>& placeholders) {
    for (const std::string& site : out.sites) out.descriptions.emplace(site, Description::plain(site));
    const auto take = [&](const std::filesystem::path& path) {
        Description one = Description::load(path);
        const auto found = out.descriptions.find(one.name);
        if (found == out.descriptions.end())
            throw core::Error(core::Fault::usage,
                              path.string() + ": name: \"" + one.name + "\" is none of the dataset's sites");
        if (!found->second.sha256.empty())
            throw core::Error(core::Fault::usage, path.string() + ": name: described twice");
        found->second = std::move(one);
    };
    for (const std::filesystem::path& path : given) {
        if (!std::filesystem::is_directory(path)) {
            take(path);
            continue;
        }
        for (const std::string& site : out.sites)
            if (std::filesystem::exists(path / (site + ".toml"))) take(path / (site + ".toml"));
    }
    std::string digests;
    for (auto& [site, one] : out.descriptions) {
        one.placeholders.insert(placeholders.begin(), placeholders.end());
        digests += site + "=" + one.sha256 + "\n";
    }
    for (const std::string& one : placeholders) digests += one + "\n";
    return digests;
}

void read_select(const core::Config& select, const core::Config& maps, Definition& out, Paths& paths) {
    for (const std::string& name : select.keys()) {
        auto found = std::find_if(out.columns.begin(), out.columns.end(),
                                  [&](const auto& c) { return c.rule.name == name; });
        if (found == out.columns.end()) {
            out.columns.push_back(read_column(select, name, maps, name, out.profile, paths));
            found = out.columns.end() - 1;
            found->is_output = false;
        }
        found->select = select.texts(name);
        if (found->rule.type != core::ColumnType::category)
            select.refuse(name, "only a column of categories selects");
        for (const std::string& value : found->select)
            if (found->rule.column().code_of(value) < 0) {
                const auto near = core::nearest(value, found->rule.categories);
                select.refuse(name, "the profile knows no \"" + value + "\"" +
                                        (near ? "; did you mean \"" + *near + "\"?" : ""));
            }
    }
}

// Beside what the profile names: UIDs, and what a description's newborn rule needs.
void add_own_needs(Definition& out, Paths& paths) {
    const bool dicom = out.profile.source->name == "dicom";
    if (dicom) {
        out.instance = paths.position("SOPInstanceUID");
        out.study = paths.position("StudyInstanceUID");
        out.series = paths.position("SeriesInstanceUID");
    }
    for (const auto& [site, one] : out.descriptions) {
        if (one.newborn.younger_than_days == 0) continue;
        if (!dicom)
            throw core::Error(
                core::Fault::usage,
                "the description of " + site + ": newborn: only DICOM says by itself how old somebody is");
        out.newborn.age = paths.position("PatientAge");
        out.newborn.born = paths.position("PatientBirthDate");
        for (const char* date : {"StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"})
            if (const std::size_t at = paths.position(date);
                std::find(out.newborn.at.begin(), out.newborn.at.end(), at) == out.newborn.at.end())
                out.newborn.at.push_back(at);
    }
}

}  // namespace

bool is_site(std::string_view name) {
    return !name.empty() && name.size() <= 32 && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    });
}

std::uint32_t Definition::site_number(std::string_view site) const {
    return static_cast<std::uint32_t>(std::find(sites.begin(), sites.end(), site) - sites.begin());
}

Definition Definition::load(const std::filesystem::path& path, const std::vector<std::string>& deliveries,
                            const std::vector<std::filesystem::path>& descriptions) {
    std::string text;
    try {
        text = core::read_text(path, 1 << 20);
    } catch (const core::Error& e) {
        throw core::Error(core::Fault::usage, e.what());
    }
    const core::Config file = core::Config::parse(text, path.string());
    Definition out;
    out.sha256 = core::to_hex(core::sha256(core::view(text)));
    out.name = file.text("name");
    out.version = file.text("version");
    const auto good = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
    };
    for (const char* key : {"name", "version"}) {
        const std::string value = file.text(key);
        if (value.empty() || value.size() > 63 || value[0] == '.' || value[0] == '-' ||
            !std::all_of(value.begin(), value.end(), good))
            file.refuse(key, "small letters, digits, - and . only");
    }
    out.profile = Profile::load(path.parent_path() / file.text("profile"));
    const Profile& profile = out.profile;
    out.file_suffix = file.text_or("file_suffix", "");
    out.kind = read_kind(file, profile);

    read_sites(file, deliveries, out.sites);
    std::set<std::string> placeholders;
    if (file.has("placeholders"))
        placeholders = load_placeholders(path.parent_path() / file.text("placeholders"));
    std::string rules = out.sha256 + "\n" + profile.sha256 + "\n";
    rules += read_descriptions(out, descriptions, placeholders);

    if (profile.patient.empty())
        file.refuse("profile", "it names no [[patient]]: no sample belongs to anybody");
    Paths paths;
    for (const PatientRule& rule : profile.patient)
        for (PatientChoice& choice : patient_choices(rule, paths)) out.patient.push_back(std::move(choice));
    for (const core::Config& table : file.tables("fields"))
        out.fields.push_back(read_field(table, profile, out.kind, paths));
    if (out.fields.empty()) file.refuse("fields", "missing; a sample without a field teaches nothing");
    if (out.looks_for_faces() && out.fields.size() != 1)
        file.refuse(
            "fields",
            "where the profile cuts faces off, expected one: nobody knows which of several shows the skin");
    const core::Config maps = file.table("maps");
    for (const std::string& name : file.texts("columns"))
        out.columns.push_back(read_column(file, "columns", maps, name, profile, paths));
    read_select(file.table("select"), maps, out, paths);
    for (ColumnChoice& choice : out.columns)
        if (std::holds_alternative<DeliveryName>(choice.rule.transform)) choice.rule.categories = out.sites;
    read_splits(file.table("splits"), out.splits);
    out.limits = read_limits(file);
    out.labels = read_labels(file, path.parent_path(), maps, out, paths);
    if (out.labels) rules += "labels=" + out.labels->table.profile.sha256 + "\n";
    out.masks = read_masks(file, out, paths);
    out.rules_sha256 = core::to_hex(core::sha256(core::view(rules)));
    const core::Config shards = file.table("shards");
    out.target_bytes = shards.integer_or("target_bytes", std::int64_t{1} << 30);
    if (out.target_bytes < 4096) shards.refuse("target_bytes", "expected 4096 or more");
    out.codec = core::codec_of(shards.text_or("codec", "none"));
    file.finish();

    out.schema.columns = {
        {"patient", core::ColumnType::id16, {}},
        {"split", core::ColumnType::category, {std::begin(core::kSplits), std::end(core::kSplits)}}};
    for (const FieldChoice& choice : out.fields) out.schema.fields.push_back(choice.field);
    if (out.masks) out.schema.fields.push_back(out.masks->field.field);
    for (const ColumnChoice& choice : out.columns)
        if (choice.is_output) out.schema.columns.push_back(choice.rule.column());
    if (std::ranges::any_of(out.fields, [](const FieldChoice& choice) { return choice.rule.pixels; }))
        for (core::Column& column : computed_columns(out.kind, out.looks_for_faces()))
            out.schema.columns.push_back(std::move(column));
    if (out.labels)
        for (const ColumnChoice& choice : out.labels->table.columns)
            out.schema.columns.push_back(choice.rule.column());
    out.schema.check();
    for (const std::string& name : profile.risk.quasi_identifiers)
        if (!out.schema.has_column(name))
            throw core::Error(core::Fault::usage,
                              file.where() + ": columns: the profile measures risk over \"" + name +
                                  "\"; a dataset without it has nothing to measure. Add it.");
    add_own_needs(out, paths);
    out.path_names = paths.from_path();
    if (out.kind == SampleKind::volume && out.series == kNowhere && profile.source->name != "nifti")
        file.refuse("samples",
                    "only DICOM says which files are of one series, and NIfTI's files are volumes");
    if (const std::string& name = profile.risk.sensitive;
        !name.empty() && (!out.schema.has_column(name) ||
                          out.schema.columns[out.schema.column(name)].type != core::ColumnType::category))
        throw core::Error(core::Fault::usage, file.where() +
                                                  ": columns: the profile measures l-diversity and "
                                                  "t-closeness over the categories of \"" +
                                                  name + "\". Add it.");
    if (profile.risk.generalises()) out.quasi = quasi_columns(out);
    out.wanted = Wanted::of(*profile.source, paths.all());
    return out;
}

}  // namespace staging
