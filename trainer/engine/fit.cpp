#include "trainer/engine/fit.h"

#include <malloc.h>
#include <sched.h>
#include <sys/resource.h>

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>
#include <climits>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>

#include "core/base/event.h"
#include "core/base/files.h"
#include "core/base/progress.h"
#include "trainer/data/loader.h"
#include "trainer/engine/agreement.h"
#include "trainer/engine/checkpoint.h"
#include "trainer/engine/clock.h"
#include "trainer/engine/feed.h"
#include "trainer/engine/gradients.h"
#include "trainer/engine/group.h"
#include "trainer/engine/predict.h"
#include "trainer/engine/results.h"
#include "trainer/engine/run_log.h"
#include "trainer/engine/signals.h"
#include "trainer/engine/standardise.h"

namespace trainer {
namespace {

using core::AgreedError;
using core::Fault;
using Json = nlohmann::ordered_json;
using Seconds = std::chrono::duration<double>;
using SteadyClock = std::chrono::steady_clock;

void prepare_process(const Recipe& recipe, const core::Comm& comm) {
    // Keep freed activations for the next step in place of a storm of page faults: 1.15 times the speed.
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    mallopt(M_TRIM_THRESHOLD, INT_MAX);
    // No dump of what was decrypted. (Not PR_SET_DUMPABLE: MPI's copies between processes of a node need it.)
    const rlimit none{0, 0};
    setrlimit(RLIMIT_CORE, &none);

    MPI_Comm node = MPI_COMM_NULL;
    core::check_mpi(MPI_Comm_split_type(comm.get(), MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node),
                    "find the ranks of this node");
    int ranks = 1;
    MPI_Comm_size(node, &ranks);
    MPI_Comm_free(&node);
    cpu_set_t cores;
    CPU_ZERO(&cores);
    const int count = sched_getaffinity(0, sizeof cores, &cores) == 0 ? CPU_COUNT(&cores) : 1;
    // Sums in parallel depend on the number of threads.
    at::set_num_threads(recipe.train.reproducible ? 1 : std::max(1, count / ranks));
    if (recipe.train.reproducible) at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/false);
}

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
          group_(make_group(comm, device_)),
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
        if (!resume()) standardise(*model_, *dataset_, recipe, comm);
        make_step();
    }

    Json train() {
        announce();
        Feed feed(*loader_, *clock_);
        core::agree(comm_, feed.trouble());
        core::Progress progress("fit", clock_->steps() - clock_->step());
        while (!clock_->done()) {
            const Batch batch = feed.next();  // this rank's share: [batch / ranks, shape of a sample]
            agreement_.post(wishes(feed));
            const double loss = step_->accumulate(batch.inputs, batch.labels, clock_->step());
            const double rate =
                recipe_.schedule.rate(recipe_.optimizer.rate, clock_->step(), clock_->steps());
            const double norm = update(rate);
            clock_->advance();
            record(loss, rate, norm);
            if (comm_.is_root()) progress.advance();
            if (clock_->epoch_ended()) validate();
            obey(agreement_.wait(), feed);
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
        optimizer_->set_steps(clock_->step());
        best_score_ = state.at("best_score").is_null() ? std::nullopt
                                                       : std::optional(state.at("best_score").get<double>());
        best_step_ = state.at("best_step");
        improved_step_ = state.at("improved_step");
        saved_step_ = clock_->step();
        const int ranks = state.at("ranks");
        if (ranks != comm_.size() && !recipe_.train.reproducible && comm_.is_root())
            core::Event("warning", "ranks_changed")
                .with("from", ranks)
                .with("to", comm_.size())
                .with("text", "same samples in the same order, but sums differ in their last bits");
        stop_if_patience_ends();
        return true;
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

    // What this rank wants all to do after this step.
    unsigned wishes(const Feed& feed) {
        unsigned flags = 0;
        if (signals_.received()) flags |= Agreement::kStop;
        if (feed.trouble() || trouble_) flags |= Agreement::kFailed;
        const double wait = recipe_.checkpoint.every_seconds;
        if (comm_.is_root() && wait > 0 && Seconds(SteadyClock::now() - saved_at_).count() >= wait)
            flags |= Agreement::kSave;
        return flags;
    }

    void obey(unsigned flags, const Feed& feed) {
        if (flags & Agreement::kFailed) core::agree(comm_, feed.trouble() ? feed.trouble() : trouble_);
        const auto& every = recipe_.checkpoint;
        const bool due =
            (flags & (Agreement::kSave | Agreement::kStop)) || clock_->done() ||
            (every.every_steps && clock_->step() % every.every_steps == 0) ||
            (every.every_epochs && clock_->epoch_ended() && clock_->epoch() % every.every_epochs == 0);
        if (due) save();
        if (flags & Agreement::kStop && !clock_->done()) {
            core::together(comm_, [&] {
                if (comm_.is_root()) checkpoints_->wait();
            });
            throw AgreedError(Fault::requeue, "asked to stop: state saved at step " +
                                                  std::to_string(clock_->step()) + " of " +
                                                  std::to_string(clock_->steps()) +
                                                  "; run the same command again to go on");
        }
    }

    double update(double rate) {
        try {
            return step_->update(rate);
        } catch (const core::Error& e) {
            throw AgreedError(e.fault(), e.what());  // gradients are the same on every rank, and so is this
        }
    }

    void record(double loss, double rate, double norm) {
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
        const Predictions predictions =
            predict(*model_, *dataset_,
                    {"validation", recipe_.data.field, recipe_.data.label, recipe_.evaluate.batch}, comm_);
        std::optional<double> score;
        core::together(comm_, [&] {
            if (!comm_.is_root()) return;
            std::vector<std::size_t> all(predictions.samples());
            std::iota(all.begin(), all.end(), std::size_t{0});
            const Measures m =
                measure(predictions, all, positive_class(recipe_.evaluate.options, predictions.classes));
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

    // Rank 0 only; a failure is told to the others with the next step's agreement.
    template <class Work>
    void write(Work&& work) {
        if (!comm_.is_root()) return;
        try {
            work();
        } catch (const core::Error& e) {
            trouble_ = e;
        }
    }

    void save() {
        if (saved_step_ == clock_->step()) return;
        saved_step_ = clock_->step();
        saved_at_ = SteadyClock::now();
        write([&] {
            TensorFile state;
            for (const auto& each : model_->state())
                state.tensors.push_back({"model." + each.name, each.tensor});
            for (const auto& each : optimizer_->state())
                state.tensors.push_back({"optimizer." + each.name, each.tensor});
            if (best_step_ != clock_->step())
                for (const auto& each : best_) state.tensors.push_back({"best." + each.name, each.tensor});
            const Json run = {
                {"run", identity_},        {"step", clock_->step()},
                {"ranks", comm_.size()},   {"best_score", best_score_ ? Json(*best_score_) : Json()},
                {"best_step", best_step_}, {"improved_step", improved_step_}};
            state.metadata["aloft.run"] = run.dump();
            checkpoints_->save(clock_->step(), std::move(state));
        });
    }

    // The weights that are kept, their figures on the test split, and both files.
    Json conclude() {
        core::together(comm_, [&] {
            if (!comm_.is_root()) return;
            if (trouble_) throw *trouble_;
            checkpoints_->wait();
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
        return write_results(recipe_, *model_, *dataset_, out_, training, comm_);
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

    std::optional<double> best_score_;
    std::int64_t best_step_ = 0, improved_step_ = 0, saved_step_ = 0;

    // Rank 0:
    std::unique_ptr<Checkpoints> checkpoints_;
    std::unique_ptr<RunLog> log_;
    std::vector<NamedTensor> best_;  // the weights with the best score so far
    std::optional<core::Error> trouble_;
    SteadyClock::time_point saved_at_ = SteadyClock::now(), logged_at_ = SteadyClock::now();
    double loss_sum_ = 0;  // this rank's, since the last line of the log
    std::int64_t loss_count_ = 0;
};

}  // namespace

Json fit(const Recipe& recipe, const FitRequest& request, const core::Comm& comm) {
    prepare_process(recipe, comm);
    return Run(recipe, request, comm).train();
}

}  // namespace trainer
