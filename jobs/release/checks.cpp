#include "jobs/release/checks.h"

#include <algorithm>

#include "core/base/config.h"
#include "core/base/error.h"
#include "core/base/files.h"

namespace jobs {

ReleaseRules ReleaseRules::load(const std::filesystem::path& file) {
    ReleaseRules rules;
    if (std::error_code ignored; !std::filesystem::exists(file, ignored)) return rules;
    const core::Config config = core::Config::load(file);
    const core::Config limits = config.table("limits"), counts = config.table("counts");
    const auto read = [](const core::Config& table, const char* key, auto& value) {
        const std::int64_t given = table.integer_or(key, static_cast<std::int64_t>(value));
        if (given < 1) table.refuse(key, "must be at least 1");
        value = static_cast<std::remove_reference_t<decltype(value)>>(given);
    };
    read(limits, "file_bytes", rules.file_bytes);
    read(limits, "request_bytes", rules.request_bytes);
    read(limits, "table_bytes", rules.table_bytes);
    read(limits, "csv_rows", rules.csv_rows);
    read(counts, "smallest", rules.smallest_count);
    config.finish();
    return rules;
}

bool counts_something(const std::string& name) {
    static constexpr const char* kWords[] = {"n",       "count",    "counts",    "patients",
                                             "samples", "subjects", "people",    "support",
                                             "cases",   "images",   "positives", "negatives"};
    std::string lower = name;
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    for (std::size_t begin = 0; begin <= lower.size();) {  // word by word: "test_patients", "n-positive"
        const std::size_t end = std::min(lower.find_first_of("_-. ", begin), lower.size());
        const std::string word = lower.substr(begin, end - begin);
        if (std::find(std::begin(kWords), std::end(kWords), word) != std::end(kWords)) return true;
        begin = end + 1;
    }
    return false;
}

std::vector<Finding> check_file(const std::filesystem::path& file, const std::string& name,
                                const ReleaseRules& rules, std::string& type) {
    const std::string extension = std::filesystem::path(name).extension().string();
    std::vector<Finding> findings;
    try {
        if (extension == ".safetensors") {
            type = "safetensors";
            findings = check_safetensors(file);
        } else if (extension == ".json") {
            type = "json";
            findings = check_json(core::read_text(file, rules.table_bytes), rules);
        } else if (extension == ".csv") {
            type = "csv";
            findings = check_csv(core::read_text(file, rules.table_bytes), rules);
        } else {
            findings.push_back({"", Finding::Weight::refuse, "type",
                                "not a type that may leave; these may: .safetensors, .json, .csv"});
        }
    } catch (const core::Error& e) {
        findings.push_back({"", Finding::Weight::refuse,
                            e.fault() == core::Fault::data ? "size" : "unreadable",
                            "cannot be checked: larger than a table may be, or not readable"});
    }
    for (Finding& finding : findings) finding.file = name;
    return findings;
}

}  // namespace jobs
