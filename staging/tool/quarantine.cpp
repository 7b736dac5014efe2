#include "staging/tool/quarantine.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/base/error.h"
#include "core/keys/keys.h"
#include "staging/deid/identity.h"
#include "staging/deid/limits.h"
#include "staging/read/archive/archive.h"
#include "staging/read/delivery.h"
#include "staging/read/reason.h"

namespace staging {

using Json = nlohmann::ordered_json;

void each_quarantined(const std::filesystem::path& dir, const std::function<void(const Json&)>& take) {
    const std::filesystem::path path = dir / "reports/quarantine.jsonl";
    std::ifstream in(path);
    if (!in)
        throw core::Error(core::Fault::system,
                          path.string() +
                              ": cannot be read. Is this the folder of a version, and are "
                              "you the intake account?");
    for (std::string line; std::getline(in, line);) {
        const Json record = Json::parse(line, nullptr, false);
        if (record.is_discarded()) throw core::Error(core::Fault::data, path.string() + ": is damaged");
        take(record);
    }
}

void print_quarantined(std::ostream& out, const Json& one) {
    out << one.at("site").get<std::string>() << "  file " << one.at("number");
    if (one.contains("row")) out << " row " << one.at("row");
    out << "  " << one.at("name").get<std::string>() << "  " << one.at("reason").get<std::string>();
    if (one.contains("detail")) out << " (" << one.at("detail").get<std::string>() << ")";
    out << '\n';
}

Json find_quarantined(const Readers& readers, const std::filesystem::path& dir, const std::string& what,
                      const DeliveryFolder& delivery, const std::filesystem::path& pseudonym_key) {
    const bool is_number = !what.empty() && what.find_first_not_of("0123456789") == std::string::npos;
    std::optional<Json> record;
    each_quarantined(dir, [&](const Json& one) {
        if (record || one.at("site") != delivery.name) return;
        if (one.at("name") == what ||
            (is_number && std::to_string(one.at("number").get<std::uint64_t>()) == what))
            record = one;
    });
    if (!record)
        throw core::Error(core::Fault::usage, "no record of the delivery " + delivery.name +
                                                  " has that number or name: aloft-stage quarantine list");
    const Pseudonyms pseudonyms(core::SecretKey::load(pseudonym_key));
    const std::string name = record->at("name");
    std::optional<std::string> found;
    const auto look = [&](const std::string& path) {
        if (!found && pseudonyms.file_name(delivery.name, core::view(path)) == name) found = path;
    };
    const Delivery folder(delivery.folder);
    Delivery(delivery.folder).walk([&](const std::string& path) {
        look(path);
        if (found || !is_archive_name(path)) return;
        Archive(readers, Wanted::attributes({}), largest_limits(), folder.open(path))
            .list([&](const std::string& inside) { look(path + "/" + inside); });
    });
    if (!found)
        throw core::Error(
            core::Fault::data,
            "the delivery " + delivery.name +
                " no longer holds that file, or this is not the key that the version was built with");
    Json out = *record;
    out["file"] = (delivery.folder / *found).string();
    return out;
}

}  // namespace staging
