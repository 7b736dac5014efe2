#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "core/base/bytes.h"

namespace core {

// Element types of fields. On disk little endian, as in memory on every machine we build for.
enum class DType : std::uint8_t { u8 = 1, i8, u16, i16, u32, i32, i64, f32, f64 };
std::size_t bytes_of(DType type) noexcept;
std::string_view name_of(DType type) noexcept;  // "u8" ... "f64"
DType dtype_of(std::string_view name);          // throws Error(data)

// Calls `use` with a zero of the elements' type: with_type(dtype, [&](auto zero) { f<decltype(zero)>(...); }).
template <class Use>
auto with_type(DType type, Use&& use) {
    switch (type) {
        case DType::u8:
            return use(std::uint8_t{});
        case DType::i8:
            return use(std::int8_t{});
        case DType::u16:
            return use(std::uint16_t{});
        case DType::i16:
            return use(std::int16_t{});
        case DType::u32:
            return use(std::uint32_t{});
        case DType::i32:
            return use(std::int32_t{});
        case DType::i64:
            return use(std::int64_t{});
        case DType::f32:
            return use(float{});
        case DType::f64:
            break;
    }
    return use(double{});
}

// An array per sample: pixels, volumes, feature vectors.
struct Field {
    std::string name;  // [a-z][a-z0-9_]{0,62}
    DType dtype = DType::u8;
    // Shape per sample in memory order, slowest first: [C, H, W] or [C, D, H, W] or [features], at most 4
    // dimensions. Empty: ragged, every sample brings its own shape.
    std::vector<std::int64_t> shape;
    std::string units;  // "Hounsfield units", "arbitrary (scanner)", "" for none

    bool ragged() const noexcept { return shape.empty(); }
    std::size_t sample_bytes() const;  // of a fixed-shape field; 0 if ragged
};

using Id16 = std::array<std::uint8_t, 16>;  // a keyed pseudonym, never an identifier

// A value per sample. Missing is a value of its own: INT64_MIN, NaN, category -1, sixteen zero bytes.
enum class ColumnType : std::uint8_t { i64 = 1, f64, category, id16 };
struct Column {
    std::string name;  // as Field::name
    ColumnType type = ColumnType::i64;
    // Of a category: what each code stands for, in the order of the codes (0, 1, ...). The same list for
    // every shard of a dataset: it must be known before the first sample is written.
    std::vector<std::string> names;

    // The code of `name`, -1 if there is none such.
    std::int32_t code_of(std::string_view name) const noexcept;
};
inline constexpr std::int64_t kMissingInteger = INT64_MIN;
inline constexpr std::int32_t kMissingCategory = -1;
std::size_t bytes_of(ColumnType type) noexcept;  // 8, 8, 4, 16
std::string_view name_of(ColumnType type) noexcept;

// What every sample of a dataset consists of. Every dataset has the columns `patient` (id16) and `split` (a
// category whose names are train, validation, test, hidden) and, if labelled, `label` (category or i64).
// `site`, `vendor` and whatever else a dataset's definition names to compare groups by are columns like others.
struct Schema {
    std::vector<Field> fields;
    std::vector<Column> columns;

    // Position by name. Throws Error(usage) that names the nearest one that exists.
    std::size_t field(std::string_view name) const;
    std::size_t column(std::string_view name) const;
    bool has_column(std::string_view name) const noexcept;

    // Throws Error(usage) on bad or repeated names, shapes that are not positive or larger than HDF5's chunk
    // limit (4 GiB), categories without or with repeated names, or a mandatory column that is absent or of
    // another type.
    void check() const;
};
inline constexpr std::string_view kSplits[] = {"train", "validation", "test", "hidden"};

// {"fields": [{"name","dtype","shape"|null,"units"}], "columns": [{"name","type","names"?}]}; from_json
// throws Error(data) on anything that is not a schema, and checks it.
nlohmann::ordered_json to_json(const Schema& schema);
Schema schema_from_json(const nlohmann::ordered_json& json);

// One field of one sample.
struct Array {
    Bytes bytes;                      // elements in memory order, little endian
    std::vector<std::int64_t> shape;  // for writing, may stay empty unless the field is ragged
};

// One value of a column: std::monostate is "missing"; a category is given by its name.
using Cell = std::variant<std::monostate, std::int64_t, double, std::string, Id16>;

}  // namespace core
