#include "trainer/engine/permission.h"

#include "core/base/error.h"
#include "core/base/event.h"

namespace trainer {

std::vector<Access> access_of(const std::vector<std::string>& named, const Access& flags) {
    const auto refuse = [](const char* why) { return core::Error(core::Fault::usage, why); };
    if (named.empty()) {
        if (flags.dataset.empty())
            throw refuse("--dataset is required, with its --key; or data.dataset in the recipe");
        if (flags.key.empty()) throw refuse("--key is required: the key of the dataset");
        return {flags};
    }
    if (!flags.dataset.empty() || !flags.key.empty())
        throw refuse(
            "data.dataset of the recipe says what to read: leave --dataset and --key out, or say --set "
            "data.dataset=[]");
    std::vector<Access> out;
    for (const std::string& name : named) {
        out.push_back(Access::of(name));
        out.back().steward = flags.steward;
    }
    return out;
}

std::unique_ptr<Dataset> open_dataset(const std::vector<Access>& access, const core::Comm& comm) {
    std::unique_ptr<Dataset> dataset;
    core::together(comm, [&] {
        if (access.empty()) throw core::Error(core::Fault::bug, "no dataset was asked for");
        std::vector<std::unique_ptr<Dataset>> opened;
        for (const Access& each : access) opened.push_back(open_granted(each));
        if (opened.size() == 1) {
            dataset = std::move(opened[0]);
            return;
        }
        std::vector<const Dataset*> all;
        for (const auto& each : opened) all.push_back(each.get());
        dataset = std::make_unique<Dataset>(all);
    });
    if (dataset->seal() != core::SealState::valid && comm.is_root())
        core::Event("warning", "seal_not_checked")
            .with("text", "no steward's key on this machine; see --steward");
    return dataset;
}

}  // namespace trainer
