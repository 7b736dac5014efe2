// aloft catalogue: what data there is.
#include "core/base/files.h"
#include "core/base/message.h"
#include "core/policy/names.h"
#include "jobs/cli/commands.h"
#include "jobs/wire/channel.h"

#include <iostream>

namespace jobs {

using nlohmann::json;

namespace {

void register_dataset(const Common& common, const std::string& text) {
    const core::Site site = common.site();
    const core::DatasetName name = core::parse_dataset_name(text);
    const auto folder = site.datasets / name.dataset / name.version;
    const core::Fd manifest = core::open_regular(folder / "manifest.json");
    const core::Fd seal = core::open_regular(folder / "manifest.sig.json");
    const json request = {{"op", "dataset.register"}, {"id", name.text()}};
    if (only_tells(common, request)) return;
    const json answer = ask(site.socket, request, {manifest.get(), seal.get()}).body;
    print(common, answer,
          tr("{} is in the catalogue, manifest {}", name.text(),
             answer.at("manifest_sha256").get<std::string>()));
}

}  // namespace

void add_catalogue(CLI::App& app, Common& common) {
    CLI::App* catalogue = app.add_subcommand("catalogue", "Datasets that one can apply for");
    catalogue->require_subcommand(1);
    add_verb(
        *catalogue, common, "list", "Every dataset version", "aloft catalogue list", Changes::nothing,
        [&common] {
            json rows = list_of(common, "dataset.list").rows;
            for (json& row : rows)
                for (const char* key : {"samples", "shards"}) row[key] = row.at("summary").value(key, json());
            print_rows(common, "datasets", rows, {"dataset", "samples", "shards", "sealed_at", "registered"});
        });
    static std::string name;
    CLI::App* show = add_verb(*catalogue, common, "show", "One dataset version",
                              "aloft catalogue show digits@1", Changes::nothing, [&common] {
                                  const json rows = list_of(common, "dataset.list").rows;
                                  for (const json& row : rows)
                                      if (row.at("dataset") == name) return print(common, row, row.dump(2));
                                  throw core::failure(core::Fault::usage,
                                                      "no such dataset version; see: aloft catalogue list");
                              });
    show->add_option("dataset", name, "Dataset version, NAME@VERSION")->required();
    CLI::App* enter = add_verb(*catalogue, common, "register",
                               "Enter a sealed dataset version (steward); its seal is checked first",
                               "aloft catalogue register digits@1", Changes::something,
                               [&common] { register_dataset(common, name); });
    enter->add_option("dataset", name, "Dataset version, NAME@VERSION")->required();
}

}  // namespace jobs
