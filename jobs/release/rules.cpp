#include "jobs/release/rules.h"

#include "core/base/config.h"

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
    read(limits, "numbers", rules.numbers);
    read(limits, "list_length", rules.list_length);
    read(limits, "markdown_characters", rules.markdown_characters);
    read(limits, "picture_bytes", rules.picture_bytes);
    read(limits, "picture_pixels", rules.picture_pixels);
    read(counts, "smallest", rules.smallest_count);
    for (const std::string& key : counts.texts("not_counts")) rules.not_counts.insert(key);
    const core::Config words = config.table("words");
    for (const std::string& enclave : words.keys()) rules.words[enclave] = words.texts(enclave);
    rules.desk = DeskRules::read(config);
    config.finish();
    return rules;
}

}  // namespace jobs
