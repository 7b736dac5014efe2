#include "staging/image/fields.h"

#include "staging/image/pixels.h"

namespace staging {
namespace {

std::variant<core::Array, Rejection> numbers(const FieldChoice& choice, const Record& record) {
    core::Array array;
    for (std::size_t i = 0; i < choice.values.size(); ++i) {
        const std::optional<Value>& value = record.values[choice.values[i]];
        if ((!value || trimmed(value->bytes).empty()))
            return Rejection{Reason::missing_attribute, choice.rule.from[i]};
        const auto real = number(*value);
        if (!real || !(*real >= choice.rule.min && *real <= choice.rule.max))
            return Rejection{Reason::bad_value, choice.rule.from[i]};
        const auto put = [&](auto typed) {
            const auto* bytes = reinterpret_cast<const std::uint8_t*>(&typed);
            array.bytes.insert(array.bytes.end(), bytes, bytes + sizeof typed);
        };
        if (choice.field.dtype == core::DType::f32)
            put(static_cast<float>(*real));
        else
            put(*real);
    }
    return array;
}

}  // namespace

std::variant<std::vector<core::Array>, Rejection> fields_of(const Record& record,
                                                            const Definition& definition) {
    std::vector<core::Array> fields;
    for (const FieldChoice& choice : definition.fields) {
        auto array =
            choice.rule.pixels ? pixels_to_array(record.pixels, choice.field) : numbers(choice, record);
        if (auto* rejection = std::get_if<Rejection>(&array)) return std::move(*rejection);
        fields.push_back(std::get<core::Array>(std::move(array)));
    }
    return fields;
}

core::Id16 content_of(const Record& record, const core::Sample& sample, const Pseudonyms& pseudonyms) {
    if (record.row == 0) {
        const Pixels& p = record.pixels;
        const std::string form = std::to_string(p.frames) + "x" + std::to_string(p.rows) + "x" +
                                 std::to_string(p.columns) + "x" + std::to_string(p.samples) + " " +
                                 std::string(pixel_type_name(p.type));
        return pseudonyms.of("pixels", core::view(form), p.sha256);
    }
    core::Bytes all;
    for (const core::Array& array : sample.fields)
        all.insert(all.end(), array.bytes.begin(), array.bytes.end());
    for (const core::Cell& cell : sample.columns) {
        std::string text;
        if (const auto* name = std::get_if<std::string>(&cell)) text = *name;
        if (const auto* integer = std::get_if<std::int64_t>(&cell)) text = std::to_string(*integer);
        if (const auto* id = std::get_if<core::Id16>(&cell)) text = core::to_hex(*id);
        if (const auto* real = std::get_if<double>(&cell))
            text.assign(reinterpret_cast<const char*>(real), sizeof *real);
        text += '\0';
        all.insert(all.end(), text.begin(), text.end());
    }
    return pseudonyms.of("row", {}, all);
}

}  // namespace staging
