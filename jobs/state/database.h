#pragma once
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

struct sqlite3;
struct sqlite3_stmt;

namespace jobs {

// A small owner of one SQLite database. Values go in and rows come out as JSON: integers, texts, null. A
// column whose name ends in _json holds JSON as text and comes out parsed, under its name without the ending.
// Statements are prepared once and kept. Throws Error(system).
class Database {
public:
    explicit Database(const std::filesystem::path& path);
    // One that another process owns: nothing is changed, and its writer waits while rows() runs, seconds at most.
    static Database to_read(const std::filesystem::path& path);
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;
    ~Database();

    void run(const std::string& sql, const std::vector<nlohmann::json>& values = {});
    std::vector<nlohmann::json> rows(const std::string& sql, const std::vector<nlohmann::json>& values = {});
    void script(const char* sql);  // several statements

private:
    enum class Use { own, read };
    Database(const std::filesystem::path& path, Use use);
    sqlite3_stmt* bind(const std::string& sql, const std::vector<nlohmann::json>& values);
    [[noreturn]] void fail(const std::string& doing);

    sqlite3* db_ = nullptr;
    std::map<std::string, sqlite3_stmt*> statements_;
};

}  // namespace jobs
