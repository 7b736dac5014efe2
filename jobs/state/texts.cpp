#include "jobs/state/texts.h"

#include "core/base/bytes.h"
#include "core/keys/keys.h"

namespace jobs {

using nlohmann::json;

namespace {

constexpr std::string_view kMark = "text:";
constexpr std::size_t kHashDigits = 64;

}  // namespace

Texts::Texts(const std::filesystem::path& file) : database_(file) {
    // What is erased is overwritten, and there is no second file that still has it; what was promised is on disk.
    database_.script(
        "PRAGMA journal_mode=DELETE; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON;"
        "CREATE TABLE IF NOT EXISTS texts(reference TEXT PRIMARY KEY, kind TEXT, subject TEXT, text TEXT) "
        "WITHOUT ROWID;"
        "CREATE INDEX IF NOT EXISTS texts_subject ON texts(subject);");
}

bool Texts::is_reference(std::string_view text) {
    return text.size() == kMark.size() + kHashDigits && text.starts_with(kMark) &&
           text.find_first_not_of("0123456789abcdef", kMark.size()) == std::string_view::npos;
}

void Texts::open() {
    if (open_) return;
    database_.run("BEGIN");
    open_ = true;
}

std::string Texts::put(const std::string& kind, const std::string& subject, const std::string& text) {
    open();
    const std::string reference =
        std::string(kMark) + core::to_hex(core::sha256(core::view(core::random_id(16) + text)));
    database_.run("INSERT INTO texts VALUES(?, ?, ?, ?)", {reference, kind, subject, text});
    return reference;
}

void Texts::put_all(const std::string& kind, const std::string& subject, json& value) {
    if (value.is_string() && !value.get_ref<const std::string&>().empty())
        value = put(kind, subject, value.get<std::string>());
    else if (value.is_object())
        for (auto& [key, inner] : value.items()) put_all(kind, subject, inner);
}

json Texts::keep(const std::string& kind, const std::string& subject, json details) {
    if (details.is_object())
        for (const char* key : {"title", "reason", "statement"})
            if (details.contains(key)) put_all(kind, subject, details[key]);
    return details;
}

void Texts::for_each(const std::filesystem::path& file, const std::function<void(const json&)>& take) {
    Database database = Database::to_read(file);
    constexpr int kRows = 200;  // of at most 20 kB: its owner waits while they are read
    std::string last;
    for (;;) {
        const auto rows = database.rows(
            "SELECT reference, kind, subject, text FROM texts WHERE reference > ? ORDER BY reference LIMIT ?",
            {last, kRows});
        for (const json& row : rows) take(row);
        if (rows.size() < kRows) return;
        last = rows.back().at("reference").get<std::string>();
    }
}

void Texts::put_back(const json& row) {
    open();
    database_.run("INSERT OR REPLACE INTO texts VALUES(?, ?, ?, ?)",
                  {row.at("reference"), row.at("kind"), row.at("subject"), row.at("text")});
}

void Texts::commit() {
    if (!open_) return;
    try {
        database_.run("COMMIT");
        open_ = false;
    } catch (...) {
        roll_back();
        throw;
    }
}

void Texts::roll_back() noexcept {
    if (!open_) return;
    open_ = false;
    try {
        database_.run("ROLLBACK");
    } catch (const std::exception&) {  // SQLite has done so itself after a failed write
    }
}

void Texts::resolve(json& value) {
    if (value.is_structured()) {
        for (json& inner : value) resolve(inner);
    } else if (value.is_string() && is_reference(value.get_ref<const std::string&>())) {
        const auto rows = database_.rows("SELECT text FROM texts WHERE reference = ?", {value});
        value = rows.empty() ? json("(erased)") : rows[0].at("text");
    }
}

std::int64_t Texts::erase(const std::string& subject, const std::string& but) {
    const auto count =
        database_.rows("SELECT count(*) AS n FROM texts WHERE subject = ? AND kind <> ?", {subject, but});
    database_.run("DELETE FROM texts WHERE subject = ? AND kind <> ?", {subject, but});
    return count.at(0).at("n").get<std::int64_t>();
}

}  // namespace jobs
