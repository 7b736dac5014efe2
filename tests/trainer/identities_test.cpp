// A run in progress goes on only if its recipe still says what it said: identities/digests.txt holds what recipes told
// before. Whoever changes a line of it ends every such run.
#include <ATen/ATen.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <set>
#include <sstream>

#include "core/base/files.h"
#include "trainer/engine/recipe.h"

using namespace trainer;

namespace {

std::string digest(const std::string& text) {
    return core::to_hex(core::sha256(core::view(text)));
}

std::string digests(const std::filesystem::path& path) {
    const Recipe recipe = Recipe::load(path, {});
    const std::string model = recipe.model.text("name");
    const std::vector<std::int64_t> shape = model == "mlp"          ? std::vector<std::int64_t>{30}
                                            : model.ends_with("3d") ? std::vector<std::int64_t>{1, 32, 32, 32}
                                                                    : std::vector<std::int64_t>{1, 32, 32};
    const bool is_dense = recipe.task.name == "segmentation";
    const std::string toml = make_model(recipe.model, {shape, 2, false, is_dense}, 1)->toml();
    recipe.finish();
    return digest(recipe.canonical(toml)) + ' ' + digest(recipe.identity(toml));
}

}  // namespace

TEST_CASE("recipes tell what they told") {
    const std::filesystem::path source = std::getenv("ALOFT_SOURCE");
    std::istringstream lines(core::read_text(source / "tests/trainer/identities/digests.txt"));
    std::set<std::string> known;
    for (std::string file, canonical, identity; lines >> file >> canonical >> identity;) {
        INFO(file);
        CHECK(digests(source / file) == canonical + ' ' + identity);
        known.insert(file);
    }
    for (const char* folder : {"configs/recipes", "tests/trainer/identities"})
        for (const auto& each : std::filesystem::directory_iterator(source / folder)) {
            const std::string file = std::string(folder) + '/' + each.path().filename().string();
            if (!file.ends_with(".toml")) continue;
            INFO(file << ' ' << digests(each.path()));
            CHECK(known.contains(file));
        }
}
