#include "trainer/loader/source.h"

#include <algorithm>

#include "core/base/error.h"

namespace trainer {

using core::Error;
using core::Fault;

namespace {

std::int32_t mapped(const CodeMap& codes, std::int32_t code) {
    return codes.empty() || code == core::kMissingCategory ? code : codes.at(static_cast<std::size_t>(code));
}

std::string told_of(const core::Field& field) {
    std::string out(core::name_of(field.dtype));
    for (const std::int64_t extent : field.shape) out += " x " + std::to_string(extent);
    return out + (field.ragged() ? " of any shape" : "") + (field.units.empty() ? "" : ", " + field.units);
}

}  // namespace

Source::Source(std::vector<const Dataset*> datasets, const std::string& split, const std::string& label,
               const std::vector<std::string>& targets)
    : schema_(datasets.at(0)->schema()), split_(split) {
    for (const Dataset* each : datasets) add(*each);
    if (!label.empty()) label_ = told(label, "a label");
    for (const std::string& name : targets) targets_.push_back(told(name, "a target"));
    for (const Part& part : parts_)
        for (std::size_t i = 0; i < part.dataset->shards(); ++i)
            first_.push_back(first_.back() + part.dataset->samples(i, split));
    if (samples() == 0) refuse("no samples in the split \"" + split + "\"");
    rows_.resize(shards());
    once_.reset(new std::once_flag[shards()]);
}

void Source::add(const Dataset& dataset) {
    Part part{&dataset, 0, 0, {}};
    if (!parts_.empty()) {
        compare(dataset);
        const Part& last = parts_.back();
        part.first_shard = last.first_shard + last.dataset->shards();
        part.first_sample = last.first_sample + last.dataset->manifest().samples();
    }
    for (core::Column& column : schema_.columns) {
        const core::Column& theirs = dataset.schema().columns[dataset.schema().column(column.name)];
        CodeMap& codes = part.codes.emplace_back();
        for (const std::string& name : theirs.names) {
            if (column.code_of(name) == core::kMissingCategory) column.names.push_back(name);
            codes.push_back(column.code_of(name));
        }
        if (column.names == theirs.names) codes.clear();
    }
    parts_.push_back(std::move(part));
}

void Source::compare(const Dataset& dataset) const {
    const core::Schema &ours = schema_, &theirs = dataset.schema();
    const std::string id = dataset.manifest().id(), first = parts_[0].dataset->manifest().id();
    const auto unlike = [&](const std::string& what) {
        throw Error(Fault::usage, first + " and " + id + " are not alike, and fit no loader: " + what);
    };
    for (const Part& part : parts_)
        if (part.dataset->manifest().dataset == dataset.manifest().dataset)
            throw Error(Fault::usage, part.dataset->manifest().id() + " and " + id +
                                          " hold the same samples: take one of the two");
    const auto only = [&](const auto& some, const auto& others, const std::string& whose, const char* what) {
        for (const auto& each : some)
            if (std::none_of(others.begin(), others.end(),
                             [&](const auto& x) { return x.name == each.name; }))
                unlike(std::string("only ") + whose + " has the " + what + ' ' + each.name);
    };
    only(ours.fields, theirs.fields, first, "field");
    only(theirs.fields, ours.fields, id, "field");
    only(ours.columns, theirs.columns, first, "column");
    only(theirs.columns, ours.columns, id, "column");
    for (std::size_t i = 0; i < ours.fields.size(); ++i) {
        const core::Field &one = ours.fields[i], &other = theirs.fields[theirs.field(one.name)];
        if (told_of(one) != told_of(other))
            unlike("the field " + one.name + " is " + told_of(one) + " there, " + told_of(other) + " here");
        if (theirs.field(one.name) != i) unlike("their fields stand in another order");
    }
    for (const core::Column& one : ours.columns)
        if (const auto type = theirs.columns[theirs.column(one.name)].type; type != one.type)
            unlike("the column " + one.name + " is " + std::string(core::name_of(one.type)) + " there, " +
                   std::string(core::name_of(type)) + " here");
}

void Source::refuse(const std::string& text) const {
    std::string ids;
    for (const Part& part : parts_) ids += (ids.empty() ? "" : ", ") + part.dataset->manifest().id();
    throw Error(Fault::usage, ids + ": " + text);
}

std::size_t Source::told(const std::string& column, const char* as) const {
    const std::size_t at = schema().column(column);
    if (schema().columns[at].type == core::ColumnType::id16)
        refuse("the column " + column + " holds pseudonyms: it cannot be " + as);
    return at;
}

std::size_t Source::part_of(std::size_t shard) const {
    const auto after =
        std::upper_bound(parts_.begin(), parts_.end(), shard,
                         [](std::size_t at, const Part& part) { return at < part.first_shard; });
    // Of several that begin there the last: those before it have no shards.
    return static_cast<std::size_t>(after - parts_.begin()) - 1;
}

core::ColumnData Source::column(const Part& part, const OpenShard& shard, std::size_t column) const {
    core::ColumnData out = shard.reader.column(part.dataset->schema().column(schema_.columns[column].name));
    for (std::int32_t& code : out.codes) code = mapped(part.codes[column], code);
    return out;
}

const Rows& Source::rows(std::size_t shard) {
    std::call_once(once_[shard], [&] {
        const std::size_t at = part_of(shard);
        const Part& part = parts_[at];
        const Dataset& dataset = *part.dataset;
        const std::size_t own = shard - part.first_shard;
        Rows found;
        found.shard = &dataset.shard(own);
        found.dataset = static_cast<std::int64_t>(at);
        found.first_sample = dataset.first_sample(own);
        found.first_of_all = part.first_sample + found.first_sample;
        if (schema_.has_column("site")) found.site = &part.codes[schema_.column("site")];
        if (schema_.has_column("vendor")) found.vendor = &part.codes[schema_.column("vendor")];
        const auto& split = found.shard->split;
        const std::int32_t code = dataset.schema().columns[dataset.schema().column("split")].code_of(split_);
        for (std::size_t i = 0; i < split.size(); ++i)
            if (split_.empty() || split[i] == code) found.rows.push_back(static_cast<std::uint32_t>(i));
        if (static_cast<std::int64_t>(found.rows.size()) != samples(shard))
            throw Error(Fault::data,
                        core::shard_file(static_cast<std::int64_t>(own)) +
                            ": /columns/split: the manifest counts other samples than the shard has");
        if (label_) found.labels = column(part, *found.shard, *label_);
        for (const std::size_t target : targets_)
            found.targets.push_back(as_numbers(column(part, *found.shard, target)));
        rows_[shard] = std::move(found);
    });
    return rows_[shard];
}

std::vector<std::int32_t> Source::codes(const std::string& column) const {
    const std::size_t at = schema().column(column);
    if (schema().columns[at].type != core::ColumnType::category)
        refuse("the column " + column + " holds no categories");
    std::vector<std::int32_t> out;
    for (const Part& part : parts_)
        for (const std::int32_t code : part.dataset->column(column, split_).codes)
            out.push_back(mapped(part.codes[at], code));
    return out;
}

void Rows::tell(std::uint32_t row, RawBatch& batch, std::size_t to) const {
    batch.site[to] = site ? mapped(*site, shard->site[row]) : shard->site[row];
    batch.vendor[to] = vendor ? mapped(*vendor, shard->vendor[row]) : shard->vendor[row];
    batch.patient[to] = shard->patient[row];
    batch.sample[to] = sample(row);
    batch.dataset[to] = dataset;
    if (!labels.integers.empty()) batch.label[to] = labels.integers[row];
    if (!labels.codes.empty()) batch.label[to] = labels.codes[row];
    if (!labels.numbers.empty()) batch.number[to] = labels.numbers[row];
    for (std::size_t i = 0; i < targets.size(); ++i) batch.targets[to * targets.size() + i] = targets[i][row];
}

}  // namespace trainer
