#include "jobs/cli/enclave_members.h"

#include <algorithm>
#include <fstream>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/message.h"
#include "core/policy/names.h"

namespace jobs {

using core::Error;
using core::failure;
using core::Fault;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

// "monai-1.4=/srv/aloft/images/monai-1.4.sqfs". Throws Error(usage).
core::Image image_of(const std::string& text) {
    const auto equals = text.find('=');
    if (equals == std::string::npos)
        throw failure(Fault::usage,
                      "--image takes NAME=FILE, FILE a SquashFS image (configs/software/make-image)");
    core::Image image{text.substr(0, equals), fs::absolute(text.substr(equals + 1)).lexically_normal(), {}};
    core::check_plain_name(image.name, "image");
    constexpr std::string_view kMagic = "hsqs";
    std::string begin(kMagic.size(), 0);
    std::ifstream(image.file, std::ios::binary)
        .read(begin.data(), static_cast<std::streamsize>(begin.size()));
    if (begin != kMagic)
        throw failure(Fault::usage,
                      "{}: no SquashFS file that can be read here. configs/software/make-image makes one",
                      image.file.string());
    image.sha256 = core::to_hex(core::file_sha256(image.file));
    return image;
}

}  // namespace

bool Members::is_empty() const {
    return accounts.empty() && nodes.empty() && datasets.empty() && software.empty() && images.empty();
}

json Members::to_json() const {
    json trees = json::array();
    for (const fs::path& tree : software) trees.push_back(tree.string());
    return {{"accounts", accounts},
            {"nodes", nodes},
            {"datasets", datasets},
            {"software", trees},
            {"images", images}};
}

void move_images(std::vector<core::Image>& list, std::vector<std::string>& asked, Way way) {
    std::vector<std::string> moved;
    for (const std::string& text : asked) {
        if (way == Way::out) {
            const auto found = std::ranges::find(list, text, &core::Image::name);
            if (found == list.end()) continue;
            moved.push_back(found->text());
            list.erase(found);
            continue;
        }
        const core::Image image = image_of(text);
        const auto found = std::ranges::find(list, image.name, &core::Image::name);
        if (found == list.end()) {
            moved.push_back(image.text());
            list.push_back(image);
        } else if (*found != image) {
            throw failure(Fault::usage,
                          "image {} is in the enclave, as another file or with other bytes. Give the new one "
                          "a name of its own, or remove that one first",
                          image.name);
        }
    }
    asked = moved;
}

void add_members(CLI::App* verb, Members& members) {
    verb->add_option("--account", members.accounts,
                     "POSIX account of a researcher, for this enclave only (repeat)");
    verb->add_option("--node", members.nodes, "Compute node (repeat)");
    verb->add_option("--software", members.software,
                     "Read-only tree that jobs see beside the system's (repeat)");
    verb->add_option(
        "--image", members.images,
        "Container image that jobs may run in: NAME=FILE to add one, NAME to remove it (repeat)");
    verb->add_option(
        "--dataset", members.datasets,
        "Dataset version: remove takes its sealed key away; it comes in by aloft admin key-seal");
}

}  // namespace jobs
