#pragma once
#include <functional>
#include <memory>

#include "core/base/files.h"
#include "core/mpi/comm.h"
#include "core/shard/made.h"
#include "support/scratch.h"
#include "trainer/engine/recipe.h"
#include "trainer/loader/dataset.h"

// A small dataset and a recipe, made by each rank for itself: equal bytes.
struct MadeWorld {
    test::Scratch folder;
    core::Comm comm{MPI_COMM_WORLD};
    std::unique_ptr<trainer::Dataset> dataset;

    explicit MadeWorld(const core::Schema& schema, const std::vector<std::int64_t>& shards) {
        made::dataset(folder / "data", schema, shards);
        open("data");
    }
    void open(const char* name) {
        dataset = std::make_unique<trainer::Dataset>(folder / name, made::key(),
                                                     std::vector<core::VerifyKey>{}, core::Seal::optional);
    }
    // Opens another one in its place, of one shard, of which `change` makes each sample something else.
    void make(const char* name, const core::Schema& schema, std::int64_t samples,
              const std::function<void(core::Sample&, std::int64_t)>& change) {
        core::Manifest manifest;
        manifest.dataset = "made";
        manifest.version = "1";
        manifest.key_id = made::key().id();
        manifest.codec = core::WriterOptions().codec;
        manifest.schema = schema;
        const core::SecretKey key = made::key();
        core::ManifestWriter pages(folder / name, manifest, key);
        core::make_directories(folder / name / "shards");
        core::ShardWriter writer(folder / name / "shards" / core::shard_file(0), schema, "made@1", 0, key,
                                 {});
        for (std::int64_t i = 0; i < samples; ++i) {
            core::Sample sample = made::sample(schema, i);
            change(sample, i);
            writer.append(sample);
        }
        pages.add(writer.finish());
        pages.finish();
        open(name);
    }
    // Of images; `more` follows the head of [model].
    trainer::Recipe recipe(const std::string& more) const {
        core::write_atomically(folder / "recipe.toml", "name = \"x\"\n[model]\nname = \"resnet2d\"\n" + more,
                               0600);
        return trainer::Recipe::load(folder / "recipe.toml", {});
    }
};
