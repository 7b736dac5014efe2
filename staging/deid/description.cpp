#include "staging/deid/description.h"

#include <algorithm>

#include "core/base/config.h"
#include "core/base/error.h"
#include "core/base/files.h"
#include "staging/deid/identity.h"
#include "staging/deid/profile.h"

namespace staging {
namespace {

// What stands for nobody everywhere. A site's own are in configs/deliveries/placeholders.toml. The first two pass
// the checksum of a national ID: the ministry's example, and the form with every digit zero.
constexpr const char* kPlaceholders[] = {
    "A123456789", "A100000001",  "UNKNOWN", "UNKNOW",    "ANONYMOUS",    "ANONYMIZED", "ANONYMISED", "ANON",
    "NONE",       "NULL",        "NAN",     "NA",        "N/A",          "TEST",       "DUMMY",      "XXX",
    "NOID",       "NOPATIENTID", "PATIENT", "PATIENTID", "UNIDENTIFIED", "DEFAULT",    "0"};

// One of the words, as its place among them.
std::size_t one_of(const core::Config& table, std::string_view key, const std::string& word,
                   const std::vector<std::string>& words) {
    const auto found = std::find(words.begin(), words.end(), word);
    if (found != words.end()) return static_cast<std::size_t>(found - words.begin());
    std::string all;
    for (const std::string& one : words) all += (all.empty() ? "\"" : ", \"") + one + "\"";
    table.refuse(key, "expected one of " + all);
}

Calendar read_calendar(const core::Config& table, std::string_view key) {
    constexpr Calendar kCalendars[] = {Calendar::automatic, Calendar::roc, Calendar::gregorian};
    return kCalendars[one_of(table, key, table.text(key), {"auto", "roc", "gregorian"})];
}

TableForm read_form(const core::Config& table) {
    TableForm form;
    form.encoding = table.text_or("encoding", "utf-8");
    if (!form.has_known_encoding())
        table.refuse("encoding",
                     "expected \"utf-8\", \"utf-16\", \"big5\", \"gb18030\", \"euc-kr\" or another of them");
    const std::string separator = table.text_or("separator", ",");
    form.separator = ",;\t|"[one_of(table, "separator", separator, {",", ";", "tab", "|"})];
    if (!form.separator_is_told_apart())
        table.refuse("separator", "\"|\" can be a part of a character of this encoding");
    const std::int64_t titles = table.integer_or("title_rows", 0);
    if (titles < 0 || titles > 1000) table.refuse("title_rows", "expected 0 to 1000");
    form.title_rows = static_cast<std::uint32_t>(titles);
    return form;
}

Normal read_normal(const core::Config& table) {
    Normal normal;
    normal.strip = table.text_or("strip", "");
    normal.strip_zeros =
        one_of(table, "leading_zeros", table.text_or("leading_zeros", "count"), {"count", "strip"}) == 1;
    normal.fold_case = one_of(table, "case", table.text_or("case", "counts"), {"counts", "fold"}) == 1;
    for (const char c : normal.strip)
        if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))
            table.refuse("strip", "letters and digits are what an identifier is: they cannot be stripped");
    return normal;
}

}  // namespace

std::string comparable(core::ByteView raw) {
    std::string out;
    for (const char c : narrowed(raw))
        if (std::string_view(" -_.\0\t", 6).find(c) == std::string_view::npos)
            out += c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    out.erase(0, std::min(out.find_first_not_of('0'), out.size()));
    return out;
}

std::set<std::string> load_placeholders(const std::filesystem::path& path) {
    const core::Config file = core::Config::load(path);
    std::set<std::string> out;
    for (const std::string& one : file.texts("placeholders")) out.insert(comparable(core::view(one)));
    file.finish();
    return out;
}

Calendar Description::calendar_of(const std::string& attribute) const {
    const auto found = calendars.find(attribute);
    return found == calendars.end() ? calendar : found->second;
}

Declared Description::declared_of(std::string_view file_name) const {
    for (const auto& [folder, what] : declared)
        if (folder.empty() || (file_name.starts_with(folder) && file_name.size() > folder.size() &&
                               file_name[folder.size()] == '/'))
            return what;
    return Declared::nothing;
}

std::string Description::normal(const std::string& kind, core::ByteView raw) const {
    const std::string narrow = narrowed(raw);
    std::string_view text = trimmed(narrow);
    while (!text.empty() && text.front() == '\0') text.remove_prefix(1);
    const auto found = identifiers.find(kind);
    if (found == identifiers.end()) return std::string(text);
    const Normal& normal = found->second;
    std::string out;
    for (const char c : text) {
        if (normal.strip.find(c) != std::string::npos) continue;
        out += normal.fold_case && c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    }
    if (normal.strip_zeros) out.erase(0, std::min(out.find_first_not_of('0'), out.size()));
    return out;
}

bool Description::is_placeholder(core::ByteView raw) const {
    const std::string text = comparable(raw);
    return text.empty() || placeholders.count(text) != 0;
}

Description Description::plain(const std::string& name) {
    Description out;
    out.name = name;
    for (const char* one : kPlaceholders)
        out.placeholders.insert(comparable(core::view(std::string_view(one))));
    return out;
}

Description Description::load(const std::filesystem::path& path) {
    try {
        return parse(core::read_text(path, 1 << 20), path.string());
    } catch (const core::Error& e) {
        throw core::Error(core::Fault::usage, e.what());
    }
}

Description Description::parse(std::string_view toml, const std::string& where) {
    const core::Config file = core::Config::parse(toml, where);
    Description out = plain(file.text("name"));
    out.sha256 = core::to_hex(core::sha256(core::view(toml)));

    const core::Config dates = file.table("dates");
    for (const std::string& key : dates.keys()) {
        const Calendar calendar = read_calendar(dates, key);
        if (key == "calendar")
            out.calendar = calendar;
        else
            out.calendars[key] = calendar;
    }
    out.decimal_comma = one_of(file, "decimal", file.text_or("decimal", "."), {".", ","}) == 1;

    out.tables = read_form(file.table("tables"));

    const core::Config identifiers = file.table("identifiers");
    for (const std::string& kind : identifiers.keys())
        out.identifiers[kind] = read_normal(identifiers.table(kind));
    for (const std::string& one : file.texts("placeholders"))
        out.placeholders.insert(comparable(core::view(one)));
    if (file.has("issuers")) {
        const core::Config issuers = file.table("issuers");
        out.issuers.emplace();
        for (const std::string& written : issuers.keys())
            if (!out.issuers->emplace(folded(written), issuers.text(written)).second)
                issuers.refuse(written, "stands twice (case does not count)");
    }
    if (file.has("newborn")) {
        const core::Config newborn = file.table("newborn");
        out.newborn.younger_than_days = newborn.integer("younger_than_days");
        if (out.newborn.younger_than_days < 1 || out.newborn.younger_than_days > 400)
            newborn.refuse("younger_than_days", "expected 1 to 400");
        out.newborn.quarantine =
            one_of(newborn, "national_id", newborn.text("national_id"), {"skip", "quarantine"}) == 1;
    }
    if (file.has("path")) {
        try {
            out.path.emplace(file.text("path"));
        } catch (const core::Error& e) {
            file.refuse("path", e.what());
        }
    }
    for (const core::Config& one : file.tables("declared")) {
        std::string folder = one.text_or("folder", "");
        while (folder.ends_with('/')) folder.pop_back();
        constexpr Declared kDeclared[] = {Declared::defaced, Declared::phantom};
        out.declared.emplace_back(folder,
                                  kDeclared[one_of(one, "is", one.text("is"), {"defaced", "phantom"})]);
    }
    file.finish();
    return out;
}

}  // namespace staging
