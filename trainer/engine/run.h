#pragma once
#include <chrono>
#include <filesystem>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <vector>

#include "trainer/augment/augment.h"
#include "trainer/data/loader.h"
#include "trainer/engine/agreement.h"
#include "trainer/engine/average.h"
#include "trainer/engine/checkpoint.h"
#include "trainer/engine/claim.h"
#include "trainer/engine/clock.h"
#include "trainer/engine/feed.h"
#include "trainer/engine/fit.h"
#include "trainer/engine/gradients.h"
#include "trainer/engine/group.h"
#include "trainer/engine/owners.h"
#include "trainer/engine/pass.h"
#include "trainer/engine/run_log.h"
#include "trainer/engine/signals.h"
#include "trainer/engine/upload.h"

namespace trainer {

// Tensors of their own on the CPU.
std::vector<NamedTensor> copy_of(const std::vector<NamedTensor>& tensors);

// One run: all that the loop in `train` speaks of. fit.cpp has the loop and what it obeys, run_state.cpp what a
// checkpoint says, run_score.cpp the weights that are kept. Every function is collective, but for those that say
// otherwise.
class Run {
public:
    Run(const Recipe& recipe, const FitRequest& request, const core::Comm& comm);
    nlohmann::ordered_json train();

private:
    using SteadyClock = std::chrono::steady_clock;

    // Not collective, rank 0's: no other run may write into out_, if that is there.
    void claim_out();
    void make_loader();
    void tell_balance() const;  // not collective: what [balance] makes of the training split
    void make_model();
    // Weights to begin with, if the recipe names a file: what the newest checkpoint says of one that is gone; and, not
    // collective, those of one that is there.
    void recall_init();
    void take_init();
    void learn_targets();
    void make_optimizer();  // and the average
    void make_step();
    // Not collective: what augmentation and mixup make of this batch; empty without them.
    Alter alter(const Batch& batch, const at::Tensor& target) const;
    // The weights that are measured and kept: the model, or its average. On rank 0, copies; nothing elsewhere.
    std::vector<NamedTensor> kept_state() const;

    // Not collective: what this rank wants all to do after this step.
    unsigned wishes(const Feed& feed, double loss, double norm);
    // False once a rank was asked to stop, or fails.
    GoOn go_on();
    // A step whose loss or gradients are not finite on any rank: no rank moved by it.
    void skip();
    void record(double loss, double rate, double norm);
    void obey(unsigned flags, const Feed& feed);
    // All ranks are at the same step, and its update is done or not begun.
    [[noreturn]] void stop();

    // Takes up the newest checkpoint, on every rank; false if there is none.
    bool resume();
    // Not collective, rank 0's: what a checkpoint has.
    void take_up(const TensorFile& file, const nlohmann::ordered_json& state);
    // Not collective: throws Error(usage) if so many steps are more than the recipe has.
    void check_length(std::int64_t done) const;
    void warn_if_changed(const char* event, int from, int to) const;
    void announce();
    void save();

    // At the end of an epoch: the score on patients that are not trained on.
    void validate();
    // Of equal scores the later: it has seen more. What has no score is never the best.
    bool is_best(std::optional<double> score) const;
    // Rank 0's score, on every rank; as NaN on its way if there is none.
    std::optional<double> tell(std::optional<double> score) const;
    void stop_if_patience_ends();
    // The weights that are kept, their figures on the test split, and both files.
    nlohmann::ordered_json conclude();

    Recipe recipe_;
    const core::Comm& comm_;
    std::filesystem::path out_;
    StopSignals signals_;
    std::unique_ptr<Dataset> dataset_;
    std::unique_ptr<Task> task_;
    c10::Device device_;
    c10::intrusive_ptr<c10d::ProcessGroup> group_;
    Agreement agreement_;
    Upload upload_;
    Foreground foreground_;  // of the patches that the loader cuts
    std::unique_ptr<Loader> loader_;
    std::unique_ptr<Model> model_;
    std::optional<Owners> owners_;  // nothing where every rank remembers all
    std::unique_ptr<Optimizer> optimizer_;
    std::unique_ptr<Gradients> gradients_;
    std::unique_ptr<Step> step_;
    std::unique_ptr<Augment> augment_;
    std::unique_ptr<WeightAverage> average_;  // null without one
    std::optional<Clock> clock_;
    std::string identity_, began_from_;
    std::int64_t micro_batches_ = 1;
    bool is_validation_due_ = false;  // of the epoch that ended last: it was asked to stop meanwhile

    Plateau plateau_;  // alike on every rank
    std::optional<double> best_score_;
    std::int64_t best_step_ = 0, improved_step_ = 0, saved_step_ = 0, skipped_in_a_row_ = 0;

    // Rank 0:
    std::optional<core::FileLock> lock_;  // of out_; before all that writes there
    std::unique_ptr<Checkpoints> checkpoints_;
    std::unique_ptr<RunLog> log_;
    std::vector<NamedTensor> best_;  // the weights with the best score so far
    SteadyClock::time_point saved_at_ = SteadyClock::now(), logged_at_ = SteadyClock::now();
    double loss_sum_ = 0;  // this rank's, since the last line of the log
    std::int64_t loss_count_ = 0;
};

}  // namespace trainer
