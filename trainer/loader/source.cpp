#include "trainer/loader/source.h"

#include "core/base/error.h"

namespace trainer {

using core::Error;
using core::Fault;

Source::Source(const Dataset& dataset, const std::string& split, const std::string& label,
               const std::vector<std::string>& targets)
    : dataset_(dataset), split_(split), rows_(dataset.most_open()) {
    if (!label.empty()) label_ = told(label, "a label");
    for (const std::string& name : targets) targets_.push_back(told(name, "a target"));
    for (std::size_t i = 0; i < dataset.shards(); ++i)
        first_.push_back(first_.back() + dataset.samples(i, split));
    if (samples() == 0) refuse("no samples in the split \"" + split + "\"");
}

void Source::refuse(const std::string& text) const {
    throw Error(Fault::usage, dataset_.id() + ": " + text);
}

std::size_t Source::told(const std::string& column, const char* as) const {
    const std::size_t at = schema().column(column);
    if (schema().columns[at].type == core::ColumnType::id16)
        refuse("the column " + column + " holds pseudonyms: it cannot be " + as);
    return at;
}

OpenRows Source::rows(std::size_t shard) {
    OpenRows out{dataset_.shard(shard), nullptr, 0, dataset_.first_sample(shard)};
    out.rows = rows_.get(shard, [&] { return find(shard, *out.shard); });
    out.first_sample = out.first_of_all - dataset_.first_of(static_cast<std::size_t>(out.shard->dataset));
    return out;
}

std::shared_ptr<const Rows> Source::find(std::size_t shard, const OpenShard& open) const {
    auto found = std::make_shared<Rows>();
    const std::int32_t code = schema().columns[schema().column("split")].code_of(split_);
    for (std::size_t i = 0; i < open.split.size(); ++i)
        if (split_.empty() || open.split[i] == code) found->rows.push_back(static_cast<std::uint32_t>(i));
    if (static_cast<std::int64_t>(found->rows.size()) != samples(shard))
        throw Error(Fault::data,
                    dataset_.name_of(shard) +
                        ": /columns/split: the manifest counts other samples than the shard has");
    if (label_) found->labels = open.column(*label_);
    for (const std::size_t target : targets_) found->targets.push_back(as_numbers(open.column(target)));
    return found;
}

std::vector<std::int32_t> Source::codes(const std::string& column) const {
    if (column == kDatasetColumn && !schema().has_column(column))
        refuse("there is one dataset: nothing is told apart by which it is");
    if (schema().columns[schema().column(column)].type != core::ColumnType::category)
        refuse("the column " + column + " holds no categories");
    return dataset_.column(column, split_).codes;
}

void OpenRows::tell(std::uint32_t row, RawBatch& batch, std::size_t to) const {
    batch.site[to] = shard->site[row];
    batch.vendor[to] = shard->vendor[row];
    batch.patient[to] = shard->patient[row];
    batch.sample[to] = sample(row);
    batch.dataset[to] = shard->dataset;
    const auto& [all, labels, targets] = *rows;
    if (!labels.integers.empty()) batch.label[to] = labels.integers[row];
    if (!labels.codes.empty()) batch.label[to] = labels.codes[row];
    if (!labels.numbers.empty()) batch.number[to] = labels.numbers[row];
    for (std::size_t i = 0; i < targets.size(); ++i) batch.targets[to * targets.size() + i] = targets[i][row];
}

}  // namespace trainer
