#include "trainer/data/loader.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <cstring>

#include "core/base/error.h"

namespace trainer {
namespace {

at::ScalarType torch_type(core::DType type) {
    switch (type) {
        case core::DType::u8:
            return at::kByte;
        case core::DType::i8:
            return at::kChar;
        case core::DType::u16:
            return at::kUInt16;
        case core::DType::i16:
            return at::kShort;
        case core::DType::u32:
            return at::kUInt32;
        case core::DType::i32:
            return at::kInt;
        case core::DType::i64:
            return at::kLong;
        case core::DType::f32:
            return at::kFloat;
        case core::DType::f64:
            break;
    }
    return at::kDouble;
}

at::Tensor tensor_of(const RawArray& array) {
    const at::ScalarType type = torch_type(array.dtype);
    if (!array.memory) return at::empty(array.shape, type);
    return at::from_blob(
        array.memory.get(), array.shape, [memory = array.memory](void*) {}, type);
}

template <class T>
at::Tensor copied(const std::vector<T>& values, std::vector<std::int64_t> shape, at::ScalarType type) {
    at::Tensor tensor = at::empty(shape, type);
    if (!values.empty()) std::memcpy(tensor.data_ptr(), values.data(), values.size() * sizeof(T));
    return tensor;
}

}  // namespace

Loader::Loader(const Dataset& dataset, LoaderOptions options) : raw_(dataset, std::move(options)) {
    for (std::size_t i = 0; i < dataset.datasets(); ++i) first_.push_back(dataset.first_of(i));
}

void Loader::begin_epoch(std::int64_t epoch, std::int64_t first_step) {
    if (first_step < 0 || first_step > steps_per_epoch())
        throw core::Error(core::Fault::usage, "the epoch has " + std::to_string(steps_per_epoch()) +
                                                  " steps; it cannot start at step " +
                                                  std::to_string(first_step));
    raw_.begin_epoch(epoch, std::min(first_step * global_batch(), samples()));
}

std::optional<Batch> Loader::next() {
    auto raw = raw_.next();
    if (!raw) return std::nullopt;
    for (std::size_t i = 0; i < raw->sample.size(); ++i)
        raw->sample[i] += first_[static_cast<std::size_t>(raw->dataset[i])];
    Batch batch;
    batch.valid = raw->valid;
    batch.step = raw->step;
    batch.inputs = tensor_of(raw->inputs);
    for (const RawArray& field : raw->beside) batch.beside.push_back(tensor_of(field));
    if (raw_.label() && raw_.label()->type == core::ColumnType::f64)
        batch.labels = copied(raw->number, {raw->valid}, at::kDouble);
    else if (raw_.label())
        batch.labels = copied(raw->label, {raw->valid}, at::kLong);
    const auto columns = static_cast<std::int64_t>(raw_.targets());
    batch.targets = copied(raw->targets, {raw->valid, columns}, at::kDouble);
    batch.site = copied(raw->site, {raw->valid}, at::kLong);
    batch.vendor = copied(raw->vendor, {raw->valid}, at::kLong);
    batch.sample = copied(raw->sample, {raw->valid}, at::kLong);
    batch.which = copied(raw->which, {raw->valid}, at::kLong);
    batch.patient = copied(raw->patient, {raw->valid, 16}, at::kByte);
    return batch;
}

}  // namespace trainer
