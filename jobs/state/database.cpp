#include "jobs/state/database.h"

#include <sqlite3.h>

#include "core/base/error.h"

namespace jobs {

using nlohmann::json;

namespace {

constexpr int kPatienceMilliseconds = 5000;  // for another process that has a database open, too

}  // namespace

Database::Database(const std::filesystem::path& path) : Database(path, Use::own) {}

Database Database::to_read(const std::filesystem::path& path) {
    return {path, Use::read};
}

Database::Database(const std::filesystem::path& path, Use use) {
    const int way = use == Use::own ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
    if (sqlite3_open_v2(path.c_str(), &db_, way | SQLITE_OPEN_NOMUTEX, nullptr)) {
        const std::string why = sqlite3_errmsg(db_);
        sqlite3_close(db_);
        throw core::Error(core::Fault::system, "cannot open the database " + path.string() + ": " + why);
    }
    sqlite3_busy_timeout(db_, kPatienceMilliseconds);
    if (use == Use::read) return;
    // The ledger is the truth; the database only has to be whole, not the newest, after a crash.
    // A short log beside it, so that little room is enough to go on (SQLite's own 1000 pages are 4 MiB).
    script(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA trusted_schema=OFF; PRAGMA "
        "wal_autocheckpoint=100;");
}

Database::~Database() {
    for (const auto& [sql, statement] : statements_) sqlite3_finalize(statement);
    sqlite3_close(db_);
}

void Database::fail(const std::string& doing) {
    const bool full = sqlite3_errcode(db_) == SQLITE_FULL;
    throw core::Error(core::Fault::system,
                      "the database cannot " + doing + ": " + sqlite3_errmsg(db_) +
                          (full ? ". Make room where site.state is" : ". Rebuild it: aloftd --rebuild"));
}

void Database::script(const char* sql) {
    if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr)) fail("run a script");
}

sqlite3_stmt* Database::bind(const std::string& sql, const std::vector<json>& values) {
    sqlite3_stmt*& statement = statements_[sql];
    if (!statement &&
        sqlite3_prepare_v3(db_, sql.c_str(), -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr))
        fail("prepare a statement");
    int at = 0;
    for (const json& value : values) {
        ++at;
        if (value.is_null()) {
            sqlite3_bind_null(statement, at);
        } else if (value.is_number()) {
            sqlite3_bind_int64(statement, at, value.get<std::int64_t>());
        } else {
            const std::string text = value.is_string()
                                         ? value.get<std::string>()
                                         : value.dump(-1, ' ', false, json::error_handler_t::replace);
            sqlite3_bind_text(statement, at, text.data(), static_cast<int>(text.size()), SQLITE_TRANSIENT);
        }
    }
    return statement;
}

void Database::run(const std::string& sql, const std::vector<json>& values) {
    rows(sql, values);
}

std::vector<json> Database::rows(const std::string& sql, const std::vector<json>& values) {
    sqlite3_stmt* statement = bind(sql, values);
    // Whatever is thrown on the way, the statement is ready for its next use.
    struct Reset {
        sqlite3_stmt* statement;
        ~Reset() {
            sqlite3_reset(statement);
            sqlite3_clear_bindings(statement);
        }
    } reset{statement};
    std::vector<json> out;
    int result;
    while ((result = sqlite3_step(statement)) == SQLITE_ROW) {
        json& row = out.emplace_back(json::object());
        for (int column = 0; column < sqlite3_column_count(statement); ++column) {
            std::string name = sqlite3_column_name(statement, column);
            json value;
            if (sqlite3_column_type(statement, column) == SQLITE_INTEGER) {
                value = sqlite3_column_int64(statement, column);
            } else if (sqlite3_column_type(statement, column) != SQLITE_NULL) {
                const std::string text(reinterpret_cast<const char*>(sqlite3_column_text(statement, column)),
                                       static_cast<std::size_t>(sqlite3_column_bytes(statement, column)));
                if (name.ends_with("_json")) {
                    name.resize(name.size() - 5);
                    value = json::parse(text);
                } else {
                    value = text;
                }
            }
            row[name] = std::move(value);
        }
    }
    if (result != SQLITE_DONE) fail("run a statement");
    return out;
}

}  // namespace jobs
