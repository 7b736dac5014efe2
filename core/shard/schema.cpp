#include "core/shard/schema.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "core/base/config.h"
#include "core/base/error.h"

namespace core {
namespace {

// HDF5 counts the bytes of a chunk in 32 bits; header, tag and a page are left room for.
constexpr std::uint64_t kMaxSampleBytes = (std::uint64_t{1} << 32) - 8192;
// The names of a category live in the header of its HDF5 dataset, which holds 64 KiB.
constexpr std::size_t kMaxNamesBytes = 32 << 10;

constexpr std::string_view kDTypeNames[] = {"", "u8", "i8", "u16", "i16", "u32", "i32", "i64", "f32", "f64"};
constexpr std::size_t kDTypeBytes[] = {0, 1, 1, 2, 2, 4, 4, 8, 4, 8};
constexpr std::string_view kColumnNames[] = {"", "i64", "f64", "category", "id16"};
constexpr std::size_t kColumnBytes[] = {0, 8, 8, 4, 16};

bool is_name(std::string_view name) {
    return !name.empty() && name.size() <= 63 && name[0] >= 'a' && name[0] <= 'z' &&
           std::all_of(name.begin(), name.end(),
                       [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; });
}

[[noreturn]] void refuse(const std::string& text) {
    throw Error(Fault::usage, "schema: " + text);
}

template <class Named>
std::size_t find(const std::vector<Named>& all, std::string_view name, const char* kind) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (all[i].name == name) return i;
        names.push_back(all[i].name);
    }
    std::string text = "there is no " + std::string(kind) + " \"" + std::string(name) + "\"";
    if (const auto near = nearest(name, names)) {
        text += "; did you mean \"" + *near + "\"?";
    } else {
        text += "; there are:";
        for (const auto& other : names) text += " " + other;
    }
    throw Error(Fault::usage, text);
}

void check_field(const Field& field) {
    if (!is_name(field.name)) refuse("a field's name is not of the form [a-z][a-z0-9_]*");
    if (field.dtype < DType::u8 || field.dtype > DType::f64)
        refuse("field " + field.name + ": no such dtype");
    if (field.shape.size() > 4) refuse("field " + field.name + ": more than 4 dimensions");
    std::uint64_t bytes = bytes_of(field.dtype);
    for (const std::int64_t extent : field.shape) {
        if (extent <= 0 || static_cast<std::uint64_t>(extent) > kMaxSampleBytes / bytes)
            refuse("field " + field.name + ": a dimension is not positive, or a sample is larger than 4 GiB");
        bytes *= static_cast<std::uint64_t>(extent);
    }
}

void check_column(const Column& column) {
    if (!is_name(column.name)) refuse("a column's name is not of the form [a-z][a-z0-9_]*");
    if (column.type < ColumnType::i64 || column.type > ColumnType::id16)
        refuse("column " + column.name + ": no such type");
    if ((column.type == ColumnType::category) == column.names.empty())
        refuse("column " + column.name + ": a category needs names, other types have none");
    std::size_t bytes = 0;
    std::set<std::string_view> seen;
    for (const std::string& name : column.names) {
        if (name.empty() || name == "(missing)" || name.find('\0') != std::string::npos ||
            !seen.insert(name).second)
            refuse("column " + column.name + ": a category is empty, reserved or there twice");
        bytes += name.size() + 8;
    }
    if (bytes > kMaxNamesBytes) refuse("column " + column.name + ": the categories' names exceed 32 KiB");
}

}  // namespace

std::size_t bytes_of(DType type) noexcept {
    return kDTypeBytes[static_cast<std::size_t>(type)];
}
std::string_view name_of(DType type) noexcept {
    return kDTypeNames[static_cast<std::size_t>(type)];
}
DType dtype_of(std::string_view name) {
    for (std::size_t i = 1; i < std::size(kDTypeNames); ++i)
        if (kDTypeNames[i] == name) return static_cast<DType>(i);
    throw Error(Fault::data, "not an element type (u8, i8, u16, i16, u32, i32, i64, f32, f64)");
}
std::size_t bytes_of(ColumnType type) noexcept {
    return kColumnBytes[static_cast<std::size_t>(type)];
}
std::string_view name_of(ColumnType type) noexcept {
    return kColumnNames[static_cast<std::size_t>(type)];
}

std::size_t Field::sample_bytes() const {
    if (ragged()) return 0;
    std::size_t bytes = bytes_of(dtype);
    for (const std::int64_t extent : shape) bytes *= static_cast<std::size_t>(extent);
    return bytes;
}

std::int32_t Column::code_of(std::string_view wanted) const noexcept {
    const auto found = std::find(names.begin(), names.end(), wanted);
    return found == names.end() ? kMissingCategory : static_cast<std::int32_t>(found - names.begin());
}

std::size_t Schema::field(std::string_view name) const {
    return find(fields, name, "field");
}
std::size_t Schema::column(std::string_view name) const {
    return find(columns, name, "column");
}
bool Schema::has_column(std::string_view name) const noexcept {
    return std::any_of(columns.begin(), columns.end(), [&](const Column& c) { return c.name == name; });
}

void Schema::check() const {
    std::set<std::string_view> seen;
    for (const Field& f : fields) {
        check_field(f);
        if (!seen.insert(f.name).second) refuse("field " + f.name + " is there twice");
    }
    if (fields.empty()) refuse("there is no field");
    seen.clear();
    for (const Column& c : columns) {
        check_column(c);
        if (!seen.insert(c.name).second) refuse("column " + c.name + " is there twice");
    }
    const std::pair<std::string_view, ColumnType> mandatory[] = {{"patient", ColumnType::id16},
                                                                 {"split", ColumnType::category}};
    for (const auto& [name, type] : mandatory)
        if (!has_column(name) || columns[column(name)].type != type)
            refuse("the column " + std::string(name) + " (" + std::string(name_of(type)) + ") is missing");
    const auto& splits = columns[column("split")].names;
    if (!std::equal(splits.begin(), splits.end(), std::begin(kSplits), std::end(kSplits)))
        refuse("the categories of split are train, validation, test, hidden, in this order");
    if (has_column("label")) {
        const ColumnType type = columns[column("label")].type;
        if (type != ColumnType::category && type != ColumnType::i64)
            refuse("the column label is a category or i64");
    }
}

nlohmann::ordered_json to_json(const Schema& schema) {
    nlohmann::ordered_json fields = nlohmann::ordered_json::array(), columns = fields;
    for (const Field& f : schema.fields) {
        nlohmann::ordered_json json = {{"name", f.name}, {"dtype", name_of(f.dtype)}, {"shape", nullptr}};
        if (!f.ragged()) json["shape"] = f.shape;
        json["units"] = f.units;
        fields.push_back(std::move(json));
    }
    for (const Column& c : schema.columns) {
        nlohmann::ordered_json json = {{"name", c.name}, {"type", name_of(c.type)}};
        if (c.type == ColumnType::category) json["names"] = c.names;
        columns.push_back(std::move(json));
    }
    return {{"fields", std::move(fields)}, {"columns", std::move(columns)}};
}

Schema schema_from_json(const nlohmann::ordered_json& json) {
    Schema schema;
    try {
        for (const auto& f : json.at("fields")) {
            Field field;
            field.name = f.at("name").get<std::string>();
            field.dtype = dtype_of(f.at("dtype").get<std::string>());
            if (const auto& shape = f.at("shape"); !shape.is_null()) {
                for (const auto& extent : shape) {  // the library would round 1.5
                    if (!extent.is_number_integer() && !extent.is_number_unsigned())
                        throw Error(Fault::data, "a dimension is not a whole number");
                    field.shape.push_back(extent.get<std::int64_t>());
                }
                if (field.shape.empty()) throw Error(Fault::data, "a shape is empty");
            }
            field.units = f.at("units").get<std::string>();
            schema.fields.push_back(std::move(field));
        }
        for (const auto& c : json.at("columns")) {
            Column column;
            column.name = c.at("name").get<std::string>();
            const std::string type = c.at("type").get<std::string>();
            const auto found = std::find(std::begin(kColumnNames) + 1, std::end(kColumnNames), type);
            if (found == std::end(kColumnNames)) throw Error(Fault::data, "no such column type");
            column.type = static_cast<ColumnType>(found - std::begin(kColumnNames));
            if (column.type == ColumnType::category)
                column.names = c.at("names").get<std::vector<std::string>>();
            schema.columns.push_back(std::move(column));
        }
        schema.check();
    } catch (const nlohmann::json::exception&) {
        throw Error(Fault::data, "schema: a part is missing or of another type");
    } catch (const Error& e) {
        throw Error(Fault::data, e.what());
    }
    return schema;
}

}  // namespace core
