// What a checkpoint says of a run, and how it goes on from one.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <nlohmann/json.hpp>

#include "core/base/event.h"
#include "trainer/engine/aside.h"
#include "trainer/engine/results.h"
#include "trainer/engine/run.h"

namespace trainer {

using core::Fault;
using Json = nlohmann::ordered_json;

namespace {

// What of [evaluate] and [patch] a score is measured by: the keys of Counts::selection, but for train.select.
Json scale_of(const Recipe& recipe) {
    return {{"surface_tolerance", recipe.evaluate.options.surface_tolerance},
            {"spacing", recipe.evaluate.options.uses_spacing},
            {"overlap", recipe.patch.overlap},
            {"positive", recipe.evaluate.options.positive},
            {"min_stratum", recipe.evaluate.options.min_stratum}};
}

// Whether scores are measured as they were. Of a key that a checkpoint of before does not have nothing is known.
bool is_same_scale(const Json& before, const Json& now) {
    for (const auto& [key, value] : before.items())
        if (now.contains(key) && now.at(key) != value) return false;
    return true;
}

}  // namespace

std::vector<NamedTensor> copy_of(const std::vector<NamedTensor>& tensors) {
    std::vector<NamedTensor> out;
    for (const auto& each : tensors)
        out.push_back({each.name, each.tensor.detach().to(at::kCPU, false, /*copy=*/true)});
    return out;
}

std::vector<NamedTensor> Run::kept_state() const {
    std::vector<NamedTensor> out =
        collect(average_ ? average_->spread() : Spread{model_->parameters(), {}}, comm_);
    if (!comm_.is_root()) return {};
    for (NamedTensor& each : copy_of(model_->buffers())) out.push_back(std::move(each));
    return out;
}

void Run::recall_init() {
    if (recipe_.init.file.empty() || !comm_.max(recipe_.init.sha256.empty())) return;
    core::Bytes told;
    core::together(comm_, [&] {
        if (!comm_.is_root()) return;
        const auto file = Checkpoints::look(out_ / "checkpoints");
        const Json state = file ? Json::parse(file->text("aloft.run")) : Json::object();
        if (!state.contains("init"))
            throw core::Error(
                Fault::usage,
                "init.file: there is no such file, and no checkpoint in --out that began with it");
        const std::string text = state.at("init").dump();
        told.assign(text.begin(), text.end());
    });
    comm_.broadcast(told);
    const Json init = Json::parse(told);
    recipe_.init.sha256 = init.at("sha256");
    began_from_ = init.at("began_from");
}

// Weights of more epochs would be said to be of fewer.
void Run::check_length(std::int64_t done) const {
    if (done <= clock_->steps()) return;
    const std::int64_t an_epoch = clock_->steps_per_epoch(), begun = (done + an_epoch - 1) / an_epoch;
    throw core::Error(Fault::usage, "train.epochs: the run in --out has done " + std::to_string(done) +
                                        " steps, more than the " + std::to_string(clock_->steps()) +
                                        " that the recipe now has: say " + std::to_string(begun) +
                                        " epochs or more, or take another --out");
}

bool Run::resume() {
    core::Bytes told;
    std::optional<TensorFile> file;  // rank 0's
    core::together(comm_, [&] {
        if (!comm_.is_root()) return;
        file = checkpoints_->newest();
        if (!file) return;
        const Json state = Json::parse(file->text("aloft.run"));
        if (state.at("run") != identity_)
            throw core::Error(
                Fault::usage,
                "the checkpoints in --out belong to another recipe or another dataset: take another "
                "--out, or remove its folder checkpoints");
        check_length(state.at("step"));
        take_up(*file, state);
        const std::string text = state.dump();
        told.assign(text.begin(), text.end());
    });
    comm_.broadcast(told);
    if (told.empty()) return false;
    broadcast_tensors(*group_, model_->state());
    const TensorFile* from = file ? &*file : nullptr;
    hand_out(from, "optimizer.", optimizer_->spread(), comm_, *group_);
    if (average_) hand_out(from, "average.", average_->spread(), comm_, *group_);
    file.reset();
    const Json state = Json::parse(told);
    clock_->set(state.at("step"));
    optimizer_->set_steps(state.value("updates", clock_->step()));
    skipped_in_a_row_ = state.value("skipped_in_a_row", std::int64_t{0});
    best_score_ =
        state.at("best_score").is_null() ? std::nullopt : std::optional(state.at("best_score").get<double>());
    best_step_ = state.at("best_step");
    improved_step_ = state.at("improved_step");
    is_validation_due_ = state.value("validation_due", false);
    if (state.value("select", recipe_.train.select) != recipe_.train.select ||
        !is_same_scale(state.value("scale", Json::object()), scale_of(recipe_))) {
        best_score_.reset();  // on another scale: what comes is compared among itself
        improved_step_ = clock_->step();
    }
    if (recipe_.schedule.follows_score()) plateau_.set(state.at("plateau"));  // whose scale is the run's
    saved_step_ = clock_->step();
    warn_if_changed("ranks_changed", state.at("ranks"), comm_.size());
    warn_if_changed("threads_changed", state.value("threads", at::get_num_threads()), at::get_num_threads());
    stop_if_patience_ends();
    return true;
}

void Run::take_up(const TensorFile& file, const Json& state) {
    copy_tensors(file, "model.", model_->state());
    copy_tensors(file, "optimizer.", optimizer_->state());
    if (average_) copy_tensors(file, "average.", average_->parameters());
    if (state.at("best_step") != state.at("step") && state.at("best_score").is_null()) return;
    best_ = copy_of(model_->state());
    if (state.at("best_step") != state.at("step"))
        copy_tensors(file, "best.", best_);
    else if (average_)
        copy_tensors(file, "average.", {best_.begin(), best_.begin() + std::ssize(model_->parameters())});
}

void Run::warn_if_changed(const char* event, int from, int to) const {
    if (from == to || recipe_.train.reproducible || !comm_.is_root()) return;
    core::Event("warning", event)
        .with("from", from)
        .with("to", to)
        .with("text", "same samples in the same order, but sums differ in their last bits");
}

void Run::announce() {
    if (!comm_.is_root()) return;
    log_ = std::make_unique<RunLog>(out_ / "log.jsonl", clock_->step());
    log_->append({{"event", clock_->step() ? "resumed" : "started"},
                  {"step", clock_->step()},
                  {"ranks", comm_.size()}});
    std::int64_t parameters = 0;
    for (const auto& each : model_->parameters()) parameters += each.tensor.numel();
    core::Event("info", clock_->step() ? "resumed" : "started")
        .with("dataset", dataset_->id("*"))
        .with("samples", loader_->samples())
        .with("step", clock_->step())
        .with("steps", clock_->steps())
        .with("parameters", parameters)
        .with("ranks", comm_.size())
        .with("threads", at::get_num_threads())
        .with("device", device_.str());
    if (clock_->step() > 0 && clock_->done())
        core::Event("info", "already_trained")
            .with("step", clock_->step())
            .with("text", "the run in --out has no step left to do: its figures are made anew");
}

void Run::save() {
    if (saved_step_ == clock_->step()) return;
    const Aside aside(logged_at_);
    saved_step_ = clock_->step();
    saved_at_ = SteadyClock::now();
    if (comm_.is_root()) checkpoints_->settle();  // before there is a copy of what comes, too
    TensorFile state;
    const auto add = [&](const std::string& prefix, std::vector<NamedTensor> tensors) {
        for (NamedTensor& each : tensors)
            state.tensors.push_back({prefix + each.name, std::move(each.tensor)});
    };
    add("model.", collect({model_->state(), {}}, comm_));
    add("optimizer.", collect(optimizer_->spread(), comm_));
    if (average_) add("average.", collect(average_->spread(), comm_));
    if (!comm_.is_root()) return;
    if (best_step_ != clock_->step()) add("best.", best_);  // which nobody changes any more
    Json run = {{"run", identity_},
                {"step", clock_->step()},
                {"ranks", comm_.size()},
                {"threads", at::get_num_threads()},
                {"updates", optimizer_->steps()},
                {"skipped_in_a_row", skipped_in_a_row_},
                {"select", recipe_.train.select},
                {"scale", scale_of(recipe_)},
                {"best_score", best_score_ ? Json(*best_score_) : Json()},
                {"best_step", best_step_},
                {"improved_step", improved_step_},
                {"validation_due", is_validation_due_}};
    if (recipe_.schedule.follows_score()) run["plateau"] = plateau_.state();
    if (!began_from_.empty()) run["init"] = {{"sha256", recipe_.init.sha256}, {"began_from", began_from_}};
    state.metadata["aloft.run"] = run.dump();
    checkpoints_->save(clock_->step(), std::move(state));
}

}  // namespace trainer
