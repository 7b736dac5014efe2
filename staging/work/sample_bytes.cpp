// How a sample waits: encode() and decode() of spill.h.
#include <algorithm>
#include <cstring>

#include "core/base/error.h"
#include "staging/work/spill.h"

namespace staging {
namespace {

class Output {
public:
    void number(std::uint64_t value) { raw(&value, sizeof value); }
    void raw(const void* from, std::size_t count) {
        const auto* bytes = static_cast<const std::uint8_t*>(from);
        out.insert(out.end(), bytes, bytes + count);
    }
    core::Bytes out;
};

class Input {
public:
    explicit Input(core::ByteView from) : rest_(from) {}
    std::uint64_t number() {
        std::uint64_t value = 0;
        std::memcpy(&value, raw(sizeof value).data(), sizeof value);
        return value;
    }
    core::ByteView raw(std::uint64_t count) {
        if (count > rest_.size()) throw core::Error(core::Fault::bug, "a waiting sample is cut short");
        const core::ByteView out = rest_.first(count);
        rest_ = rest_.subspan(count);
        return out;
    }

private:
    core::ByteView rest_;
};

}  // namespace

core::Bytes encode(const core::Sample& sample) {
    Output to;
    to.number(sample.fields.size());
    for (const core::Array& field : sample.fields) {
        to.number(field.shape.size());
        for (const std::int64_t extent : field.shape) to.number(static_cast<std::uint64_t>(extent));
        to.number(field.bytes.size());
        to.raw(field.bytes.data(), field.bytes.size());
    }
    to.number(sample.columns.size());
    for (const core::Cell& cell : sample.columns) {
        to.number(cell.index());
        if (const auto* integer = std::get_if<std::int64_t>(&cell)) to.raw(integer, sizeof *integer);
        if (const auto* real = std::get_if<double>(&cell)) to.raw(real, sizeof *real);
        if (const auto* id = std::get_if<core::Id16>(&cell)) to.raw(id->data(), id->size());
        if (const auto* name = std::get_if<std::string>(&cell)) {
            to.number(name->size());
            to.raw(name->data(), name->size());
        }
    }
    return std::move(to.out);
}

core::Sample decode(core::ByteView bytes) {
    Input from(bytes);
    core::Sample sample;
    sample.fields.resize(from.number());
    for (core::Array& field : sample.fields) {
        field.shape.resize(from.number());
        for (std::int64_t& extent : field.shape) extent = static_cast<std::int64_t>(from.number());
        const core::ByteView raw = from.raw(from.number());
        field.bytes.assign(raw.begin(), raw.end());
    }
    sample.columns.resize(from.number());
    for (core::Cell& cell : sample.columns) {
        switch (from.number()) {
            case 0:
                break;
            case 1:
                cell = static_cast<std::int64_t>(from.number());
                break;
            case 2: {
                double real = 0;
                std::memcpy(&real, from.raw(sizeof real).data(), sizeof real);
                cell = real;
                break;
            }
            case 3:
                cell = std::string(core::text(from.raw(from.number())));
                break;
            case 4: {
                core::Id16 id;
                const core::ByteView raw = from.raw(id.size());
                std::copy(raw.begin(), raw.end(), id.begin());
                cell = id;
                break;
            }
            default:
                throw core::Error(core::Fault::bug, "a waiting sample has a cell of no known type");
        }
    }
    return sample;
}

}  // namespace staging
