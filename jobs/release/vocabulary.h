#pragma once
#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace jobs {

// The words that may leave one enclave. Two kinds: the gate's own terms of statistics and training
// (words.cpp), which may be joined ("test_loss", "f1-score"), and names that stand as they are: datasets,
// their columns and categories, models, what release.toml adds. Everything else is free text.
class Vocabulary {
public:
    Vocabulary() = default;

    // A name that may leave as a whole. Throws Error(usage) on one that a spreadsheet would run or that holds
    // control characters, is empty or longer than 64 bytes.
    void add(const std::string& name);

    // Name, version, columns and the categories of each, of a dataset's manifest.json as parsed. What is no
    // fit name for `add` is left out: it cannot leave.
    void add_manifest(const nlohmann::json& manifest);

    struct Word {
        std::string text;        // as it is written: the registered spelling, or terms joined by '_'
        std::uint64_t bits = 0;  // upper bound of what choosing it says
        bool is_name = false;    // one of `add`, not terms
    };
    // How `given` is written if it may leave. Upper and lower case, and the separators between terms, make no
    // difference. Names may be joined by '*' ("north * Vendor A").
    std::optional<Word> find(std::string_view given) const;

    // A model's name: a dataset's (of add_manifest, without version), '-' or '_', and terms: "wdbc-mlp".
    std::optional<Word> find_model(std::string_view given) const;

private:
    std::map<std::string, std::string, std::less<>> names_;  // lower case -> as registered
    std::set<std::string> datasets_;                         // of these, in lower case
    std::optional<Word> find_name(std::string_view given) const;
    std::optional<Word> find_terms(std::string_view given) const;
};

// Terms of a word in lower case: "Test-Patients" -> test, patients.
std::vector<std::string> terms_of(std::string_view word);

}  // namespace jobs
