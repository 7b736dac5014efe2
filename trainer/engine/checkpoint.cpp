#include "trainer/engine/checkpoint.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdio>

#include "core/base/error.h"
#include "core/base/event.h"
#include "core/base/files.h"

namespace trainer {
namespace {

namespace fs = std::filesystem;

// Newest first.
std::vector<fs::path> steps(const fs::path& folder) {
    std::vector<fs::path> all;
    for (const auto& entry : fs::directory_iterator(folder)) {
        const std::string name = entry.path().filename().string();
        if (name.starts_with("step-") && name.ends_with(".safetensors")) all.push_back(entry.path());
    }
    std::sort(all.rbegin(), all.rend());  // the numbers have a fixed width
    return all;
}

// The first of `all` that is whole.
template <class Damaged>
std::optional<TensorFile> first_whole(const std::vector<fs::path>& all, const Damaged& damaged) {
    for (const fs::path& path : all) {
        try {
            return read_safetensors(path, Origin::ours);
        } catch (const core::Error& e) {
            if (e.fault() != core::Fault::data) throw;
            damaged(path, e);
        }
    }
    return std::nullopt;
}

}  // namespace

Checkpoints::Checkpoints(fs::path folder, int keep) : folder_(std::move(folder)), keep_(keep) {
    core::make_directories(folder_);
}

Checkpoints::~Checkpoints() {
    try {
        wait();
    } catch (const std::exception& e) {
        core::Event("error", "checkpoint_failed").with("text", e.what());
    }
}

void Checkpoints::wait() {
    if (writing_.valid()) writing_.get();
}

void Checkpoints::settle() {
    try {
        wait();
    } catch (const core::Error& e) {
        core::Event("warning", "checkpoint_failed").with("text", std::string(e.what()) + "; going on");
    }
}

void Checkpoints::save(std::int64_t step, TensorFile state) {
    settle();
    char name[64];
    std::snprintf(name, sizeof name, "step-%012lld.safetensors", static_cast<long long>(step));
    writing_ = std::async(std::launch::async, [this, path = folder_ / name, state = std::move(state)] {
        write_safetensors(path, state);
        const auto all = steps(folder_);
        for (auto i = static_cast<std::size_t>(keep_); i < all.size(); ++i) {
            std::error_code failed;  // an old one that stays costs room, and no run
            fs::remove(all[i], failed);
            if (failed)
                core::Event("warning", "checkpoint_not_removed")
                    .with("file", all[i].filename().string())
                    .with("text", failed.message());
        }
    });
}

std::optional<TensorFile> Checkpoints::newest() {
    for (const auto& entry : fs::directory_iterator(folder_))
        if (entry.path().filename().string().starts_with(".tmp-")) fs::remove(entry.path());
    return first_whole(steps(folder_), [&](const fs::path& path, const core::Error& e) {
        fs::rename(path, folder_ / ("damaged-" + path.filename().string()));
        core::Event("warning", "checkpoint_damaged")
            .with("file", path.filename().string())
            .with("text", std::string(e.what()) + "; falling back to the one before it");
    });
}

std::optional<TensorFile> Checkpoints::look(const fs::path& folder) {
    if (!fs::is_directory(folder)) return std::nullopt;
    return first_whole(steps(folder), [](const fs::path&, const core::Error&) {});
}

}  // namespace trainer
