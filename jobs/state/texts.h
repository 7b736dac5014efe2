#pragma once
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>

#include "jobs/state/database.h"

namespace jobs {

// What people write in their own words (titles, reasons, statements) lies here and not in the ledger, which can
// never be changed and is carried away: the ledger has "text:" and a SHA-256 of a random salt and the text. A
// text that is erased here is gone, and the hash that stays tells nothing about it.
class Texts {
public:
    explicit Texts(const std::filesystem::path& file);

    // Puts the texts under "title", "reason" and "statement" of a record's details here and leaves references.
    // Nothing is durable before commit().
    nlohmann::json keep(const std::string& kind, const std::string& subject, nlohmann::json details);
    // Throws Error(system); then nothing since the last commit is kept.
    void commit();
    void roll_back() noexcept;

    // Puts the texts back where `value` refers to them; "(erased)" for one that is no more.
    void resolve(nlohmann::json& value);
    // Forgets every text that belongs to the thing, but not those of records of kind `but`. Returns how many;
    // durable on return.
    std::int64_t erase(const std::string& subject, const std::string& but = {});

    // For a backup: the texts in `file`, one row of all columns after the other, beside an aloftd that goes on. What was there
    // when it began, and was not erased meanwhile, is among them.
    static void for_each(const std::filesystem::path& file,
                         const std::function<void(const nlohmann::json&)>& take);
    // A row of for_each's. Nothing is durable before commit(). Throws json::exception if it is none.
    void put_back(const nlohmann::json& row);

    static bool is_reference(std::string_view text);

private:
    void open();
    std::string put(const std::string& kind, const std::string& subject, const std::string& text);
    void put_all(const std::string& kind, const std::string& subject, nlohmann::json& value);

    Database database_;
    bool open_ = false;  // a transaction
};

}  // namespace jobs
