#include "trainer/engine/permission.h"

#include "core/base/event.h"

namespace trainer {

std::unique_ptr<Dataset> open_dataset(const Access& access, const core::Comm& comm) {
    std::unique_ptr<Dataset> dataset;
    core::together(comm, [&] { dataset = open_granted(access); });
    if (dataset->seal() != core::SealState::valid && comm.is_root())
        core::Event("warning", "seal_not_checked")
            .with("text", "no steward's key on this machine; see --steward");
    return dataset;
}

}  // namespace trainer
