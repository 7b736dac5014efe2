// aloft admin: command_backup.cpp, command_enclave.cpp, command_keys.cpp, command_preflight.cpp and command_site.cpp have most of it; and keys of datasets, sealed.
#include "core/keys/enclave_keys.h"
#include "core/policy/names.h"
#include "jobs/cli/commands.h"
#include "jobs/wire/channel.h"

namespace jobs {

using nlohmann::json;
namespace fs = std::filesystem;

namespace {

void seal_key(const Common& common, const std::string& dataset, const std::string& enclave,
              const fs::path& file) {
    const core::Site site = common.site();
    const std::string name = core::parse_dataset_name(dataset).text();
    core::check_plain_name(enclave, "enclave");
    const auto sealing = core::SealingKey::load(site.config / "keys" / (enclave + ".enclave.pub"));
    const core::SecretKey key = core::SecretKey::load(file);
    const json request = {{"op", "key.seal"},   {"id", name},
                          {"enclave", enclave}, {"enclave_key", core::id_of(sealing)},
                          {"key_id", key.id()}, {"sealed", core::to_base64(sealing.seal(key))}};
    if (only_tells(common, request)) return;
    print(common, ask(site.socket, request).body,
          tr("the key of {} is sealed for enclave {}", name, enclave));
}

}  // namespace

void add_admin(CLI::App& app, Common& common) {
    CLI::App* admin =
        app.add_subcommand("admin", "Enclaves and keys (the site's admin; the intake account seals keys)");
    admin->require_subcommand(1);

    add_enclave(*admin, common);
    add_preflight(*admin, common);
    add_keys(*admin, common);
    add_backup(*admin, common);
    add_site(*admin, common);

    static std::string dataset, for_enclave;
    static fs::path key;
    CLI::App* seal =
        add_verb(*admin, common, "key-seal", "Seal a dataset's key for an enclave (intake account)",
                 "aloft admin key-seal digits@1 --enclave hel --key digits@1.key", Changes::something,
                 [&common] { seal_key(common, dataset, for_enclave, key); });
    seal->add_option("dataset", dataset, "Dataset version, NAME@VERSION")->required();
    seal->add_option("--enclave", for_enclave, "Enclave whose nodes may open it")->required();
    seal->add_option("--key", key, "The dataset's key")->required()->type_name("FILE");
}

}  // namespace jobs
