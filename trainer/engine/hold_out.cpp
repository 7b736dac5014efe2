#include "trainer/engine/hold_out.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "core/base/error.h"
#include "core/base/event.h"
#include "trainer/engine/labels.h"
#include "trainer/engine/recipe.h"
#include "trainer/engine/watch.h"
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
        look(shard, dataset.shard(shard));
}

// Collective. Every rank's patients on every rank; of one whom several have the least.
Patients joined(const Patients& mine, const core::Comm& comm) {
    core::Bytes bytes;
    const auto pack = [&](const Patients& patients) {
        bytes.clear();
        for (const auto& [id, code] : patients) {
            const auto* raw = reinterpret_cast<const std::uint8_t*>(&code);
            bytes.insert(bytes.end(), id.begin(), id.end());
            bytes.insert(bytes.end(), raw, raw + sizeof code);
        }
    };
    const auto unpack = [](const core::Bytes& from, Patients& into) {
        for (std::size_t at = 0; at < from.size(); at += sizeof(core::Id16) + sizeof(std::int32_t)) {
            core::Id16 id;
            std::int32_t code = 0;
            std::memcpy(id.data(), from.data() + at, id.size());
            std::memcpy(&code, from.data() + at + id.size(), sizeof code);
            const auto [found, is_new] = into.try_emplace(id, code);
            if (!is_new) found->second = std::min(found->second, code);
        }
    };
    pack(mine);
    const auto all = comm.gather(bytes);
    Patients out;
    for (const core::Bytes& each : all) unpack(each, out);
    pack(out);
    comm.broadcast(bytes);
    out.clear();
    unpack(bytes, out);
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
        return options_.folds == 0 ? shard.reader.column(column_).codes : Codes();
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
            throw Error(Fault::data, dataset.manifest().id() + ": /columns/split does not name every split");
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
            values = shard.reader.column(schema.column(options.column)).codes;
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

// How many patients each fold would have, beside the least that may be.
void check_folds(const Patients& patients, const Recipe& recipe) {
    const auto least =
        static_cast<std::int64_t>(patients.size()) / recipe.hold_out.folds;  // dealt one by one
    if (least < std::max<std::int64_t>(1, recipe.evaluate.options.min_stratum))
        throw Error(
            Fault::usage,
            "hold_out.folds: a fold would have fewer than evaluate.min_stratum patients; take fewer folds");
}

}  // namespace

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
    std::int64_t others = 0,
                 unknown = 0;  // test samples of other values; samples of whom too little is known
    std::shared_ptr<const Rule> rule;
    core::together(comm, [&] {
        const Watch::Busy busy;
        if (options.folds > 0) {
            check_folds(patients, recipe);
            deal(patients, options);
        }
        rule = std::make_shared<const Rule>(dataset, options, std::move(patients));
        const auto code = split_codes(dataset.schema());
        each_of_mine(dataset, comm, [&](std::size_t number, const OpenShard& shard) {
            for (std::size_t i = 0; i < code.size(); ++i)
                if (std::count(shard.split.begin(), shard.split.end(), code[i]) !=
                    dataset.samples(number, std::string(core::kSplits[i])))
                    throw Error(Fault::data, core::shard_file(static_cast<std::int64_t>(number)) +
                                                 ": /columns/split: the manifest counts other samples than "
                                                 "the shard has");
            const Codes values = rule->values(shard);  // read once
            const Codes anew = (*rule)(shard, values);
            for (std::size_t i = 0; i < code.size(); ++i)
                counts[number][i] = static_cast<std::int32_t>(std::count(anew.begin(), anew.end(), code[i]));
            unknown += rule->unknown(shard, values);
            if (options.folds > 0) return;
            const std::int32_t value =
                dataset.schema().columns[dataset.schema().column(options.column)].code_of(options.value);
            for (std::size_t i = 0; i < anew.size(); ++i)
                others += anew[i] == code[kTest] && values[i] != value;
        });
    });
    if (!counts.empty())
        core::check_mpi(
            MPI_Allreduce(MPI_IN_PLACE, counts.data(), static_cast<int>(counts.size() * counts[0].size()),
                          MPI_INT32_T, MPI_SUM, comm.get()),
            "add up the splits");
    others = comm.sum(others);
    unknown = comm.sum(unknown);
    if (unknown > 0 && comm.is_root())
        core::Event("warning", "samples_left_out")
            .with("text", "hold_out: no patient, or no value of the column, in " + shown_count(unknown));
    core::together(comm, [&] {
        dataset.split_anew([rule](const OpenShard& shard) { return (*rule)(shard); }, counts);
        const auto need = [&](bool is_there, const char* what) {
            if (!is_there)
                throw Error(Fault::usage, std::string("hold_out: there would be no samples ") + what);
        };
        need(dataset.samples("train") > 0, "to train on");
        if (options.folds > 0) return;
        need(dataset.samples("test") > others, "of that value");
        need(others > 0, "of other values in the split \"test\" to compare with");
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
