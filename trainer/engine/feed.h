#pragma once
#include <optional>
#include <utility>

#include "core/base/error.h"
#include "trainer/data/loader.h"
#include "trainer/engine/clock.h"
#include "trainer/engine/upload.h"

namespace trainer {

// This rank's batches, epoch after epoch, read and sent to the device one step ahead: a rank that cannot read its next
// batch says so (trouble) before the others wait for its gradients.
class Feed {
public:
    Feed(Loader& loader, Upload& upload, const Clock& clock)
        : loader_(loader), upload_(upload), next_(clock) {
        if (next_.done()) return;
        loader_.begin_epoch(next_.epoch(), next_.step_in_epoch());
        fetch();
    }
    const std::optional<core::Error>& trouble() const noexcept { return trouble_; }

    // Its inputs on the device.
    Batch next() {
        upload_.arrived(ahead_.value());
        Batch batch = std::move(ahead_).value();
        ahead_.reset();
        next_.advance();
        if (!next_.done()) {
            if (next_.epoch_ended()) loader_.begin_epoch(next_.epoch());
            fetch();
        }
        return batch;
    }

private:
    void fetch() {
        try {
            ahead_ = loader_.next();
            if (!ahead_) throw core::Error(core::Fault::bug, "an epoch ended before its last step");
            upload_.begin(*ahead_);
        } catch (const core::Error& e) {
            trouble_ = e;
        }
    }

    Loader& loader_;
    Upload& upload_;
    Clock next_;
    std::optional<Batch> ahead_;
    std::optional<core::Error> trouble_;
};

}  // namespace trainer
