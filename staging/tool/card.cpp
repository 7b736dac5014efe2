#include "staging/tool/card.h"

#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/shard/version.h"
#include "staging/report/card.h"
#include "staging/tool/verify.h"

namespace staging {
namespace {

// Catalogues put it into a page's <script>: no "<" ends that (JSON has it in strings only).
std::string embeddable(const nlohmann::ordered_json& json) {
    std::string out;
    for (const char c : json.dump(1)) c == '<' ? out += "\\u003c" : out += c;
    return out;
}

}  // namespace

nlohmann::ordered_json write_card(const CardRequest& request) {
    const Card card = Card::load(request.card);
    const std::vector<core::VerifyKey> stewards = stewards_of(request.steward);
    if (stewards.empty())
        throw core::Error(core::Fault::usage,
                          "--steward: missing; the public key under which the version is sealed");
    const core::Version version(request.dir, stewards, core::Seal::required);
    const core::Manifest& manifest = version.manifest();
    if (card.dataset != manifest.dataset)
        throw core::Error(core::Fault::usage,
                          request.card.string() + ": dataset: is not the one in " + request.dir.string());
    if (std::to_string(card.version) != manifest.version)
        throw core::Error(core::Fault::usage,
                          request.card.string() + ": version: is not the one of " + request.dir.string());
    const nlohmann::ordered_json program = croissant(card, manifest, version.manifest_sha256());
    const std::optional<nlohmann::ordered_json> catalogues =
        healthdcat(card, manifest, version.manifest_sha256());
    const std::string people = datasheet(card, manifest, version.manifest_sha256());
    core::make_directories(request.out, 0755);
    core::write_atomically(request.out / "croissant.json", embeddable(program) + "\n", 0644);
    core::write_atomically(request.out / "datasheet.md", people, 0644);
    nlohmann::ordered_json out{{"dataset", manifest.id()},
                               {"identifier", identifier_of(version.manifest_sha256())},
                               {"croissant", (request.out / "croissant.json").string()},
                               {"datasheet", (request.out / "datasheet.md").string()}};
    const std::filesystem::path path = request.out / "healthdcat.jsonld";
    if (catalogues) {
        core::write_atomically(path, embeddable(*catalogues) + "\n", 0644);
        out["healthdcat"] = path.string();
    } else if (std::error_code failed; std::filesystem::remove(path, failed), failed) {  // of an earlier card
        throw core::Error(core::Fault::system,
                          path.string() + ": an earlier one cannot be removed: " + failed.message());
    }
    return out;
}

}  // namespace staging
