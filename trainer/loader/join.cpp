#include "trainer/loader/join.h"

#include <algorithm>
#include <string>

#include "core/base/error.h"

namespace trainer {
namespace {

using core::Error;
using core::Fault;

std::string told_of(const core::Field& field) {
    std::string out(core::name_of(field.dtype));
    for (const std::int64_t extent : field.shape) out += " x " + std::to_string(extent);
    return out + (field.ragged() ? " of any shape" : "") + (field.units.empty() ? "" : ", " + field.units);
}

void compare(const core::Manifest& one, const core::Manifest& other) {
    const core::Schema &ours = one.schema, &theirs = other.schema;
    const std::string first = one.id(), id = other.id();
    const auto unlike = [&](const std::string& what) {
        throw Error(Fault::usage, first + " and " + id + " are not alike, and fit no loader: " + what);
    };
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
        const core::Field &mine = ours.fields[i], &its = theirs.fields[theirs.field(mine.name)];
        if (told_of(mine) != told_of(its))
            unlike("the field " + mine.name + " is " + told_of(mine) + " there, " + told_of(its) + " here");
        if (theirs.field(mine.name) != i) unlike("their fields stand in another order");
    }
    for (const core::Column& mine : ours.columns)
        if (const auto type = theirs.columns[theirs.column(mine.name)].type; type != mine.type)
            unlike("the column " + mine.name + " is " + std::string(core::name_of(mine.type)) + " there, " +
                   std::string(core::name_of(type)) + " here");
}

}  // namespace

Joined join(const std::vector<const core::Manifest*>& datasets) {
    Joined out{datasets.at(0)->schema, {}};
    core::Schema& schema = out.schema;
    for (std::size_t i = 0; i < datasets.size(); ++i) {
        const core::Manifest* each = datasets[i];
        for (std::size_t before = 0; before < i; ++before)
            if (datasets[before]->dataset == each->dataset)
                throw Error(Fault::usage, datasets[before]->id() + " and " + each->id() +
                                              " hold the same samples: take one of the two");
        if (each != datasets[0]) compare(*datasets[0], *each);
        auto& columns = out.columns.emplace_back();
        for (core::Column& column : schema.columns) {
            const std::size_t own = each->schema.column(column.name);
            const std::vector<std::string>& names = each->schema.columns[own].names;
            CodeMap codes;
            for (const std::string& name : names) {
                if (column.code_of(name) == core::kMissingCategory) column.names.push_back(name);
                codes.push_back(column.code_of(name));
            }
            if (column.names == names) codes.clear();
            columns.push_back({own, std::move(codes)});
        }
    }
    if (datasets.size() == 1 || schema.has_column(kDatasetColumn)) return out;
    core::Column& which = schema.columns.emplace_back();
    which.name = kDatasetColumn;
    which.type = core::ColumnType::category;
    for (const core::Manifest* each : datasets) which.names.push_back(each->id());
    return out;
}

}  // namespace trainer
