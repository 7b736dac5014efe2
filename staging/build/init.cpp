#include "staging/build/init.h"

#include <unistd.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "core/base/error.h"
#include "core/base/event.h"
#include "core/base/files.h"
#include "staging/build/request.h"
#include "staging/deid/anatomy.h"
#include "staging/deid/date.h"
#include "staging/deid/limits.h"
#include "staging/deid/profile.h"
#include "staging/deid/sop_class.h"
#include "staging/deid/values.h"
#include "staging/deid/words.h"
#include "staging/read/archive/archive.h"
#include "staging/read/codec/compressed.h"
#include "staging/read/delivery.h"
#include "staging/read/dicom/syntax.h"
#include "staging/read/format.h"

namespace staging {
namespace {

using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

enum Asked : std::size_t { kManufacturer, kStudyDate, kBirthDate, kNationalId, kAskedCount };

// Beginnings of Manufacturer, and the categories of the installed profiles.
struct Vendor {
    std::string_view begins, category;
};
constexpr Vendor kVendors[] = {{"AGFA", "agfa"},       {"CANON", "canon"},    {"TOSHIBA", "canon"},
                               {"FUJI", "fujifilm"},   {"GE", "ge"},          {"HITACHI", "hitachi"},
                               {"PHILIPS", "philips"}, {"SIEMENS", "siemens"}};
constexpr std::string_view kModalities[] = {"CR", "CT",  "DX", "ES", "IO", "MG", "MR",
                                            "NM", "OP",  "OT", "PT", "PX", "RF", "RTIMAGE",
                                            "SC", "SEG", "SM", "SR", "US", "XA", "XC"};

// Counts by word; the words are ours.
using Counts = std::map<std::string, std::uint64_t>;

struct Seen {
    Counts kinds, sop_classes, modalities, vendors, body_parts, syntaxes, dates, national_ids, refused;
    Counts separators, encodings;
    std::uint64_t files = 0, looked_at = 0;
};

std::string vendor_of(const std::optional<Value>& value) {
    if (is_absent(value)) return "absent";
    const std::string text = folded(value->bytes);
    for (const Vendor& vendor : kVendors)
        if (text.starts_with(vendor.begins)) return std::string(vendor.category);
    return "other";
}

std::string date_of(const std::optional<Value>& value) {
    if (is_absent(value)) return "absent";
    const DateText text = read_date(core::view(value->bytes), Calendar::automatic);
    if (text.ambiguous) return "ambiguous";
    if (!text.day) return "no date";
    const std::string_view digits = trimmed(value->bytes);
    return digits.size() == 8 && digits[0] != '0' ? "gregorian" : "other forms";
}

std::string part_of(const Facts& facts) {
    PixelPolicy every;
    for (const BodyPart& part : body_parts()) every.body_parts.emplace_back(part.term);
    switch (anatomy_of(facts, every)) {
        case Anatomy::head:
            return "head";
        case Anatomy::unlisted:
            return "other";
        case Anatomy::untold:
            return "untold";
        case Anatomy::listed:
            break;
    }
    const BodyPart* part = find_body_part(evened(facts.body_part));
    return part ? std::string(part->term) : "several, no head";
}

void look_at_dicom(const Record& record, Seen& seen) {
    if (!record.ok()) {
        ++seen.refused[std::string(reason_name(record.reason))];
        return;
    }
    const Facts& facts = record.facts;
    const SopClass* row = find_sop_class(facts.sop_class);
    ++seen.sop_classes[row                       ? std::string(row->name)
                       : facts.sop_class.empty() ? "absent"
                                                 : "unknown or private"];
    const std::string modality = folded(facts.modality);
    const bool known =
        std::find(std::begin(kModalities), std::end(kModalities), modality) != std::end(kModalities);
    ++seen.modalities[known ? modality : modality.empty() ? "absent" : "other"];
    const Syntax* syntax = find_syntax(facts.transfer_syntax);
    ++seen.syntaxes[syntax ? std::string(syntax->uid) : "unknown or private"];
    ++seen.vendors[vendor_of(record.values[kManufacturer])];
    ++seen.body_parts[part_of(facts)];
    ++seen.dates["StudyDate " + date_of(record.values[kStudyDate])];
    ++seen.dates["PatientBirthDate " + date_of(record.values[kBirthDate])];
    ++seen.national_ids[is_absent(record.values[kNationalId]) ? "absent" : "there"];
}

bool is_table_name(std::string_view name) {
    const std::string_view plain = decompressed_name(name);
    return ends_with_folded(plain, ".csv") || ends_with_folded(plain, ".tsv") ||
           ends_with_folded(plain, ".txt");
}

// What the first bytes of a table look like: guesses that a person confirms.
void look_at_table(core::ByteView head, Seen& seen) {
    const std::string_view text = core::text(head);
    const bool wide =
        head.size() > 1 && ((head[0] == 0xFF && head[1] == 0xFE) || (head[0] == 0xFE && head[1] == 0xFF));
    const bool ascii = std::all_of(head.begin(), head.end(), [](std::uint8_t c) { return c < 0x80; });
    const bool mark = text.starts_with("\xEF\xBB\xBF");
    ++seen.encodings[wide ? "utf-16" : ascii || mark ? "utf-8" : "utf-8 or another"];
    const std::string_view line = text.substr(0, text.find('\n'));
    char best = ',';
    for (const char sign : {';', '\t', '|'})
        if (std::count(line.begin(), line.end(), sign) > std::count(line.begin(), line.end(), best))
            best = sign;
    ++seen.separators[best == '\t' ? "tab" : std::string(1, best)];
}

void look_at(const Opened& file, const std::string& name, Worker& worker, Seen& seen) {
    ++seen.looked_at;
    if (file.reason != Reason::none) {
        ++seen.refused[std::string(reason_name(file.reason))];
        return;
    }
    std::uint8_t bytes[512];
    const ssize_t count = ::pread(file.fd.get(), bytes, sizeof bytes, 0);
    const core::ByteView head(bytes, count > 0 ? static_cast<std::size_t>(count) : 0);
    if (!macos_file(name, head).text().empty()) {
        ++seen.kinds["of macOS"];
        return;
    }
    if (is_table_name(name)) {
        ++seen.kinds["table"];
        if (!compression_of(head)) look_at_table(head, seen);
        return;
    }
    const auto all = formats();
    const auto format = std::find_if(all.begin(), all.end(), [&](const Format& one) {
        return !one.is_table && one.recognises && one.recognises(head);
    });
    ++seen.kinds[format == all.end() ? "other" : std::string(format->name)];
    if (format != all.end() && format->name == "dicom") look_at_dicom(worker.read(file, Depth::header), seen);
}

// An archive is a folder; what is not whole is a file. `most`: how many of its files are looked at; 0 is all.
void look_into(const Readers& readers, const Wanted& wanted, const Opened& file, std::uint64_t most,
               Seen& seen) {
    Archive archive(readers, wanted, largest_limits(), file);
    std::vector<std::string> names;
    const Reason reason = archive.list([&](const std::string& name) { names.push_back(name); });
    if (reason != Reason::none) {
        ++seen.files;
        ++seen.looked_at;
        ++seen.refused[std::string(reason_name(reason))];
        return;
    }
    ++seen.kinds["archive"];
    seen.files += names.size();
    const std::uint64_t step = most ? std::max<std::uint64_t>(1, (names.size() + most - 1) / most) : 1;
    for (std::uint64_t n = 0; n < names.size(); n += step) {
        ++seen.looked_at;
        const Record record = archive.read(n, names[n], Depth::header);
        if (record.reason == Reason::not_selected || is_table_name(names[n])) {
            ++seen.kinds[record.reason == Reason::not_selected ? "of macOS" : "table"];
            continue;
        }
        const bool is_other = record.reason == Reason::not_recognised;
        ++seen.kinds[is_other ? "other" : "dicom"];
        if (!is_other) look_at_dicom(record, seen);
    }
}

std::string most(const Counts& counts, const std::string& otherwise) {
    const auto found = std::max_element(counts.begin(), counts.end(),
                                        [](const auto& a, const auto& b) { return a.second < b.second; });
    return found == counts.end() ? otherwise : found->first;
}

// Images in files that do not say whose they are, by the installed profile for them.
Counts of_path(const Seen& seen) {
    Counts out;
    for (const auto& [kind, count] : seen.kinds)
        if (kind == "nifti" || kind == "raster") out[kind == "nifti" ? "nifti-volumes" : "pictures"] += count;
    return out;
}

// The installed profile whose classes most of the images have.
std::string profile_for(const Seen& seen) {
    std::map<std::string, std::uint64_t> votes;
    for (const auto& [name, count] : seen.sop_classes) {
        const SopClass* row = find_sop_class(name);
        if (!row || row->shows == Shows::no_image) continue;
        if (name.find("CTImage") != name.npos)
            votes["ct-volumes"] += count;
        else if (name.find("MRImage") != name.npos || name.find("MRColor") != name.npos)
            votes["mr-volumes"] += count;
        else if (row->shows == Shows::ultrasound)
            votes["ultrasound"] += count;
        else if (name.find("RadiographyImage") != name.npos || name.find("DigitalXRay") != name.npos)
            votes["chest-xray"] += count;
        else
            votes["imaging"] += count;
    }
    if (votes.empty()) {
        const Counts without_header = of_path(seen);
        if (!without_header.empty()) return most(without_header, "");
        return seen.kinds.count("table") ? "tables" : "imaging";
    }
    return most(Counts(votes.begin(), votes.end()), "imaging");
}

std::string comment(const std::string& what, const Counts& counts) {
    std::string out;
    for (const auto& [word, count] : counts)
        out += (out.empty() ? "" : ", ") + word + " " + std::to_string(count);
    return out.empty() ? "" : "# " + what + ": " + out + "\n";
}

std::string description(const InitRequest& request, const Seen& seen) {
    std::string out =
        "# What " + request.name +
        " means by what it writes. Made by `aloft-stage init` from what it found; ask the hospital about\n"
        "# every line. All keys: configs/deliveries/example.toml.\n" +
        comment("kinds of files", seen.kinds) + comment("dates", seen.dates) +
        comment("national IDs in the first item of OtherPatientIDsSequence", seen.national_ids) +
        comment("tables look like encodings", seen.encodings) +
        comment("tables look like separators", seen.separators) + "\nname = \"" + request.name + "\"\n" +
        (of_path(seen).empty()
             ? ""
             : "# Of images without a header, what their path says: put the names where they stand.\n"
               "path = \"{patient}/{scan}.*\"\n") +
        "\n[dates]\ncalendar = \"auto\"  # \"roc\", \"gregorian\"\n";
    if (seen.kinds.count("table"))
        out += "\n[tables]\nencoding = \"" +
               std::string(seen.encodings.count("utf-16") ? "utf-16" : "utf-8") + "\"\nseparator = \"" +
               most(seen.separators, ",") + "\"\n";
    return out;
}

std::string definition(const InitRequest& request, const Seen& seen) {
    const std::string profile = profile_for(seen);
    const bool table = profile == "tables", by_path = of_path(seen).contains(profile);
    std::string name = request.name;
    std::replace(name.begin(), name.end(), '_', '-');  // no dataset has one
    std::string out = "# A first definition for what " + request.name +
                      " delivers. Made by `aloft-stage init`; all keys: configs/datasets/digits.toml.\n" +
                      comment("SOP classes", seen.sop_classes) + comment("modalities", seen.modalities) +
                      comment("vendors", seen.vendors) + comment("body parts", seen.body_parts) +
                      comment("transfer syntaxes", seen.syntaxes) + comment("not readable", seen.refused) +
                      "\nname = \"" + name + "\"\nversion = \"1\"\nprofile = \"../deid/" + profile +
                      ".toml\"\n";
    if (profile == "nifti-volumes") out += "samples = \"volume\"\n";
    out += by_path ? "columns = [\"site\"]\n"
           : table ? "columns = [\"site\", \"sex\", \"age\", \"exam_day\"]\n"
                   : "columns = [\"site\", \"vendor\", \"sex\", \"age\", \"exam_day\"]\n";
    out += "sites = [\"" + request.name + "\"]\n";
    if (table) out += "file_suffix = \".csv\"\n";
    out += table ? "\n[[fields]]\nname = \"values\"\nshape = [1]\ndtype = \"f32\"\n"
                 : "\n[[fields]]\nname = \"image\"\nshape = []     # each sample's own\ndtype = \"f32\"  # "
                   "what values mean, slope and intercept applied; i16 holds Hounsfield units\n";
    return out + "\n[splits]\ntrain = 0.6\nvalidation = 0.2\ntest = 0.2\n";
}

Json json(const Counts& counts) {
    Json out = Json::object();
    for (const auto& [word, count] : counts) out[word] = count;
    return out;
}

}  // namespace

Json init_delivery(const InitRequest& request, const Readers& readers) {
    const fs::path described = request.out / "deliveries" / (request.name + ".toml"),
                   defined = request.out / "datasets" / (request.name + ".toml");
    check_apart({{request.name, request.folder}}, {{"--out", described}, {"--out", defined}});
    for (const fs::path& path : {described, defined})
        if (fs::exists(path))
            throw core::Error(core::Fault::usage,
                              path.string() + " is there already: give another --out, or remove it");
    std::error_code unknown;
    const fs::file_type kind = fs::status(request.folder, unknown).type();
    if (kind == fs::file_type::not_found || (!unknown && kind != fs::file_type::directory))
        throw core::Error(core::Fault::usage, request.name + "=DIR: a delivery must be a folder");
    Seen seen;
    Delivery(request.folder).walk([&](const std::string& name) { seen.files += !is_archive_name(name); });
    const Delivery delivery(request.folder);  // opened anew: a folder's descriptor is read to its end once
    const std::uint64_t step =
        request.most_files
            ? std::max<std::uint64_t>(1, (seen.files + request.most_files - 1) / request.most_files)
            : 1;
    const Wanted wanted = Wanted::attributes(
        {"Manufacturer", "StudyDate", "PatientBirthDate", "OtherPatientIDsSequence[0].PatientID"});
    Worker worker(readers, wanted);
    std::uint64_t number = 0;
    delivery.walk([&](const std::string& name) {
        if (is_archive_name(name))
            look_into(readers, wanted, delivery.open(name), request.most_files, seen);
        else if (number++ % step == 0)
            look_at(delivery.open(name), name, worker, seen);
    });
    fs::create_directories(described.parent_path());
    fs::create_directories(defined.parent_path());
    core::write_atomically(described, description(request, seen));
    core::write_atomically(defined, definition(request, seen));
    const fs::path profile = request.out / "deid" / (profile_for(seen) + ".toml");
    if (!fs::exists(profile))
        core::Event("warning", "profile_not_there")
            .with("text", "the definition names " + profile.string() +
                              ": copy Aloft's configs/deid there, or change its `profile`");
    return {{"delivery", request.name},
            {"files", seen.files},
            {"looked_at", seen.looked_at},
            {"kinds", json(seen.kinds)},
            {"sop_classes", json(seen.sop_classes)},
            {"modalities", json(seen.modalities)},
            {"vendors", json(seen.vendors)},
            {"body_parts", json(seen.body_parts)},
            {"transfer_syntaxes", json(seen.syntaxes)},
            {"dates", json(seen.dates)},
            {"not_readable", json(seen.refused)},
            {"description", described.string()},
            {"definition", defined.string()}};
}

}  // namespace staging
