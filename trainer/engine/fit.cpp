#include "trainer/engine/fit.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>

#include "core/base/event.h"
#include "core/base/files.h"
#include "core/base/progress.h"
#include "trainer/data/loader.h"
#include "trainer/engine/agreement.h"
#include "trainer/engine/aside.h"
#include "trainer/engine/checkpoint.h"
#include "trainer/engine/clock.h"
#include "trainer/engine/feed.h"
#include "trainer/engine/gradients.h"
#include "trainer/engine/group.h"
#include "trainer/engine/predict.h"
#include "trainer/engine/process.h"
#include "trainer/engine/results.h"
#include "trainer/engine/run_log.h"
#include "trainer/engine/signals.h"
#include "trainer/engine/standardise.h"
#include "trainer/engine/watch.h"

namespace trainer {
namespace {

using core::AgreedError;
using core::Fault;
using Json = nlohmann::ordered_json;
using Seconds = std::chrono::duration<double>;
using SteadyClock = std::chrono::steady_clock;

std::vector<NamedTensor> copy_of(const std::vector<NamedTensor>& tensors) {
    std::vector<NamedTensor> out;
    for (const auto& each : tensors)
        out.push_back({each.name, each.tensor.detach().to(at::kCPU, false, /*copy=*/true)});
    return out;
}

// One run: all that the loop in `train` speaks of.
class Run {
public:
    Run(const Recipe& recipe, const FitRequest& request, const core::Comm& comm)
        : recipe_(recipe),
          comm_(comm),
          out_(request.out),
          dataset_(open_dataset(request.access, comm)),
          device_(choose_device(comm, request.device)),
          group_(make_group(comm, device_, recipe.train.hang_seconds)),
          agreement_(comm) {
        core::together(comm, [&] {
            make_loader();
            make_model();
            recipe.finish();
            if (comm.is_root()) {
                core::make_directories(out_);
                checkpoints_ = std::make_unique<Checkpoints>(out_ / "checkpoints", recipe.checkpoint.keep);
            }
        });
        optimizer_ = std::make_unique<Optimizer>(model_->parameters(), recipe.optimizer);
        if (!resume() && !standardise(*model_, *dataset_, recipe, comm, go_on()))
            throw AgreedError(Fault::requeue,
                              "asked to stop before the first step; run the same command again");
        make_step();
    }

    Json train() {
        announce();
        if (is_validation_due_) validate();
        Feed feed(*loader_, *clock_);
        core::agree(comm_, feed.trouble());
        core::Progress progress("fit", clock_->steps() - clock_->step());
        logged_at_ = SteadyClock::now();
        while (!clock_->done()) {
            const Batch batch = feed.next();  // this rank's share: [batch / ranks, shape of a sample]
            const auto loss = step_->accumulate(batch.inputs, batch.labels, clock_->step(),
                                                [go_on = go_on()] { return go_on(false); });
            if (!loss) stop();
            unsigned all = 0;  // what any rank wants: see Agreement
            const double rate =
                recipe_.schedule.rate(recipe_.optimizer.rate, clock_->step(), clock_->steps());
            const double norm = step_->update(rate, [&](double gradient) {
                all = agreement_.reach(wishes(feed, *loss, gradient));
                return !(all & Agreement::kNotFinite);
            });
            clock_->advance();
            if (all & Agreement::kNotFinite)
                skip();
            else
                record(*loss, rate, norm);
            if (comm_.is_root()) progress.advance();
            if (clock_->epoch_ended()) validate();
            obey(all, feed);
        }
        if (comm_.is_root()) progress.finish();
        return conclude();
    }

private:
    void make_loader() {
        LoaderOptions options;
        options.split = "train";
        options.field = recipe_.data.field;
        options.label = recipe_.data.label;
        micro_batches_ = recipe_.micro_batches_per_rank(comm_.size());
        options.batch_size = recipe_.data.batch / comm_.size();
        options.rank = comm_.rank();
        options.ranks = comm_.size();
        options.seed = recipe_.seed;
        loader_ = std::make_unique<Loader>(*dataset_, options);
        clock_.emplace(recipe_.train.epochs, loader_->steps_per_epoch());
    }

    void make_model() {
        const auto classes = category_names(*dataset_, recipe_.data.label);
        model_ = trainer::make_model(
            recipe_.model, {loader_->input_shape(), static_cast<std::int64_t>(classes.size())}, recipe_.seed);
        model_->to(device_);
        identity_ = run_identity(recipe_, *model_, *dataset_);
    }

    void make_step() {
        std::vector<at::Tensor> parameters, buffers;
        for (const auto& each : model_->parameters()) parameters.push_back(each.tensor);
        for (const auto& each : model_->buffers()) buffers.push_back(each.tensor);
        const auto make = recipe_.train.reproducible ? ordered_gradients : overlapped_gradients;
        gradients_ =
            make(std::move(parameters), std::move(buffers), group_, static_cast<int>(micro_batches_));
        step_ = std::make_unique<Step>(*model_, *optimizer_, *gradients_,
                                       StepOptions{recipe_.seed, micro_batches_,
                                                   micro_batches_ * comm_.rank(), recipe_.train.precision});
    }

    // Takes up the newest checkpoint, on every rank; false if there is none.
    bool resume() {
        core::Bytes told;
        core::together(comm_, [&] {
            if (!comm_.is_root()) return;
            const auto file = checkpoints_->newest();
            if (!file) return;
            const Json state = Json::parse(file->text("aloft.run"));
            if (state.at("run") != identity_)
                throw core::Error(
                    Fault::usage,
                    "the checkpoints in --out belong to another recipe or another dataset: take another "
                    "--out, or remove its folder checkpoints");
            copy_tensors(*file, "model.", model_->state());
            copy_tensors(*file, "optimizer.", optimizer_->state());
            if (state.at("best_step") == state.at("step"))
                best_ = copy_of(model_->state());
            else if (!state.at("best_score").is_null()) {
                best_ = copy_of(model_->state());
                copy_tensors(*file, "best.", best_);
            }
            const std::string text = state.dump();
            told.assign(text.begin(), text.end());
        });
        comm_.broadcast(told);
        if (told.empty()) return false;
        broadcast_tensors(*group_, model_->state());
        broadcast_tensors(*group_, optimizer_->state());
        const Json state = Json::parse(told);
        clock_->set(state.at("step"));
        optimizer_->set_steps(state.value("updates", clock_->step()));
        skipped_in_a_row_ = state.value("skipped_in_a_row", std::int64_t{0});
        best_score_ = state.at("best_score").is_null() ? std::nullopt
                                                       : std::optional(state.at("best_score").get<double>());
        best_step_ = state.at("best_step");
        improved_step_ = state.at("improved_step");
        is_validation_due_ = state.value("validation_due", false);
        if (state.value("select", recipe_.train.select) != recipe_.train.select) {
            best_score_.reset();  // on another scale: what comes is compared among itself
            improved_step_ = clock_->step();
        }
        saved_step_ = clock_->step();
        warn_if_changed("ranks_changed", state.at("ranks"), comm_.size());
        warn_if_changed("threads_changed", state.value("threads", at::get_num_threads()),
                        at::get_num_threads());
        stop_if_patience_ends();
        return true;
    }

    void warn_if_changed(const char* event, int from, int to) const {
        if (from == to || recipe_.train.reproducible || !comm_.is_root()) return;
        core::Event("warning", event)
            .with("from", from)
            .with("to", to)
            .with("text", "same samples in the same order, but sums differ in their last bits");
    }

    void announce() {
        if (!comm_.is_root()) return;
        log_ = std::make_unique<RunLog>(out_ / "log.jsonl", clock_->step());
        log_->append({{"event", clock_->step() ? "resumed" : "started"},
                      {"step", clock_->step()},
                      {"ranks", comm_.size()}});
        std::int64_t parameters = 0;
        for (const auto& each : model_->parameters()) parameters += each.tensor.numel();
        core::Event("info", clock_->step() ? "resumed" : "started")
            .with("dataset", dataset_->manifest().id())
            .with("samples", loader_->samples())
            .with("step", clock_->step())
            .with("steps", clock_->steps())
            .with("parameters", parameters)
            .with("ranks", comm_.size())
            .with("threads", at::get_num_threads())
            .with("device", device_.str());
    }

    // Collective: false once a rank was asked to stop, or fails.
    GoOn go_on() {
        return [this](bool failed) {
            unsigned mine = failed ? unsigned{Agreement::kFailed} : 0;
            if (signals_.received()) mine |= Agreement::kStop;
            return !(agreement_.reach(mine) & (Agreement::kStop | Agreement::kFailed));
        };
    }

    // What this rank wants all to do after this step.
    unsigned wishes(const Feed& feed, double loss, double norm) {
        unsigned flags = 0;
        if (signals_.received()) flags |= Agreement::kStop;
        if (feed.trouble()) flags |= Agreement::kFailed;
        if (!std::isfinite(loss) || !std::isfinite(norm)) flags |= Agreement::kNotFinite;
        const double wait = recipe_.checkpoint.every_seconds;
        if (comm_.is_root() && wait > 0 && Seconds(SteadyClock::now() - saved_at_).count() >= wait)
            flags |= Agreement::kSave;
        return flags;
    }

    // A step whose loss or gradients are not finite on any rank: no rank moved by it.
    void skip() {
        ++skipped_in_a_row_;
        if (comm_.is_root()) {
            log_->append({{"event", "skipped"}, {"step", clock_->step()}});
            core::Event("warning", "step_skipped")
                .with("step", clock_->step())
                .with("text", "loss or gradients are not finite");
        }
        if (skipped_in_a_row_ >= recipe_.train.skip_limit)
            throw AgreedError(Fault::data,
                              "loss or gradients were not finite in " + std::to_string(skipped_in_a_row_) +
                                  " steps in a row (train.skip_limit), the last of them step " +
                                  std::to_string(clock_->step()) +
                                  ": lower optimizer.rate, or look for values in the data that are "
                                  "too large");
    }

    void obey(unsigned flags, const Feed& feed) {
        if (flags & Agreement::kFailed) core::agree(comm_, feed.trouble());
        const auto& every = recipe_.checkpoint;
        const bool due =
            (flags & Agreement::kSave) || clock_->done() ||
            (every.every_steps && clock_->step() % every.every_steps == 0) ||
            (every.every_epochs && clock_->epoch_ended() && clock_->epoch() % every.every_epochs == 0);
        if (due) save();
        if (flags & Agreement::kStop && !clock_->done()) stop();
    }

    // All ranks are at the same step, and its update is done or not begun.
    [[noreturn]] void stop() {
        save();
        core::together(comm_, [&] {
            if (comm_.is_root()) checkpoints_->wait();
        });
        throw AgreedError(Fault::requeue,
                          "asked to stop: state saved at step " + std::to_string(clock_->step()) + " of " +
                              std::to_string(clock_->steps()) + "; run the same command again to go on");
    }

    void record(double loss, double rate, double norm) {
        skipped_in_a_row_ = 0;
        loss_sum_ += loss;
        ++loss_count_;
        if (clock_->step() % recipe_.train.log_steps != 0 && !clock_->epoch_ended()) return;
        double sum = 0;
        core::check_mpi(MPI_Reduce(&loss_sum_, &sum, 1, MPI_DOUBLE, MPI_SUM, 0, comm_.get()),
                        "add up the loss");
        if (comm_.is_root()) {
            const auto now = SteadyClock::now();
            const double seconds = Seconds(now - logged_at_).count();
            log_->append(
                {{"event", "step"},
                 {"step", clock_->step()},
                 {"epoch", (clock_->step() - 1) / loader_->steps_per_epoch()},
                 {"loss", sum / static_cast<double>(loss_count_ * comm_.size())},
                 {"rate", rate},
                 {"gradient_norm", norm},
                 {"samples_per_second", static_cast<double>(loss_count_ * recipe_.data.batch) / seconds}});
            logged_at_ = now;
        }
        loss_sum_ = 0;
        loss_count_ = 0;
    }

    // Of equal scores the later: it has seen more. What has no score is never the best.
    bool is_best(std::optional<double> score) const {
        return score && (!best_score_ || *score >= *best_score_);
    }

    // Rank 0's score, on every rank; as NaN on its way if there is none.
    std::optional<double> tell(std::optional<double> score) const {
        double value = score.value_or(NAN);
        core::check_mpi(MPI_Bcast(&value, 1, MPI_DOUBLE, 0, comm_.get()), "tell the score");
        return std::isnan(value) ? std::nullopt : std::optional(value);
    }

    // Collective, at the end of an epoch: the score on patients that are not trained on.
    void validate() {
        if (!has_samples(*dataset_, "validation")) return;
        const Aside aside(logged_at_);
        is_validation_due_ = true;
        const auto predictions = predict(*model_, *dataset_,
                                         {"validation", recipe_.data.field, recipe_.data.label,
                                          recipe_.evaluate.batch, recipe_.train.precision, go_on()},
                                         comm_);
        if (!predictions) stop();
        is_validation_due_ = false;
        std::optional<double> score;
        core::together(comm_, [&] {
            if (!comm_.is_root()) return;
            const Watch::Busy busy;
            std::vector<std::size_t> all(predictions->samples());
            std::iota(all.begin(), all.end(), std::size_t{0});
            const Measures m =
                measure(*predictions, all, positive_class(recipe_.evaluate.options, predictions->classes));
            score = score_of(m, recipe_.train.select);
            const bool best = is_best(score);
            log_->append({{"event", "epoch"},
                          {"epoch", clock_->epoch() - 1},
                          {"step", clock_->step()},
                          {"validation", to_json(m)},
                          {"best", best}});
            core::Event(m.unscored ? "warning" : "info", "validated")
                .with("epoch", clock_->epoch())
                .with("accuracy", m.accuracy)
                .with("loss", m.loss.value_or(NAN))
                .with("without_score", m.unscored)
                .with("best", best);
        });
        score = tell(score);
        if (score && (!best_score_ || *score > *best_score_)) improved_step_ = clock_->step();
        if (is_best(score)) {
            best_score_ = score;
            best_step_ = clock_->step();
            if (comm_.is_root()) best_ = copy_of(model_->state());
        }
        stop_if_patience_ends();
    }

    void stop_if_patience_ends() {
        if (recipe_.train.patience &&
            clock_->step() - improved_step_ >= recipe_.train.patience * loader_->steps_per_epoch())
            clock_->stop_early();
    }

    void save() {
        if (saved_step_ == clock_->step()) return;
        const Aside aside(logged_at_);
        saved_step_ = clock_->step();
        saved_at_ = SteadyClock::now();
        if (!comm_.is_root()) return;
        TensorFile state;
        for (const auto& each : model_->state()) state.tensors.push_back({"model." + each.name, each.tensor});
        for (const auto& each : optimizer_->state())
            state.tensors.push_back({"optimizer." + each.name, each.tensor});
        if (best_step_ != clock_->step())
            for (const auto& each : best_) state.tensors.push_back({"best." + each.name, each.tensor});
        const Json run = {{"run", identity_},
                          {"step", clock_->step()},
                          {"ranks", comm_.size()},
                          {"threads", at::get_num_threads()},
                          {"updates", optimizer_->steps()},
                          {"skipped_in_a_row", skipped_in_a_row_},
                          {"select", recipe_.train.select},
                          {"best_score", best_score_ ? Json(*best_score_) : Json()},
                          {"best_step", best_step_},
                          {"improved_step", improved_step_},
                          {"validation_due", is_validation_due_}};
        state.metadata["aloft.run"] = run.dump();
        checkpoints_->save(clock_->step(), std::move(state));
    }

    // The weights that are kept, their figures on the test split, and both files.
    Json conclude() {
        core::together(comm_, [&] {
            if (!comm_.is_root()) return;
            if (recipe_.train.select == "last" || !best_score_) {
                best_step_ = clock_->step();
                return;
            }
            copy_tensors({best_, {}}, "", model_->state());
        });
        broadcast_tensors(*group_, model_->state());
        Json training = {
            {"steps", clock_->step()}, {"epochs", clock_->epoch()}, {"selected_step", best_step_}};
        training["validation"] = best_score_ ? Json(std::round(std::abs(*best_score_) * 1e6) / 1e6) : Json();
        auto results = write_results(recipe_, *model_, *dataset_, out_, training, comm_, go_on());
        if (!results) stop();
        return std::move(*results);
    }

    const Recipe& recipe_;
    const core::Comm& comm_;
    std::filesystem::path out_;
    StopSignals signals_;
    std::unique_ptr<Dataset> dataset_;
    c10::Device device_;
    c10::intrusive_ptr<c10d::ProcessGroup> group_;
    Agreement agreement_;
    std::unique_ptr<Loader> loader_;
    std::unique_ptr<Model> model_;
    std::unique_ptr<Optimizer> optimizer_;
    std::unique_ptr<Gradients> gradients_;
    std::unique_ptr<Step> step_;
    std::optional<Clock> clock_;
    std::string identity_;
    std::int64_t micro_batches_ = 1;
    bool is_validation_due_ = false;  // of the epoch that ended last: it was asked to stop meanwhile

    std::optional<double> best_score_;
    std::int64_t best_step_ = 0, improved_step_ = 0, saved_step_ = 0, skipped_in_a_row_ = 0;

    // Rank 0:
    std::unique_ptr<Checkpoints> checkpoints_;
    std::unique_ptr<RunLog> log_;
    std::vector<NamedTensor> best_;  // the weights with the best score so far
    SteadyClock::time_point saved_at_ = SteadyClock::now(), logged_at_ = SteadyClock::now();
    double loss_sum_ = 0;  // this rank's, since the last line of the log
    std::int64_t loss_count_ = 0;
};

}  // namespace

Json fit(const Recipe& recipe, const FitRequest& request, const core::Comm& comm) {
    prepare_process(recipe.train.reproducible, comm);
    const Watch watch(comm, recipe.train.hang_seconds);
    std::optional<Run> run;  // outlives what it throws: see end_job
    return or_end_job(comm, [&] { return run.emplace(recipe, request, comm).train(); });
}

}  // namespace trainer
