#include "trainer/engine/lineage.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/split.h"

namespace trainer {
namespace {

using Json = nlohmann::ordered_json;

bool is_text(const Json& entry, const char* key) {
    return entry.contains(key) && entry.at(key).is_string();
}

bool is_entry(const Json& entry) {
    if (!entry.is_object() || entry.size() != 2 || !is_text(entry, "sha256") || !is_text(entry, "dataset"))
        return false;
    const auto& digest = entry.at("sha256").get_ref<const std::string&>();
    return digest.size() == 64 && digest.find_first_not_of("0123456789abcdef") == std::string::npos;
}

// Hostile text is expected: a file may be from anywhere.
Json parsed(const std::string& text) {
    Json out = Json::parse(text, nullptr, false);
    if (!out.is_array() || out.empty() || !std::all_of(out.begin(), out.end(), is_entry))
        throw core::Error(core::Fault::data, std::string(kBeganFrom) +
                                                 " does not say what the weights began from as aloft-train "
                                                 "writes it");
    return out;
}

Json before(const TensorFile& file) {
    const auto found = file.metadata.find(kBeganFrom);
    return found == file.metadata.end() ? Json::array() : parsed(found->second);
}

std::string dataset_of(const TensorFile& file) {
    const auto found = file.metadata.find("aloft.dataset");
    return found == file.metadata.end() ? "" : found->second;
}

}  // namespace

std::string began_from(const TensorFile& file, const std::string& sha256) {
    Json out = Json::array({{{"sha256", sha256}, {"dataset", dataset_of(file)}}});
    for (const Json& each : before(file)) out.push_back(each);
    return out.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace);
}

std::string first_digest(const std::string& entry) {
    return parsed(entry).front().at("sha256");
}

bool is_trained_on(const TensorFile& file, const std::string& dataset) {
    const auto is_it = [&](const std::string& told) {
        for (const std::string& id : core::split(told, '*'))
            if (id.substr(0, id.find('@')) == dataset) return true;
        return false;
    };
    if (is_it(dataset_of(file))) return true;
    const Json all = before(file);
    return std::any_of(all.begin(), all.end(),
                       [&](const Json& each) { return is_it(each.at("dataset").get<std::string>()); });
}

}  // namespace trainer
