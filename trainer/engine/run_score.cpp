// A run's score on the validation split: which weights are kept, when patience ends, what is written at the end.
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/base/event.h"
#include "trainer/engine/aside.h"
#include "trainer/engine/predict.h"
#include "trainer/engine/results.h"
#include "trainer/engine/run.h"
#include "trainer/engine/watch.h"
#include "trainer/eval/groups.h"
#include "trainer/eval/report_parts.h"

namespace trainer {

using Json = nlohmann::ordered_json;

bool Run::is_best(std::optional<double> score) const {
    return score && (!best_score_ || *score >= *best_score_);
}

std::optional<double> Run::tell(std::optional<double> score) const {
    double value = score.value_or(NAN);
    core::check_mpi(MPI_Bcast(&value, 1, MPI_DOUBLE, 0, comm_.get()), "tell the score");
    return std::isnan(value) ? std::nullopt : std::optional(value);
}

void Run::validate() {
    if (!has_samples(*dataset_, "validation")) return;
    const Aside aside(logged_at_);
    is_validation_due_ = true;
    if (average_) average_->swap();
    const auto predictions = predict(
        *model_, *task_, *dataset_,
        {"validation", recipe_.data.field, recipe_.evaluate.batch, precision_named(recipe_.train.precision),
         recipe_.patch, go_on(), task_->judge().is_of_surfaces(recipe_.train.select)},
        comm_);
    if (average_) average_->swap();
    if (!predictions) stop();
    is_validation_due_ = false;
    std::optional<double> score;
    core::together(comm_, [&] {
        if (!comm_.is_root()) return;
        const Watch::Busy busy;
        const Judge& judge = task_->judge();
        EvaluateOptions options;  // of an epoch, no more than this
        options.positive = recipe_.evaluate.options.positive;
        options.min_stratum = recipe_.evaluate.options.min_stratum;
        const auto judged = judge.judged(*predictions, all_of(*predictions), options, {}, Ranks::averaged);
        score = judge.kept_by(*judged, recipe_.train.select);
        const bool best = is_best(score);
        log_->append({{"event", "epoch"},
                      {"epoch", clock_->epoch() - 1},
                      {"step", clock_->step()},
                      {"validation", judged->once()},
                      {"best", best}});
        core::Event event(judged->unscored() ? "warning" : "info", "validated");
        event.with("epoch", clock_->epoch());
        const std::vector<double> figures = judged->told_of(Judged::Times(predictions->samples(), 1));
        for (const std::string_view each : judge.told()) {
            const std::size_t place = judge.place(each);
            const Json value = number(figures[place], judge.figures()[place].significant);
            event.with(each, value.is_null() ? NAN : value.get<double>());
        }
        event.with("without_score", judged->unscored()).with("best", best);
    });
    score = tell(score);
    if (recipe_.schedule.follows_score() && clock_->step() > recipe_.schedule.warmup(*clock_))
        plateau_.observe(recipe_.schedule, score);
    if (score && (!best_score_ || *score > *best_score_)) improved_step_ = clock_->step();
    if (is_best(score)) {
        best_score_ = score;
        best_step_ = clock_->step();
        best_ = kept_state();
    }
    stop_if_patience_ends();
}

void Run::stop_if_patience_ends() {
    if (recipe_.train.patience &&
        clock_->step() - improved_step_ >= recipe_.train.patience * loader_->steps_per_epoch())
        clock_->stop_early();
}

Json Run::conclude() {
    if (recipe_.train.select == "last" || !best_score_) {
        best_step_ = clock_->step();
        if (average_) average_->swap();
    } else {
        core::together(comm_, [&] {
            if (comm_.is_root()) copy_tensors({best_, {}}, "", model_->state());
        });
    }
    broadcast_tensors(*group_, model_->state());
    Json training = {{"steps", clock_->step()}, {"epochs", clock_->epoch()}, {"selected_step", best_step_}};
    const auto shown = [&](double kept) { return task_->judge().unsigned_score(kept, recipe_.train.select); };
    training["validation"] = best_score_ && task_->judge().tells_kept()
                                 ? Json(std::round(shown(*best_score_) * 1e6) / 1e6)
                                 : Json();
    if (average_) training["average_decay"] = recipe_.train.ema;
    auto results =
        write_results(recipe_, *task_, *model_, *dataset_, out_, training, began_from_, comm_, go_on());
    if (!results) stop();
    return std::move(*results);
}

}  // namespace trainer
