#include "trainer/engine/resample.h"

#include <cstring>
#include <nlohmann/json.hpp>

#include "trainer/engine/watch.h"
#include "trainer/eval/report.h"

namespace trainer {
namespace {

using Json = nlohmann::ordered_json;

template <class T>
void append(core::Bytes& out, const std::vector<T>& values) {
    const auto* first = reinterpret_cast<const std::uint8_t*>(values.data());
    out.insert(out.end(), first, first + values.size() * sizeof(T));
}

template <class T>
void take(const core::Bytes& bytes, std::size_t& at, std::size_t count, std::vector<T>& values) {
    values.resize(count);
    if (count * sizeof(T) > bytes.size() - at)
        throw core::Error(core::Fault::bug, "predictions of rank 0 are cut off");
    std::memcpy(values.data(), bytes.data() + at, count * sizeof(T));
    at += count * sizeof(T);
}

// A line of JSON, then the columns.
core::Bytes pack(const Predictions& predictions, const Chosen& chosen) {
    Json head = {{"samples", predictions.samples()},
                 {"task", predictions.task},
                 {"labels", predictions.label.size()},
                 {"truths", predictions.truth.size()},
                 {"probabilities", predictions.probability.size()},
                 {"measured", predictions.measured.size()},
                 {"distance_unit", predictions.distance_unit},
                 {"classes", predictions.classes},
                 {"temperature", chosen.temperature ? Json(*chosen.temperature) : Json()},
                 {"thresholds", Json::array()},
                 {"strata", Json::array()}};
    for (const auto& each : chosen.thresholds) head["thresholds"].push_back(each ? Json(*each) : Json());
    for (const auto& each : predictions.strata)
        head["strata"].push_back({each.name, each.values, each.is_listed});
    const std::string line = head.dump() + '\n';
    core::Bytes out(line.begin(), line.end());
    append(out, predictions.label);
    append(out, predictions.truth);
    append(out, predictions.probability);
    append(out, predictions.measured);
    append(out, predictions.patient);
    for (const auto& each : predictions.strata) append(out, each.code);
    return out;
}

void unpack(const core::Bytes& bytes, Predictions& predictions, Chosen& chosen) {
    std::size_t at = core::text(bytes).find('\n') + 1;
    const Json head = Json::parse(core::text(bytes).substr(0, at));
    const auto samples = head.at("samples").get<std::size_t>();
    predictions.task = head.at("task").get<std::string>();
    predictions.classes = head.at("classes").get<std::vector<std::string>>();
    predictions.distance_unit = head.at("distance_unit").get<std::string>();
    const auto real = [](const Json& value) {
        return value.is_null() ? std::nullopt : std::optional(value.get<double>());
    };
    chosen.temperature = real(head.at("temperature"));
    for (const Json& each : head.at("thresholds")) chosen.thresholds.push_back(real(each));
    take(bytes, at, head.at("labels").get<std::size_t>(), predictions.label);
    take(bytes, at, head.at("truths").get<std::size_t>(), predictions.truth);
    take(bytes, at, head.at("probabilities").get<std::size_t>(), predictions.probability);
    take(bytes, at, head.at("measured").get<std::size_t>(), predictions.measured);
    take(bytes, at, samples, predictions.patient);
    for (const Json& each : head.at("strata")) {
        auto& stratum = predictions.strata.emplace_back();
        stratum.name = each.at(0).get<std::string>();
        stratum.values = each.at(1).get<std::vector<std::string>>();
        stratum.is_listed = each.at(2).get<bool>();
        take(bytes, at, samples, stratum.code);
    }
}

// Collective. Each rank works out every so-manieth round; all of them on rank 0, in order.
std::optional<std::vector<std::vector<double>>> resample(const Report& report, const core::Comm& comm,
                                                         const GoOn& go_on) {
    std::optional<core::Error> trouble;
    core::Bytes mine;
    bool is_whole = true;
    for (std::int64_t first = 0; first < report.rounds() && is_whole; first += comm.size()) {
        try {
            if (first + comm.rank() < report.rounds()) append(mine, report.round(first + comm.rank()));
            Watch::tick();
        } catch (...) {
            trouble = core::caught();
        }
        is_whole = go_on ? go_on(trouble.has_value()) : !trouble;
    }
    core::agree(comm, trouble);
    if (!is_whole) return std::nullopt;
    const std::vector<core::Bytes> all = comm.gather(mine);
    std::vector<std::vector<double>> out;
    if (!comm.is_root() || report.rounds() == 0) return out;
    std::vector<std::size_t> at(all.size());
    const std::size_t numbers = report.round(0).size();
    for (std::int64_t round = 0; round < report.rounds(); ++round) {
        const auto rank = static_cast<std::size_t>(round % comm.size());
        take(all[rank], at[rank], numbers, out.emplace_back());
    }
    return out;
}

}  // namespace

std::optional<Json> report_by_ranks(const Predictions& predictions, const Predictions* validation,
                                    const EvaluateOptions& options, const core::Comm& comm,
                                    const GoOn& go_on) {
    core::Bytes bytes;
    core::together(comm, [&] {
        if (!comm.is_root()) return;
        const Watch::Busy busy;
        const Judge& judge = judge_of(predictions.task);
        judge.check(options, predictions.classes);
        bytes = pack(predictions, judge.choose(options, predictions.classes, validation));
    });
    comm.broadcast(bytes);
    Predictions all;
    std::optional<Report> report;
    core::together(comm, [&] {
        const Watch::Busy busy;  // groups and what is suppressed: as long on every rank
        Chosen chosen;
        unpack(bytes, all, chosen);
        bytes = {};
        report.emplace(all, options, std::move(chosen));
        Watch::tick();
    });
    const auto rounds = resample(*report, comm, go_on);
    if (!rounds) return std::nullopt;
    Json out;
    core::together(comm, [&] {
        if (!comm.is_root()) return;
        const Watch::Busy busy;
        out = report->write(*rounds);
    });
    return out;
}

}  // namespace trainer
