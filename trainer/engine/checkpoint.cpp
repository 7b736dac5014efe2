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

void Checkpoints::save(std::int64_t step, TensorFile state) {
    try {
        wait();
    } catch (const core::Error& e) {
        core::Event("warning", "checkpoint_failed").with("text", std::string(e.what()) + "; going on");
    }
    char name[64];
    std::snprintf(name, sizeof name, "step-%012lld.safetensors", static_cast<long long>(step));
    for (NamedTensor& each : state.tensors)
        each.tensor = each.tensor.detach().to(at::kCPU, false, /*copy=*/true);
    writing_ = std::async(std::launch::async, [this, path = folder_ / name, state = std::move(state)] {
        write_safetensors(path, state);
        const auto all = steps();
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

std::vector<fs::path> Checkpoints::steps() const {
    std::vector<fs::path> all;
    for (const auto& entry : fs::directory_iterator(folder_)) {
        const std::string name = entry.path().filename().string();
        if (name.starts_with("step-") && name.ends_with(".safetensors")) all.push_back(entry.path());
    }
    std::sort(all.rbegin(), all.rend());  // the numbers have a fixed width
    return all;
}

std::optional<TensorFile> Checkpoints::newest() {
    for (const auto& entry : fs::directory_iterator(folder_))
        if (entry.path().filename().string().starts_with(".tmp-")) fs::remove(entry.path());
    for (const fs::path& path : steps()) {
        try {
            return read_safetensors(path, Origin::ours);
        } catch (const core::Error& e) {
            if (e.fault() != core::Fault::data) throw;
            fs::rename(path, folder_ / ("damaged-" + path.filename().string()));
            core::Event("warning", "checkpoint_damaged")
                .with("file", path.filename().string())
                .with("text", std::string(e.what()) + "; falling back to the one before it");
        }
    }
    return std::nullopt;
}

}  // namespace trainer
