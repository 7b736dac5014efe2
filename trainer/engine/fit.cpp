#include "trainer/engine/fit.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "core/base/event.h"
#include "core/base/files.h"
#include "core/base/progress.h"
#include "trainer/engine/labels.h"
#include "trainer/engine/lineage.h"
#include "trainer/engine/predict.h"
#include "trainer/engine/process.h"
#include "trainer/engine/results.h"
#include "trainer/engine/run.h"
#include "trainer/engine/standardise.h"
#include "trainer/engine/watch.h"
#include "trainer/loader/balance.h"
#include "trainer/model/gpu_kernels.h"
#include "trainer/model/pretrained.h"

namespace trainer {

using core::AgreedError;
using core::Fault;
using Json = nlohmann::ordered_json;
using Seconds = std::chrono::duration<double>;

Run::Run(const Recipe& given, const FitRequest& request, const core::Comm& comm)
    : recipe_(given),
      comm_(comm),
      out_(request.out),
      dataset_(open_dataset(request.access, comm)),
      device_(choose_device(comm, request.device)),
      group_(make_group(comm, device_, given.train.hang_seconds)),
      agreement_(comm),
      upload_(device_),
      foreground_(given.patch.foreground, given.seed) {
    const Recipe& recipe = recipe_;
    core::together(comm, [&] {  // before anything that takes its time
        if (comm.is_root()) claim_out();
    });
    hold_out(*dataset_, recipe, comm);
    core::together(comm, [&] {
        task_ = task_of(recipe, *dataset_);
        settle_padding(recipe_, *dataset_);
    });
    recall_init();
    const std::set<std::string> splits{"train", "validation", recipe.evaluate.split};
    settle_labels(*dataset_, *task_, recipe, splits, comm);
    check_held_out(*dataset_, recipe, comm);
    core::together(comm, [&] {
        make_loader();
        make_model();
        recipe.finish();
        if (recipe.schedule.follows_score() && !has_samples(*dataset_, "validation"))
            throw core::Error(Fault::usage,
                              "schedule.name: \"plateau\" follows the score on the validation split, "
                              "and the dataset has no samples in it");
        if (comm.is_root()) {
            core::make_directories(out_);
            claim_out();
            checkpoints_ =
                std::make_unique<Checkpoints>(out_ / "checkpoints", static_cast<int>(recipe.checkpoint.keep));
        }
    });
    check_evaluation(recipe, *task_, *dataset_, comm);
    const std::int64_t with_kernels = comm.sum(has_kernels(device_) ? 1 : 0);
    if (recipe.train.reproducible && with_kernels != 0 && with_kernels != comm.size())
        throw AgreedError(Fault::system,
                          "train.reproducible: " + std::to_string(comm.size() - with_kernels) + " of " +
                              std::to_string(comm.size()) +
                              " ranks have no kernels for their GPU (no_kernels says why) and would "
                              "round differently");
    core::together(comm, [&] { make_optimizer(); });
    const bool is_resumed = resume();
    const bool is_looked_at =
        !is_resumed || recipe.patch.wants_foreground()
            ? check_masks(*dataset_, *task_, recipe, is_resumed ? std::set<std::string>{"train"} : splits,
                          foreground_, comm, go_on())
            : true;
    if (!is_looked_at || (!is_resumed && !standardise(*model_, *dataset_, recipe, comm, go_on())))
        throw AgreedError(Fault::requeue, "asked to stop before the first step; run the same command again");
    if (!is_resumed) learn_targets();
    make_step();
}

Json Run::train() {
    announce();
    if (is_validation_due_) validate();
    Feed feed(*loader_, upload_, *clock_);
    core::agree(comm_, feed.trouble());
    core::Progress progress("fit", clock_->steps() - clock_->step());
    logged_at_ = SteadyClock::now();
    while (!clock_->done()) {
        const Batch batch = feed.next();  // this rank's share: [batch / ranks, shape of a sample]
        const at::Tensor target = task_->target(batch);
        if (!step_->accumulate(
                batch.inputs, target, clock_->step(), [go_on = go_on()] { return go_on(false); },
                alter(batch, target)))
            stop();
        unsigned all = 0;  // what any rank wants: see Agreement
        const double rate = recipe_.schedule.rate(recipe_.optimizer.rate, *clock_, plateau_.reduced());
        const Step::Outcome done = step_->update(rate, [&](double loss, double norm) {
            all = agreement_.reach(wishes(feed, loss, norm));
            return !(all & Agreement::kNotFinite);
        });
        clock_->advance();
        if (average_ && !(all & Agreement::kNotFinite)) average_->update(optimizer_->steps());
        if (all & Agreement::kNotFinite)
            skip();
        else
            record(done.loss, rate, done.norm);
        if (comm_.is_root()) progress.advance();
        if (clock_->epoch_ended()) validate();
        obey(all, feed);
    }
    if (comm_.is_root()) progress.finish();
    return conclude();
}

void Run::claim_out() {
    if (!lock_ && std::filesystem::is_directory(out_))
        lock_.emplace(claim(out_, [this] { return signals_.received(); }));
}

void Run::make_loader() {
    LoaderOptions options;
    options.split = "train";
    options.field = recipe_.data.field;
    task_->ask(options);
    micro_batches_ = recipe_.micro_batches_per_rank(comm_.size());
    options.batch_size = recipe_.data.batch / comm_.size();
    options.rank = comm_.rank();
    options.ranks = comm_.size();
    options.seed = recipe_.seed;
    options.memory_hook = upload_.memory_hook();
    options.balance = recipe_.balance;
    if (recipe_.patch.is_on()) {
        options.per_sample = recipe_.patch.per_sample;
        options.crop.emplace();
        options.crop->extent = recipe_.patch.size;
        options.crop->place = Crop::Place::random;
        options.crop->fill = recipe_.patch.padding;
        options.crop->fill_beside =
            recipe_.task.values.empty() ? 0 : static_cast<double>(recipe_.task.values[0]);
        if (recipe_.patch.wants_foreground())
            options.crop->around = [this](std::int64_t draw, std::int64_t sample) {
                return foreground_.centre(draw, sample);
            };
    }
    const Watch::Busy busy;  // balance opens every shard
    loader_ = std::make_unique<Loader>(*dataset_, options);
    clock_.emplace(recipe_.train.epochs, loader_->steps_per_epoch());
    if (loader_->draws() && comm_.is_root()) tell_balance();
}

void Run::tell_balance() const {
    constexpr int kShown = 8;
    std::int64_t unknown = 0;
    std::string capped;
    int count = 0;
    for (const BalanceGroup& group : loader_->draws()->groups()) {
        if (std::find(group.names.begin(), group.names.end(), "") != group.names.end())
            unknown += group.samples;
        if (!group.is_capped || ++count > kShown) continue;
        std::string name;
        for (const std::string& each : group.names) name += (name.empty() ? "" : "*") + each;
        capped += (capped.empty() ? "" : ", ") + name + ' ' + shown_count(group.samples);
    }
    if (count > kShown) capped += " and " + std::to_string(count - kShown) + " more";
    core::Event("info", "balanced")
        .with("groups", loader_->draws()->groups().size())
        .with("without_category", unknown > 0 ? shown_count(unknown) : "0")
        .with("steps", loader_->steps_per_epoch());  // draws by weights would count a category's samples
    if (count > 0)
        core::Event("warning", "balance_capped")
            .with("most_repeats", recipe_.balance.most_repeats)
            .with("text",
                  capped + ": so few samples come at most so often in an epoch, less than their equal share");
}

void Run::make_model() {
    model_ = trainer::make_model(recipe_.model, task_->input(loader_->input_shape()), recipe_.seed);
    take_init();
    model_->to(device_);
    augment_ = std::make_unique<Augment>(recipe_.augment, recipe_.seed, model_->input().shape);
    identity_ = run_identity(recipe_, *model_, *dataset_);
}

void Run::take_init() {
    if (recipe_.init.file.empty() || !began_from_.empty()) return;
    const core::Bytes bytes = core::read_file(recipe_.init.file, std::uint64_t{1} << 40);
    if (core::to_hex(core::sha256(bytes)) != recipe_.init.sha256)
        throw core::Error(Fault::data, "init.file: it was written to while the run began");
    const TensorFile file = parse_safetensors(bytes, "init.file", Origin::anywhere);
    // Of whatever version: the patients are the same.
    for (std::size_t i = 0; recipe_.hold_out.is_any() && i < dataset_->datasets(); ++i)
        if (is_trained_on(file, dataset_->manifest(i).dataset))
            throw core::Error(Fault::usage,
                              "init.file: these weights, or those that they began from, were trained on this "
                              "dataset, and may have seen those "
                              "whom [hold_out] holds out");
    began_from_ = began_from(file, recipe_.init.sha256);
    const Taken told = take_weights(file, recipe_.init.names, *model_);
    if (!comm_.is_root()) return;
    std::string kept;
    bool is_head_alone = true;
    for (const std::string& name : told.kept) {
        kept += (kept.empty() ? "" : " ") + name;
        is_head_alone = is_head_alone && name.starts_with("head.");
    }
    core::Event(is_head_alone ? "info" : "warning", "weights_taken")
        .with("taken", told.taken.size())
        .with("not_in_file", kept.empty() ? "none" : kept)
        .with("unused_of_file", told.unused)
        .with("stem_summed", told.is_stem_summed);
}

// What rank 0 learns all have: every rank makes its own standardisation of inputs.
void Run::learn_targets() {
    core::together(comm_, [&] {
        if (!comm_.is_root()) return;
        const Watch::Busy busy;
        task_->learn(*model_, *dataset_);
    });
    if (model_->input().has_units) broadcast_tensors(*group_, model_->state());
}

void Run::make_optimizer() {
    const auto& parameters = model_->parameters();
    const Recipe::Train& train = recipe_.train;
    std::vector<std::int64_t> bytes = remembered_bytes(parameters, recipe_.optimizer);
    for (std::size_t i = 0; train.ema > 0 && i < bytes.size(); ++i)
        bytes[i] += static_cast<std::int64_t>(parameters[i].tensor.nbytes());
    if (train.divide_state && comm_.size() > 1) owners_.emplace(group_, bytes);
    const Owners* owners = owners_ ? &*owners_ : nullptr;
    optimizer_ = std::make_unique<Optimizer>(parameters, recipe_.optimizer, owners);
    if (train.ema > 0) average_ = std::make_unique<WeightAverage>(*model_, train.ema, owners);
    if (!owners || !comm_.is_root()) return;
    const auto [least, most] = std::minmax_element(owners->bytes().begin(), owners->bytes().end());
    core::Event("info", "state_divided")
        .with("bytes", std::accumulate(bytes.begin(), bytes.end(), std::int64_t{0}))
        .with("most_of_a_rank", *most)
        .with("least_of_a_rank", *least);
}

void Run::make_step() {
    std::vector<at::Tensor> parameters, buffers;
    for (const auto& each : model_->parameters())
        (each.tensor.requires_grad() ? parameters : buffers).push_back(each.tensor);
    for (const auto& each : model_->buffers()) buffers.push_back(each.tensor);
    const auto make = recipe_.train.reproducible ? ordered_gradients : overlapped_gradients;
    gradients_ = make(std::move(parameters), std::move(buffers), group_, static_cast<int>(micro_batches_));
    step_ = std::make_unique<Step>(*model_, *task_, *optimizer_, *gradients_,
                                   StepOptions{recipe_.seed, micro_batches_, micro_batches_ * comm_.rank(),
                                               precision_named(recipe_.train.precision)});
}

Alter Run::alter(const Batch& batch, const at::Tensor& target) const {
    if (augment_->is_none() && !recipe_.mixup.is_on()) return {};
    const Standard standard{model_->buffers().at(0).tensor, model_->buffers().at(1).tensor};
    // Patches of one sample are changed each in their own way.
    const at::Tensor numbers = batch.sample + batch.which * (std::int64_t{1} << 40);
    const std::span all(numbers.const_data_ptr<std::int64_t>(), static_cast<std::size_t>(numbers.size(0)));
    Augment::Centres centres(all.size());
    if (!recipe_.task.mask.empty()) centres = augment_->centres(target, all, clock_->epoch());
    return [this, standard, numbers, centres = std::move(centres), epoch = clock_->epoch()](
               at::Tensor& inputs, at::Tensor& targets, std::int64_t first) {
        const auto from = static_cast<std::size_t>(first), count = static_cast<std::size_t>(inputs.size(0));
        const std::span samples(numbers.const_data_ptr<std::int64_t>() + first, count);
        const auto around = std::span(centres).subspan(from, count);
        if (!recipe_.task.mask.empty()) {  // [n, pixels]
            std::vector<std::int64_t> shape = inputs.sizes().vec();
            if (shape.size() > 3) shape.erase(shape.begin() + 1);  // the channels
            targets = augment_->masks(targets.view(shape), samples, epoch, around).flatten(1);
        }
        inputs = augment_->images(inputs, samples, epoch, standard, around);
        if (recipe_.mixup.is_on())
            mix(recipe_.mixup, recipe_.seed, *task_, samples, epoch, standard.mean, inputs, targets);
    };
}

GoOn Run::go_on() {
    return [this](bool failed) {
        unsigned mine = failed ? unsigned{Agreement::kFailed} : 0;
        if (signals_.received()) mine |= Agreement::kStop;
        return !(agreement_.reach(mine) & (Agreement::kStop | Agreement::kFailed));
    };
}

unsigned Run::wishes(const Feed& feed, double loss, double norm) {
    unsigned flags = 0;
    if (signals_.received()) flags |= Agreement::kStop;
    if (feed.trouble()) flags |= Agreement::kFailed;
    if (!std::isfinite(loss) || !std::isfinite(norm)) flags |= Agreement::kNotFinite;
    const double wait = recipe_.checkpoint.every_seconds;
    if (comm_.is_root() && wait > 0 && Seconds(SteadyClock::now() - saved_at_).count() >= wait)
        flags |= Agreement::kSave;
    return flags;
}

void Run::skip() {
    ++skipped_in_a_row_;
    if (comm_.is_root()) {
        log_->append({{"event", "skipped"}, {"step", clock_->step()}});
        core::Event("warning", "step_skipped")
            .with("step", clock_->step())
            .with("text", "loss or gradients are not finite");
    }
    if (skipped_in_a_row_ >= recipe_.train.skip_limit)
        throw AgreedError(Fault::data, "loss or gradients were not finite in " +
                                           std::to_string(skipped_in_a_row_) +
                                           " steps in a row (train.skip_limit), the last of them step " +
                                           std::to_string(clock_->step()) +
                                           ": lower optimizer.rate, or look for values in the data that are "
                                           "too large");
}

void Run::record(double loss, double rate, double norm) {
    skipped_in_a_row_ = 0;
    loss_sum_ += loss;
    ++loss_count_;
    if (clock_->step() % recipe_.train.log_steps != 0 && !clock_->epoch_ended()) return;
    double sum = 0;
    core::check_mpi(MPI_Reduce(&loss_sum_, &sum, 1, MPI_DOUBLE, MPI_SUM, 0, comm_.get()), "add up the loss");
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

void Run::obey(unsigned flags, const Feed& feed) {
    if (flags & Agreement::kFailed) core::agree(comm_, feed.trouble());
    const auto& every = recipe_.checkpoint;
    const bool due =
        (flags & Agreement::kSave) || clock_->done() ||
        (every.every_steps && clock_->step() % every.every_steps == 0) ||
        (every.every_epochs && clock_->epoch_ended() && clock_->epoch() % every.every_epochs == 0);
    if (due) save();
    if (flags & Agreement::kStop && !clock_->done()) stop();
}

void Run::stop() {
    save();
    core::together(comm_, [&] {
        if (comm_.is_root()) checkpoints_->wait();
    });
    throw AgreedError(Fault::requeue, "asked to stop: state saved at step " + std::to_string(clock_->step()) +
                                          " of " + std::to_string(clock_->steps()) +
                                          "; run the same command again to go on");
}

Json fit(const Recipe& recipe, const FitRequest& request, const core::Comm& comm) {
    prepare_process(recipe.train.reproducible, precision_named(recipe.train.precision), recipe.data.threads,
                    comm);
    const Watch watch(comm, recipe.train.hang_seconds);
    std::optional<Run> run;  // outlives what it throws: see end_job
    return or_end_job(comm, [&] { return run.emplace(recipe, request, comm).train(); });
}

}  // namespace trainer
