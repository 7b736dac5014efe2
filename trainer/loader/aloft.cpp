// The C interface: aloft.h is the contract. No exception leaves, no path enters an error text.
#pragma GCC visibility push(default)
#include "trainer/loader/aloft.h"
#pragma GCC visibility pop

#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <variant>

#include "core/base/error.h"
#include "trainer/loader/balance.h"
#include "trainer/loader/figures.h"
#include "trainer/loader/permission.h"
#include "trainer/loader/raw_loader.h"
#include "trainer/loader/wording.h"

using core::Error;
using core::Fault;

struct aloft_dataset {
    pid_t process = ::getpid();
    std::string folder;  // for error texts: to be left out of them
    std::shared_ptr<const trainer::Dataset> data;
    std::string json;
};

struct aloft_loader {
    pid_t process = ::getpid();
    std::vector<std::string> folders;
    std::vector<std::shared_ptr<const trainer::Dataset>> data;  // before `loader`, which they must outlive
    trainer::RawLoader loader;
    std::string json;
};

struct aloft_owner {
    pid_t process = ::getpid();
    std::variant<trainer::RawBatch, core::ColumnData, std::string> memory;
    std::vector<aloft_array> beside;  // of a batch
};

namespace {

thread_local std::string last_error;

int fail(int code, const std::string& text) noexcept {
    try {
        last_error = text;
    } catch (...) {
        last_error.clear();  // no memory for the text: the code must do
    }
    return code;
}

template <class Work>
int at_boundary(const std::vector<std::string>& folders, Work&& work) noexcept {
    try {
        last_error.clear();
        return work();
    } catch (const Error& e) {
        return fail(static_cast<int>(e.fault()), trainer::without_paths(e.what(), folders));
    } catch (const std::bad_alloc&) {
        return fail(ALOFT_SYSTEM, "there is not enough memory");
    } catch (const std::exception& e) {
        return fail(ALOFT_BUG, trainer::without_paths(e.what(), folders));
    } catch (...) {
        return fail(ALOFT_BUG, "unknown failure");
    }
}

void refuse(const char* text) {
    throw Error(Fault::usage, text);
}

template <class Handle>
void check(const Handle* handle) {
    if (!handle) refuse("a handle is NULL");
    if (handle->process != ::getpid())
        refuse(
            "this process was forked from the one that opened the dataset, whose threads read it: a child "
            "has "
            "none of them. Open it here, after the fork; with torch's DataLoader, num_workers=0");
}

std::string text_or(const char* text, const char* otherwise = "") {
    return text ? text : otherwise;
}

// For a handle that cannot be looked at yet.
std::vector<std::string> none() {
    return {};
}

template <class T>
aloft_array array_of(std::vector<T>& values, std::int32_t type) {
    aloft_array array{};
    array.data = values.empty() ? nullptr : values.data();
    array.type = type;
    array.dimensions = 1;
    array.shape[0] = static_cast<std::int64_t>(values.size());
    return array;
}
aloft_array array_of(const trainer::RawArray& field) {
    aloft_array array{};
    array.data = field.memory.get();
    array.type = static_cast<std::int32_t>(field.dtype);
    array.dimensions = static_cast<std::int32_t>(field.shape.size());
    std::copy(field.shape.begin(), field.shape.end(), array.shape);
    return array;
}
aloft_array array_of(std::vector<core::Id16>& values) {
    aloft_array array = array_of(values, ALOFT_U8);
    array.dimensions = 2;
    array.shape[1] = static_cast<std::int64_t>(sizeof(core::Id16));
    return array;
}
static_assert(static_cast<int>(core::DType::u8) == ALOFT_U8 &&
              static_cast<int>(core::DType::i64) == ALOFT_I64 &&
              static_cast<int>(core::DType::f64) == ALOFT_F64);

trainer::LoaderOptions options_of(const aloft_options& from) {
    if (from.size != sizeof from) refuse("aloft_options is of another version of aloft.h: compile again");
    if (from.threads < 0 || from.threads > 256) refuse("threads: 0 to 256");
    trainer::LoaderOptions to;
    to.split = text_or(from.split);
    to.field = text_or(from.field);
    to.label = text_or(from.label);
    to.batch_size = from.batch;
    to.global_batch = from.global_batch;
    to.rank = from.rank;
    to.ranks = from.ranks;
    to.seed = from.seed;
    to.order = from.shuffle ? trainer::Order::shuffled : trainer::Order::stored;
    to.tail = from.keep_tail ? trainer::Tail::keep : trainer::Tail::drop;
    to.threads = from.threads;
    if (from.scale || from.offset) {
        if (!from.scale || !from.offset || from.channels < 1 || from.channels > 65536)
            refuse("scale and offset come together, with one entry or one for each channel");
        to.normalise = trainer::Normalise{{from.scale, from.scale + from.channels},
                                          {from.offset, from.offset + from.channels}};
    }
    if (from.crop) {
        if (from.crop_dimensions < 1 || from.crop_dimensions > 4) refuse("a crop has 1 to 4 dimensions");
        to.crop =
            trainer::Crop{{from.crop, from.crop + from.crop_dimensions},
                          from.crop_random ? trainer::Crop::Place::random : trainer::Crop::Place::centre,
                          from.fill};
    }
    if (from.beside_count > 64) refuse("at most 64 fields lie beside");
    for (std::uint32_t i = 0; from.beside && i < from.beside_count; ++i) {
        if (!from.beside[i]) refuse("the name of a field is NULL");
        to.beside.emplace_back(from.beside[i]);
    }
    if (from.balance) {
        const core::Config table = core::Config::parse(from.balance, "balance");
        to.balance = trainer::BalanceOptions::from(table);
        table.finish();
    }
    if (from.per_sample < 0) refuse("per_sample is 1 or more; 0 is 1");
    if (from.per_sample > 1) {
        if (to.order != trainer::Order::shuffled || !to.crop || !from.crop_random)
            refuse(
                "per_sample is of crops at random, in a shuffled order: else each would be the same again");
        if (!to.split.empty() && to.split != "train")
            refuse("per_sample is for training: of a split that is judged each sample comes once");
        to.per_sample = from.per_sample;
    }
    return to;
}

std::string describe(const trainer::RawLoader& loader,
                     const std::vector<std::shared_ptr<const trainer::Dataset>>& data) {
    nlohmann::ordered_json balance, names = nlohmann::ordered_json::object(), ids;
    for (const auto& each : data) ids.push_back(each->manifest().id());
    for (const core::Column& column : loader.schema().columns)
        if (column.type == core::ColumnType::category) names[column.name] = column.names;
    if (loader.draws()) balance = trainer::to_json(*loader.draws());
    return nlohmann::ordered_json{{"datasets", ids}, {"names", names}, {"balance", balance}}.dump();
}

std::string describe(const trainer::Dataset& data) {
    const core::Manifest& manifest = data.manifest();
    nlohmann::ordered_json splits;
    for (const std::string_view split : core::kSplits)
        splits[std::string(split)] = data.samples(std::string(split));
    const char* const sealed = data.seal() == core::SealState::valid       ? "valid"
                               : data.seal() == core::SealState::unchecked ? "unchecked"
                                                                           : "absent";
    return nlohmann::ordered_json{{"dataset", manifest.id()},
                                  {"samples", manifest.samples()},
                                  {"sealed", sealed},
                                  {"schema", core::to_json(manifest.schema)},
                                  {"moments", manifest.moments},
                                  {"splits", splits}}
        .dump();
}

}  // namespace

const char* aloft_version(void) {
    return ALOFT_VERSION;
}

const char* aloft_error(void) {
    return last_error.c_str();
}

int aloft_open(const char* dataset, const char* key, const char* steward, aloft_dataset** out) {
    trainer::Access access;
    return at_boundary(none(), [&] {
        if (!dataset || !out) refuse("dataset and out must not be NULL");
        if (key)
            access = {dataset, key, text_or(steward)};
        else if (steward)
            refuse("a steward's key is for a folder, with its own key");
        else
            access = trainer::Access::of(dataset);
        const std::string folder = access.dataset;
        return at_boundary({folder, access.key, access.steward}, [&] {
            auto opened = std::make_unique<aloft_dataset>();
            opened->folder = folder;
            opened->data = trainer::open_granted(access);
            opened->json = describe(*opened->data);
            *out = opened.release();
            return ALOFT_OK;
        });
    });
}

void aloft_close(aloft_dataset* dataset) {
    if (dataset && dataset->process == ::getpid()) delete dataset;
}

int aloft_describe(aloft_dataset* dataset, const char** json) {
    return at_boundary(none(), [&] {
        check(dataset);
        if (!json) refuse("json must not be NULL");
        *json = dataset->json.c_str();
        return ALOFT_OK;
    });
}

int aloft_column(aloft_dataset* dataset, const char* column, const char* split, aloft_array* out,
                 aloft_owner** owner) {
    return at_boundary(none(), [&] {
        check(dataset);
        if (!out || !owner) refuse("out and owner must not be NULL");
        return at_boundary({dataset->folder}, [&] {
            auto made = std::make_unique<aloft_owner>();
            core::ColumnData& data =
                made->memory.emplace<core::ColumnData>(column ? dataset->data->column(column, text_or(split))
                                                              : dataset->data->numbers(text_or(split)));
            const core::Schema& schema = dataset->data->schema();
            switch (column ? schema.columns[schema.column(column)].type : core::ColumnType::i64) {
                case core::ColumnType::i64:
                    *out = array_of(data.integers, ALOFT_I64);
                    break;
                case core::ColumnType::f64:
                    *out = array_of(data.numbers, ALOFT_F64);
                    break;
                case core::ColumnType::category:
                    *out = array_of(data.codes, ALOFT_I32);
                    break;
                case core::ColumnType::id16:
                    *out = array_of(data.ids);
                    break;
            }
            *owner = made.release();
            return ALOFT_OK;
        });
    });
}

int aloft_moments_of(aloft_dataset* dataset, const char* split, const char* field, aloft_moments* out) {
    return at_boundary(none(), [&] {
        check(dataset);
        if (!split || !field || !out) refuse("none may be NULL");
        return at_boundary({dataset->folder}, [&] {
            dataset->data->schema().field(field);  // throws if there is none
            const auto moments = dataset->data->moments(split, field);
            if (!moments || moments->count == 0)
                throw Error(Fault::usage,
                            dataset->data->manifest().id() +
                                ": the manifest has no mean and deviation of this field and split");
            *out = {moments->count, moments->mean, moments->squares};
            return ALOFT_OK;
        });
    });
}

int aloft_report(aloft_dataset* dataset, const char* split, const char* label, const char* options,
                 const int64_t* samples, const float* probabilities, int64_t count, int64_t classes,
                 const char** json, aloft_owner** owner) {
    return at_boundary(none(), [&] {
        check(dataset);
        if (!split || !label || !json || !owner || (count != 0 && (!samples || !probabilities)))
            refuse("none but options may be NULL");
        if (count < 0 || classes < 1 || classes > 65536) refuse("count and classes must be positive");
        return at_boundary({dataset->folder}, [&] {
            auto made = std::make_unique<aloft_owner>();
            std::string& text = made->memory.emplace<std::string>(trainer::figures(
                *dataset->data, split, label, text_or(options), {samples, static_cast<std::size_t>(count)},
                {probabilities, static_cast<std::size_t>(count) * static_cast<std::size_t>(classes)}));
            *json = text.c_str();
            *owner = made.release();
            return ALOFT_OK;
        });
    });
}

int aloft_load(aloft_dataset* dataset, const aloft_options* options, aloft_loader** out) {
    return at_boundary(none(), [&] {
        check(dataset);
        if (!options || !out) refuse("options and out must not be NULL");
        trainer::LoaderOptions asked = options_of(*options);
        if (options->more_count > 1024) refuse("at most 1024 datasets more");
        std::vector<std::string> folders{dataset->folder};
        std::vector<std::shared_ptr<const trainer::Dataset>> data{dataset->data};
        for (std::uint32_t i = 0; options->more && i < options->more_count; ++i) {
            check(options->more[i]);
            folders.push_back(options->more[i]->folder);
            data.push_back(options->more[i]->data);
        }
        std::vector<const trainer::Dataset*> all;
        for (const auto& each : data) all.push_back(each.get());
        return at_boundary(folders, [&] {
            std::unique_ptr<aloft_loader> made(
                new aloft_loader{::getpid(), folders, data, trainer::RawLoader(all, std::move(asked)), ""});
            made->json = describe(made->loader, made->data);
            *out = made.release();
            return ALOFT_OK;
        });
    });
}

void aloft_close_loader(aloft_loader* loader) {
    if (loader && loader->process == ::getpid()) delete loader;
}

int aloft_extent_of(aloft_loader* loader, aloft_extent* out) {
    return at_boundary(none(), [&] {
        check(loader);
        if (!out) refuse("out must not be NULL");
        const core::Column* const label = loader->loader.label();
        *out = {loader->loader.samples(), loader->loader.steps_per_epoch(), loader->loader.global_batch(),
                label ? static_cast<std::int64_t>(label->names.size()) : 0};
        return ALOFT_OK;
    });
}

int aloft_describe_loader(aloft_loader* loader, const char** json) {
    return at_boundary(none(), [&] {
        check(loader);
        if (!json) refuse("json must not be NULL");
        *json = loader->json.c_str();
        return ALOFT_OK;
    });
}

int aloft_begin(aloft_loader* loader, int64_t epoch, int64_t first_sample) {
    return at_boundary(none(), [&] {
        check(loader);
        return at_boundary(loader->folders, [&] {
            loader->loader.begin_epoch(epoch, first_sample);
            return ALOFT_OK;
        });
    });
}

int aloft_next(aloft_loader* loader, aloft_batch* out) {
    return at_boundary(none(), [&] {
        check(loader);
        if (!out) refuse("out must not be NULL");
        return at_boundary(loader->folders, [&] {
            std::optional<trainer::RawBatch> next = loader->loader.next();
            if (!next) return static_cast<int>(ALOFT_END);
            auto made = std::make_unique<aloft_owner>();
            trainer::RawBatch& batch = made->memory.emplace<trainer::RawBatch>(std::move(*next));
            *out = {};
            out->valid = batch.valid;
            out->step = batch.step;
            out->next = batch.next;
            out->inputs = array_of(batch.inputs);
            for (const trainer::RawArray& field : batch.beside) made->beside.push_back(array_of(field));
            if (!batch.beside.empty()) out->beside = made->beside.data();
            out->beside_count = static_cast<std::int64_t>(batch.beside.size());
            if (const std::size_t dimensions = loader->loader.crop_dimensions()) {
                out->origin = array_of(batch.origin, ALOFT_I64);
                out->origin.dimensions = 2;
                out->origin.shape[0] = batch.valid;
                out->origin.shape[1] = static_cast<std::int64_t>(dimensions);
            }
            const core::Column* const label = loader->loader.label();
            if (label && label->type == core::ColumnType::f64)
                out->label = array_of(batch.number, ALOFT_F64);
            else if (label)
                out->label = array_of(batch.label, ALOFT_I64);
            out->site = array_of(batch.site, ALOFT_I64);
            out->vendor = array_of(batch.vendor, ALOFT_I64);
            out->patient = array_of(batch.patient);
            out->sample = array_of(batch.sample, ALOFT_I64);
            out->dataset = array_of(batch.dataset, ALOFT_I64);
            out->which = array_of(batch.which, ALOFT_I64);
            out->owner = made.release();
            return static_cast<int>(ALOFT_OK);
        });
    });
}

void aloft_release(aloft_owner* owner) {
    if (owner && owner->process == ::getpid()) delete owner;
}
