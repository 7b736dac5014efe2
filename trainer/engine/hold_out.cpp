#include "trainer/engine/hold_out.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "core/base/error.h"
#include "core/base/event.h"
#include "trainer/engine/labels.h"
#include "trainer/engine/recipe.h"
#include "trainer/engine/watch.h"
#include "trainer/keys/parts.h"
#include "trainer/loader/random.h"

namespace trainer {
namespace {

using core::Error;
using core::Fault;
using Codes = std::vector<std::int32_t>;
using Patients = std::map<core::Id16, std::int32_t>;  // what is known of each: a site, or a fold

constexpr std::size_t kTrain = 0, kValidation = 1, kTest = 2;

// The column's codes of the four splits, in the order of kSplits.
std::array<std::int32_t, std::size(core::kSplits)> split_codes(const core::Schema& schema) {
    std::array<std::int32_t, std::size(core::kSplits)> out{};
    for (std::size_t i = 0; i < out.size(); ++i)
        out[i] = schema.columns[schema.column("split")].code_of(core::kSplits[i]);
    return out;
}

// Calls `look` with each shard of this rank's share.
template <class Look>
void each_of_mine(const Dataset& dataset, const core::Comm& comm, const Look& look) {
    for (auto shard = static_cast<std::size_t>(comm.rank()); shard < dataset.shards();
         shard += static_cast<std::size_t>(comm.size()))
        look(shard, *dataset.shard(shard));
}

core::Bytes packed(const Patients& patients) {
    core::Bytes bytes;
    for (const auto& [id, code] : patients) {
        const auto* raw = reinterpret_cast<const std::uint8_t*>(&code);
        bytes.insert(bytes.end(), id.begin(), id.end());
        bytes.insert(bytes.end(), raw, raw + sizeof code);
    }
    return bytes;
}

// `merge`: of what several say of one.
template <class Merge>
void unpack(const core::Bytes& from, Patients& into, const Merge& merge) {
    for (std::size_t at = 0; at < from.size(); at += sizeof(core::Id16) + sizeof(std::int32_t)) {
        core::Id16 id;
        std::int32_t code = 0;
        std::memcpy(id.data(), from.data() + at, id.size());
        std::memcpy(&code, from.data() + at + id.size(), sizeof code);
        const auto [found, is_new] = into.try_emplace(id, code);
        if (!is_new) found->second = merge(found->second, code);
    }
}

// Collective. Every rank's patients on rank 0.
template <class Merge>
Patients gathered(const Patients& mine, const core::Comm& comm, const Merge& merge) {
    Patients out;
    for (const core::Bytes& each : comm.gather(packed(mine))) unpack(each, out, merge);
    return out;
}

std::int32_t least(std::int32_t one, std::int32_t other) {
    return std::min(one, other);
}

// Collective. Every rank's patients on every rank; of one whom several have the least.
Patients joined(const Patients& mine, const core::Comm& comm) {
    core::Bytes bytes = packed(gathered(mine, comm, least));
    comm.broadcast(bytes);
    Patients out;
    unpack(bytes, out, least);
    return out;
}

// Folds in place of sites: the patients of each site in an order of the seed, dealt one after the other.
void deal(Patients& patients, const HoldOut& options) {
    std::vector<std::tuple<std::int32_t, std::uint64_t, core::Id16>> order;
    for (const auto& [id, site] : patients) {
        std::uint64_t half[2];
        std::memcpy(half, id.data(), sizeof half);
        order.emplace_back(site, Random(options.seed, half[0], half[1]).next(), id);
    }
    std::sort(order.begin(), order.end());
    std::int64_t next = 0;
    for (const auto& [site, key, id] : order)
        patients[id] = static_cast<std::int32_t>(next++ % options.folds);
}

// What a shard's samples are, by the one rule or the other.
class Rule {
public:
    Rule(const Dataset& dataset, const HoldOut& options, Patients patients)
        : options_(options), patients_(std::move(patients)), code_(split_codes(dataset.schema())) {
        if (options.folds > 0) return;
        column_ = dataset.schema().column(options.column);
        value_ = dataset.schema().columns[column_].code_of(options.value);
    }

    Codes operator()(const OpenShard& shard) const { return (*this)(shard, values(shard)); }
    // The same where the values of the column have been read; none of folds.
    Codes operator()(const OpenShard& shard, const Codes& values) const {
        Codes out = shard.split;
        for (std::size_t i = 0; i < out.size(); ++i)
            if (is_unknown(shard, values, i))
                out[i] = core::kMissingCategory;
            else
                out[i] = options_.folds > 0 ? by_fold(out[i], shard.patient[i])
                                            : by_value(out[i], values[i] == value_, shard.patient[i]);
        return out;
    }

    Codes values(const OpenShard& shard) const {
        return options_.folds == 0 ? shard.column(column_).codes : Codes();
    }
    std::int64_t unknown(const OpenShard& shard, const Codes& values) const {
        std::int64_t out = 0;
        for (std::size_t i = 0; i < shard.split.size(); ++i) out += is_unknown(shard, values, i);
        return out;
    }

private:
    // Of whom it is not known who they are, or whether they are of the value: to train on them might be to see the held out.
    bool is_unknown(const OpenShard& shard, const Codes& values, std::size_t i) const {
        const bool is_split =
            is(shard.split[i], kTrain) || is(shard.split[i], kValidation) || is(shard.split[i], kTest);
        return is_split && (shard.patient[i] == core::Id16{} ||
                            (options_.folds == 0 && values[i] == core::kMissingCategory));
    }
    bool is(std::int32_t code, std::size_t split) const {
        return code != core::kMissingCategory && code == code_[split];
    }
    std::int32_t by_value(std::int32_t split, bool is_held, const core::Id16& patient) const {
        const bool is_for_training = is(split, kTrain) || is(split, kValidation);
        if (is_held) return is_for_training ? code_[kTest] : split;
        return is_for_training && patients_.contains(patient) ? core::kMissingCategory : split;
    }
    std::int32_t by_fold(std::int32_t split, const core::Id16& patient) const {
        if (is(split, kTest)) return core::kMissingCategory;
        if (!is(split, kTrain) && !is(split, kValidation)) return split;
        const std::int64_t fold = patients_.at(patient);
        if (fold == options_.fold) return code_[kTest];
        return fold == (options_.fold + 1) % options_.folds ? code_[kValidation] : code_[kTrain];
    }

    HoldOut options_;
    Patients patients_;
    std::array<std::int32_t, std::size(core::kSplits)> code_;
    std::size_t column_ = 0;
    std::int32_t value_ = core::kMissingCategory;
};

void check(const Dataset& dataset, const HoldOut& options) {
    const core::Schema& schema = dataset.schema();
    for (const std::int32_t code : split_codes(schema))
        if (code == core::kMissingCategory)
            throw Error(Fault::data, dataset.id() + ": /columns/split does not name every split");
    if (options.folds > 0) return;
    const auto refuse = [&](const std::string& why) { return Error(Fault::usage, "hold_out." + why); };
    if (!schema.has_column(options.column) ||
        schema.columns[schema.column(options.column)].type != core::ColumnType::category ||
        options.column == "split")
        throw refuse("column is no category of the dataset");
    if (schema.columns[schema.column(options.column)].code_of(options.value) == core::kMissingCategory)
        throw refuse("value is none of the column's");
}

// Of this rank's share: the patients with a sample of the value; or those that are for training or validation.
Patients patients_of_mine(const Dataset& dataset, const HoldOut& options, const core::Comm& comm) {
    const core::Schema& schema = dataset.schema();
    const auto code = split_codes(schema);
    Patients out;
    each_of_mine(dataset, comm, [&](std::size_t, const OpenShard& shard) {
        Codes values;
        std::int32_t value = 0;
        if (options.folds == 0) {
            values = shard.column(schema.column(options.column)).codes;
            value = schema.columns[schema.column(options.column)].code_of(options.value);
        }
        for (std::size_t i = 0; i < shard.split.size(); ++i) {
            const bool is_one = options.folds == 0
                                    ? values[i] == value
                                    : shard.split[i] == code[kTrain] || shard.split[i] == code[kValidation];
            if (!is_one || shard.patient[i] == core::Id16{}) continue;  // of whom it is, is not known
            const auto [found, is_new] = out.try_emplace(shard.patient[i], shard.site[i]);
            if (!is_new) found->second = std::min(found->second, shard.site[i]);
        }
    });
    return out;
}

// In which sets a patient has samples.
enum Set : std::int32_t { kTrained = 1, kValidated = 2, kHeld = 4, kOther = 8 };

// Of this rank's share, by the splits as they are now: patients and their sets.
Patients sets_of_mine(const Dataset& dataset, const HoldOut& options, const core::Comm& comm) {
    const core::Schema& schema = dataset.schema();
    const auto code = split_codes(schema);
    Patients out;
    each_of_mine(dataset, comm, [&](std::size_t, const OpenShard& shard) {
        Codes values;
        std::int32_t value = 0;
        if (options.folds == 0) {
            values = shard.column(schema.column(options.column)).codes;
            value = schema.columns[schema.column(options.column)].code_of(options.value);
        }
        for (std::size_t i = 0; i < shard.split.size(); ++i) {
            const std::int32_t split = shard.split[i];
            if (split == code[kTrain]) out[shard.patient[i]] |= kTrained;
            if (split == code[kValidation]) out[shard.patient[i]] |= kValidated;
            if (split == code[kTest])
                out[shard.patient[i]] |= options.folds > 0 || values[i] == value ? kHeld : kOther;
        }
    });
    return out;
}

}  // namespace

std::vector<KeyRow> hold_out_rows() {
    using Type = Allowed::Type;
    return {row("hold_out.column", {}, "", "",
                "none; of categories: a value of it is judged, and nobody who has it is trained on"),
            row("hold_out.value", {}, nullptr, "", "that one; needed with column"),
            row("hold_out.folds", {Type::integer, 0, 1000}, 0, "",
                "0 = none, else 3 and more; in place of column: into how many parts patients are dealt"),
            row("hold_out.fold", {Type::integer, 0, 999}, nullptr, "",
                "from 0: the one that is judged; needed with folds"),
            row("hold_out.seed", {Type::integer, 0, kEndless}, 1, "", "of the folds")};
}

HoldOut HoldOut::from(const core::Config& table) {
    HoldOut out;
    out.column = table.text_or("column", "");
    if (!out.column.empty()) {
        out.value = table.text("value");
        return out;
    }
    out.folds = table.integer_or("folds", 0);
    if (out.folds == 0) return out;
    if (out.folds < 3 || out.folds > 1000)
        table.refuse("folds",
                     "expected 3 to 1000: one is judged, one is for validation, the rest is trained on");
    out.fold = table.integer("fold");
    if (out.fold < 0 || out.fold >= out.folds) table.refuse("fold", "expected 0 to below hold_out.folds");
    const std::int64_t seed = table.integer_or("seed", 1);
    if (seed < 0) table.refuse("seed", "expected 0 or more");
    out.seed = static_cast<std::uint64_t>(seed);
    return out;
}

nlohmann::ordered_json HoldOut::told() const {
    if (folds > 0) return {{"folds", folds}, {"fold", fold}, {"seed", seed}};
    return {{"column", column}, {"value", value}};
}

void hold_out(Dataset& dataset, const Recipe& recipe, const core::Comm& comm) {
    const HoldOut& options = recipe.hold_out;
    if (!options.is_any()) return;
    Patients mine;
    core::together(comm, [&] {
        const Watch::Busy busy;  // shares are not alike
        check(dataset, options);
        mine = patients_of_mine(dataset, options, comm);
    });
    Patients patients = joined(mine, comm);
    std::vector<Dataset::SplitCounts> counts(dataset.shards());
    std::int64_t unknown = 0;  // samples of whom too little is known
    std::shared_ptr<const Rule> rule;
    core::together(comm, [&] {
        const Watch::Busy busy;
        if (options.folds > 0) deal(patients, options);
        rule = std::make_shared<const Rule>(dataset, options, std::move(patients));
        const auto code = split_codes(dataset.schema());
        each_of_mine(dataset, comm, [&](std::size_t number, const OpenShard& shard) {
            for (std::size_t i = 0; i < code.size(); ++i)
                if (std::count(shard.split.begin(), shard.split.end(), code[i]) !=
                    dataset.samples(number, std::string(core::kSplits[i])))
                    throw Error(Fault::data, dataset.name_of(number) +
                                                 ": /columns/split: the manifest counts other samples than "
                                                 "the shard has");
            const Codes values = rule->values(shard);  // read once
            const Codes anew = (*rule)(shard, values);
            for (std::size_t i = 0; i < code.size(); ++i)
                counts[number][i] = static_cast<std::int32_t>(std::count(anew.begin(), anew.end(), code[i]));
            unknown += rule->unknown(shard, values);
        });
    });
    if (!counts.empty())
        core::check_mpi(
            MPI_Allreduce(MPI_IN_PLACE, counts.data(), static_cast<int>(counts.size() * counts[0].size()),
                          MPI_INT32_T, MPI_SUM, comm.get()),
            "add up the splits");
    unknown = comm.sum(unknown);
    if (unknown > 0 && comm.is_root())
        core::Event("warning", "samples_left_out")
            .with("text", "hold_out: no patient, or no value of the column, in " + shown_count(unknown));
    core::together(
        comm, [&] { dataset.split_anew([rule](const OpenShard& shard) { return (*rule)(shard); }, counts); });
}

void check_held_out(const Dataset& dataset, const Recipe& recipe, const core::Comm& comm) {
    const HoldOut& options = recipe.hold_out;
    if (!options.is_any()) return;
    Patients mine;
    core::together(comm, [&] {
        const Watch::Busy busy;
        mine = sets_of_mine(dataset, options, comm);
    });
    const Patients all = gathered(mine, comm, std::bit_or<std::int32_t>());
    core::together(comm, [&] {
        if (!comm.is_root()) return;
        const auto is_enough = [&](Set set) {
            return std::count_if(all.begin(), all.end(), [&](const auto& each) {
                       return each.second & set;
                   }) >= std::max<std::int64_t>(1, recipe.evaluate.options.min_stratum);
        };
        if (options.folds > 0) {
            if (!is_enough(kHeld) || !is_enough(kValidated) || !is_enough(kTrained))
                throw Error(Fault::usage,
                            "hold_out.folds: a fold would have fewer than evaluate.min_stratum patients with "
                            "a label; take fewer folds");
            return;
        }
        const auto need = [&](Set set, const char* what) {
            if (!is_enough(set))
                throw Error(
                    Fault::usage,
                    "hold_out.value: fewer than evaluate.min_stratum patients with a label would be " +
                        std::string(what));
        };
        need(kHeld, "of that value");
        need(kOther, "of other values in the split \"test\", to compare with");
        need(kTrained, "left to train on");
        // A dataset without that split trains to the end; of one that has it, too few would choose the weights.
        for (std::size_t i = 0; i < dataset.datasets(); ++i)
            if (const auto& counts = dataset.manifest(i).counts;
                counts.contains("split") && counts.at("split").contains("validation"))
                return need(kValidated, "left for validation");
    });
}

Predictions::Stratum held_out_stratum(const Dataset& dataset, const HoldOut& options) {
    Predictions::Stratum out{kHeldOut, {options.value, "not " + options.value}, {}};
    const std::int32_t value =
        dataset.schema().columns[dataset.schema().column(options.column)].code_of(options.value);
    for (const std::int32_t code : dataset.column(options.column, "test").codes)
        out.code.push_back(code == value ? 0 : 1);
    return out;
}

}  // namespace trainer
