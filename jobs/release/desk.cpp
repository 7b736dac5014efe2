#include "jobs/release/desk.h"

#include <algorithm>
#include <map>
#include <set>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/printable.h"
#include "core/policy/names.h"
#include "jobs/release/requantise.h"
#include "jobs/release/weights.h"

namespace jobs {

using nlohmann::json;

namespace {

constexpr std::size_t kRenderedLimitBytes = 4 << 20;  // of a file: what nobody can look at does not leave
constexpr std::size_t kTitleLimit = 60, kTitleBitsPerCharacter = 6;

std::string hash_of(core::ByteView bytes) {
    return core::to_hex(core::sha256(bytes));
}

// A reviewer reads a name in a list of findings: what it is called in the package, before the number.
const std::map<std::string, std::string>& stems() {
    static const std::map<std::string, std::string> stems{{"safetensors", "model"},
                                                          {"json", "metrics"},
                                                          {"csv", "table"},
                                                          {"markdown", "text"},
                                                          {"png", "picture"}};
    return stems;
}

struct Made {
    LeavingFile file;
    std::string extension, rendered;
    std::filesystem::path at;  // of the canonical bytes until they have their name
};

class Desk {
public:
    Desk(const std::filesystem::path& folder, Context context, core::ByteView secret, Judged& out)
        : folder_(folder), context_(std::move(context)), secret_(secret), out_(out) {
        core::make_directories(folder_ / "canonical", 0700);
        core::make_directories(folder_ / "rendered", 0700);
    }

    void weights(const QuarantinedFile& file) {
        const auto at = folder_ / "canonical" / (".tmp-" + std::to_string(made_.size()));
        const auto knows = [&](const std::string& word) {
            const auto found = context_.vocabulary.find(word);
            return found && found->text == word;
        };
        Leaving leaving = prepare_weights(folder_ / "author" / file.name, at, {secret_, knows});
        if (!take(leaving, file)) return;
        Made made{{"", leaving.type, std::filesystem::file_size(at), leaving.bits,
                   core::to_hex(core::file_sha256(at)), file},
                  ".safetensors",
                  std::move(leaving.rendered),
                  at};
        context_.digests[file.sha256] = made.file.sha256;
        made_.push_back(std::move(made));
    }

    // Before any table is judged: whatever the order of the files, rates of one are judged with confusions of the others.
    void look_ahead(const QuarantinedFile& file) {
        const GateType* type = gate_type(file.name);
        if (type && file.bytes <= type->limit_bytes(context_.rules))
            context_.beside.add(
                lines_beside(type->type, core::read_file(folder_ / "author" / file.name), context_));
    }

    void table(const QuarantinedFile& file) {
        const GateType* type = gate_type(file.name);
        if (!type) return refuse(file, "type", "not a type that may leave; these may: " + known_types());
        core::Bytes bytes;
        try {
            bytes = core::read_file(folder_ / "author" / file.name, type->limit_bytes(context_.rules));
        } catch (const core::Error& e) {
            if (e.fault() != core::Fault::data) throw;
            return refuse(file, "size",
                          std::string("larger than a file of its type may be; release less of it"));
        }
        Leaving leaving = type->prepare(bytes, context_);
        if (!take(leaving, file)) return;
        const auto at = folder_ / "canonical" / (".tmp-" + std::to_string(made_.size()));
        core::write_atomically(at, leaving.canonical, 0600);
        // The next table of this request is judged with this one.
        context_.earlier.push_back(earlier_table("this request", leaving.type, leaving.canonical, context_));
        made_.push_back(
            {{"", leaving.type, leaving.canonical.size(), leaving.bits, hash_of(leaving.canonical), file},
             type->extension,
             std::move(leaving.rendered),
             at});
    }

    // Names by type and digest: neither the author's names nor their order leave.
    void finish() {
        std::sort(made_.begin(), made_.end(), [](const Made& a, const Made& b) {
            return std::pair(a.file.type, a.file.sha256) < std::pair(b.file.type, b.file.sha256);
        });
        std::map<std::string, int> of_type, next;
        for (const Made& each : made_) ++of_type[each.file.type];
        for (Made& each : made_) {
            const int number = ++next[each.file.type];
            each.file.name = stems().at(each.file.type) +
                             (of_type[each.file.type] > 1 ? "-" + std::to_string(number) : std::string()) +
                             each.extension;
            std::filesystem::rename(each.at, folder_ / "canonical" / each.file.name);
            core::write_atomically(folder_ / "rendered" / (each.file.name + ".txt"),
                                   printable_text(each.rendered), 0600);
            out_.files.push_back(std::move(each.file));
        }
        core::sync_directory(folder_ / "canonical");
    }

private:
    bool take(const Leaving& leaving, const QuarantinedFile& file) {
        bool refused = false;
        for (Finding finding : leaving.findings) {
            finding.file = file.name;
            refused = refused || finding.weight == Finding::Weight::refuse;
            out_.findings.push_back(std::move(finding));
        }
        if (leaving.rendered.size() > kRenderedLimitBytes) {
            refuse(file, "size", "more than reviewers can look at; release less of it");
            refused = true;
        }
        return !refused;
    }
    void refuse(const QuarantinedFile& file, const std::string& code, const std::string& text) {
        out_.findings.push_back({file.name, Finding::Weight::refuse, code, text});
    }
    static std::string known_types() {
        std::string out = ".safetensors";
        for (const GateType& each : gate_types()) out += std::string(", ") + each.extension;
        return out;
    }

    std::filesystem::path folder_;
    Context context_;
    core::ByteView secret_;
    Judged& out_;
    std::vector<Made> made_;
};

// The checks that a release went through, with the thresholds that held and what they said (SATRE 3.3.09). Holds no
// text of the author's.
json criteria(const ReleaseRules& rules, const Judged& judged) {
    json checked = json::array();
    for (const LeavingFile& file : judged.files) {
        json flags = json::array();
        for (const Finding& finding : judged.findings)
            if (finding.file == file.author.name) flags.push_back(finding.code);
        checked.push_back({{"name", file.name},
                           {"type", file.type},
                           {"sha256", file.sha256},
                           {"bits", file.bits},
                           {"written_by", "gate"},
                           {"flags", flags}});
    }
    const json thresholds = {{"smallest_count", rules.smallest_count},
                             {"numbers_in_a_file", rules.numbers},
                             {"list_length", rules.list_length},
                             {"table_bytes", rules.table_bytes},
                             {"file_bytes", rules.file_bytes},
                             {"request_bytes", rules.request_bytes},
                             {"picture_bytes", rules.picture_bytes},
                             {"picture_pixels", rules.picture_pixels},
                             {"markdown_characters", rules.markdown_characters},
                             {"bits_per_grant_year", rules.desk.bits_per_grant_year},
                             {"bits_per_weight", kBitsPerWeight},
                             {"approvals", 2}};
    return {{"gate", "aloft " ALOFT_VERSION},
            {"title", judged.title},
            {"bits", judged.bits},
            {"thresholds", thresholds},
            {"files", checked}};
}

bool is_weights(const QuarantinedFile& file) {
    return std::filesystem::path(file.name).extension() == ".safetensors";
}

}  // namespace

bool Judged::refused() const {
    return std::any_of(findings.begin(), findings.end(),
                       [](const Finding& f) { return f.weight == Finding::Weight::refuse; });
}

std::string Judged::approval() const {
    return approval_of(title, files);
}

Judged judge(const std::filesystem::path& folder, const std::vector<QuarantinedFile>& files,
             const std::string& title, Context context, core::ByteView secret) {
    const ReleaseRules rules = context.rules;
    Judged out;
    out.title = plain_title(title, out.findings);
    Desk desk(folder, std::move(context), secret, out);
    for (const QuarantinedFile& file : files)
        if (is_weights(file)) desk.weights(file);
    for (const QuarantinedFile& file : files)
        if (!is_weights(file)) desk.look_ahead(file);
    for (const QuarantinedFile& file : files)
        if (!is_weights(file)) desk.table(file);
    if (out.refused()) {
        out.files.clear();
        std::filesystem::remove_all(folder);
        return out;
    }
    desk.finish();
    out.bits = bits_of(out.title, out.files);
    core::write_atomically(folder / "criteria.json", criteria(rules, out).dump(1) + "\n", 0600);
    std::filesystem::remove_all(folder / "author");
    return out;
}

std::string plain_title(const std::string& given, std::vector<Finding>& findings) {
    std::string out;
    const auto refuse = [&](const std::string& text) {
        findings.push_back({"title", Finding::Weight::refuse, "title", text});
    };
    for (const char c : given) {
        const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
        const bool plain = (lower >= 'a' && lower <= 'z') || (lower >= '0' && lower <= '9') || lower == '-';
        if (plain)
            out += lower;
        else if (lower != ' ' && lower != ',' && lower != '.') {
            refuse(
                "has other characters than letters of English, digits, spaces, hyphens, commas and full "
                "stops");
            break;
        } else if (!out.empty() && out.back() != ' ')
            out += ' ';
    }
    while (!out.empty() && out.back() == ' ') out.pop_back();
    if (out.size() < 3 || out.size() > kTitleLimit) refuse("must have 3 to 60 characters");
    std::size_t digits = 0, letters = 0;
    for (const char c : out) {
        digits = c >= '0' && c <= '9' ? digits + 1 : 0;
        letters = c == ' ' || c == '-' ? 0 : letters + 1;
        if (digits > 4 || letters > 20) {
            refuse(
                "has a number of more than four digits or a word of more than twenty letters; say it in "
                "short words");
            break;
        }
    }
    return out;
}

std::string printable_text(const std::string& text) {
    return core::printable_text(text, "\n\t");
}

std::filesystem::path picture_program() {
    return ALOFT_PREFIX "/libexec/aloft/aloft-picture";
}

Context context_of(const ReleaseRules& rules, const std::string& enclave,
                   const std::vector<std::string>& names, const std::filesystem::path& datasets,
                   const std::vector<std::pair<std::string, std::filesystem::path>>& earlier) {
    Context context;
    context.rules = rules;
    context.picture_program = picture_program();
    context.vocabulary = vocabulary_of(rules, enclave);
    for (const std::string& text : names) {
        const core::DatasetName name = core::parse_dataset_name(text);
        context.vocabulary.add(text);
        json manifest;
        try {
            manifest = json::parse(core::read_text(datasets / name.dataset / name.version / "manifest.json"));
            context.vocabulary.add_manifest(manifest);
        } catch (
            const std::exception&) {  // not for our eyes: then fewer words are known, and none is let through
            continue;
        }
        const json splits = manifest.is_object() ? manifest.value("splits", json()) : json();
        if (!splits.is_object()) continue;
        for (const char* of : {"samples", "patients"}) {
            std::int64_t all = 0;
            const json counts = splits.value(of, json::object());
            for (const auto& [split, count] : counts.items())
                if (count.is_number_integer()) {
                    context.group_sizes.push_back(count.get<std::int64_t>());
                    all += count.get<std::int64_t>();
                }
            context.group_sizes.push_back(all);
            if (of == std::string("patients")) context.patients += all;
        }
    }
    for (const auto& [release, folder] : earlier) {
        std::error_code error;
        for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
            const GateType* type = gate_type(entry.path().filename().string());
            if (!type) continue;
            context.earlier.push_back(
                earlier_table(release, type->type, core::read_file(entry.path(), 64 << 20), context));
        }
        if (error)
            throw core::Error(core::Fault::system, "an earlier release cannot be read: " + error.message());
    }
    return context;
}

std::uint64_t bits_of(const std::string& title, const std::vector<LeavingFile>& files) {
    std::uint64_t bits = kTitleBitsPerCharacter * title.size();
    for (const LeavingFile& file : files) bits += file.bits;
    return bits;
}

json to_json(const LeavingFile& file) {
    return {{"name", file.name},
            {"type", file.type},
            {"bytes", file.bytes},
            {"bits", file.bits},
            {"sha256", file.sha256},
            {"author",
             {{"name", file.author.name}, {"bytes", file.author.bytes}, {"sha256", file.author.sha256}}}};
}

LeavingFile leaving_file(const json& row) {
    LeavingFile out;
    out.name = row.at("name").get<std::string>();
    out.type = row.at("type").get<std::string>();
    out.bytes = row.at("bytes").get<std::uint64_t>();
    out.bits = row.value("bits", out.bytes * 8);
    out.sha256 = row.at("sha256").get<std::string>();
    if (const auto author = row.find("author"); author != row.end()) {
        out.author.name = author->at("name").get<std::string>();
        out.author.bytes = author->at("bytes").get<std::uint64_t>();
        out.author.sha256 = author->at("sha256").get<std::string>();
    }
    return out;
}

json to_json(const std::vector<Finding>& findings) {
    json out = json::array();
    for (const Finding& finding : findings)
        out.push_back({{"file", finding.file},
                       {"weight", finding.weight == Finding::Weight::refuse ? "refuse" : "flag"},
                       {"code", finding.code},
                       {"text", finding.text}});
    return out;
}

std::string approval_of(const std::string& title, const std::vector<LeavingFile>& files) {
    json list = json::array();
    for (const LeavingFile& file : files) list.push_back({{"name", file.name}, {"sha256", file.sha256}});
    return hash_of(core::view(json{{"title", title}, {"files", list}}.dump()));
}

}  // namespace jobs
