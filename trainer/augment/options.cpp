#include "trainer/augment/options.h"
#include "core/base/split.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "trainer/keys/parts.h"

namespace trainer {

const std::vector<AugmentKind>& augment_kinds() {
    using Draws = AugmentKind::Draws;
    static const std::vector<AugmentKind> rows{
        {"flip", "turned over along an axis", Draws::nothing, 0.5, 0, 0, 0, 0, true},
        {"crop", "a part of each side's length, made as large as the whole", Draws::between, 0.2, 0.5, 1,
         0.05, 1, false, false, false, true},
        {"rotate", "by an angle in degrees; of volumes, about each axis", Draws::up_to, 0.2, 0, 30, 0, 180,
         true, true},
        {"scale", "larger or smaller, by a factor", Draws::between, 0.2, 0.7, 1.4, 0.1, 10},
        {"translate", "along each axis, by a part of its length", Draws::up_to, 0.2, 0, 0.1, 0, 1, true},
        {"elastic", "each pixel along each axis, the deviation of how far in pixels", Draws::between, 0.2,
         0.5, 1.5, 0, 100, true, false, true},
        {"brightness", "a value added, in standard deviations of the training split", Draws::up_to, 0.15, 0,
         0.25, 0, 100},
        {"contrast",
         "the distance from the channel's mean in the sample times a factor, within the channel's range",
         Draws::between, 0.15, 0.75, 1.25, 0, 100},
        {"gamma", "the place in the channel's range in the sample, 0 to 1, to a power", Draws::between, 0.3,
         0.7, 1.5, 0.01, 100},
        {"noise", "Gaussian, its deviation in those of the training split", Draws::between, 0.1, 0, 0.3, 0,
         100},
        {"blur", "Gaussian, its deviation in pixels", Draws::between, 0.2, 0.5, 1, 0, 20},
        {"low_resolution", "taken with fewer pixels: a part of each side's", Draws::between, 0.25, 0.5, 1,
         0.01, 1}};
    return rows;
}

std::vector<KeyRow> augment_rows() {
    using Type = Allowed::Type;
    const auto none = nlohmann::ordered_json::array();
    std::vector<KeyRow> out;
    for (const AugmentKind& kind : augment_kinds()) {
        const auto add = [&](const char* key, Allowed allowed, nlohmann::ordered_json otherwise,
                             std::string_view unit, std::string_view meaning) {
            KeyRow made = row("augment." + std::string(key), allowed, std::move(otherwise), unit, meaning);
            made.by = "augment.name";
            made.of = {std::string(kind.name)};
            made.is_list = true;
            out.push_back(std::move(made));
        };
        const Allowed drawn{Type::number, kind.lowest, kind.highest};
        add("name", {}, kind.name, "", kind.meaning);
        out.back().is_needed = true;
        const bool draws = kind.draws != AugmentKind::Draws::nothing;
        add("chance", {Type::number, 0, 1}, kind.chance, "",
            draws ? "of a sample to be changed" : "of each axis, for a sample");
        const bool is_between = kind.draws == AugmentKind::Draws::between;
        if (is_between) add("least", drawn, kind.least, "", "drawn between this");
        if (draws)
            add("most", drawn, kind.most, "",
                is_between ? "and this" : "drawn between its negative and this");
        if (kind.has_axes)
            add("axes", {Type::texts, 0, 0, "x y z"}, none, "", "all; of columns, rows, slices");
        if (kind.has_spacing)
            add("spacing", {Type::numbers, kAboveNothing, just_below(1e9)}, none, "",
                "all alike; a pixel's sides, slowest axis first");
        if (kind.has_smoothness)
            add("smoothness", {Type::number, 0.5, 100}, kSmoothness, "pixels",
                "of deviation of the Gaussian that smooths it");
        if (kind.has_foreground)
            add("foreground", {Type::number, 0, 1}, 0.0, "",
                "of masks: share of the crops around a pixel of a class, of each alike");
    }
    return out;
}

std::vector<AugmentOptions> AugmentOptions::from(const std::vector<core::Config>& rows) {
    std::vector<AugmentOptions> out;
    std::vector<std::string> names;
    for (const AugmentKind& each : augment_kinds()) names.emplace_back(each.name);
    for (const core::Config& row : rows) {
        AugmentOptions options;
        options.name = row.text("name");
        const auto kind = std::find_if(augment_kinds().begin(), augment_kinds().end(),
                                       [&](const AugmentKind& each) { return each.name == options.name; });
        if (kind == augment_kinds().end()) {
            const auto near = core::nearest(options.name, names);
            row.refuse("name", near ? "no such transform; did you mean \"" + *near + "\"?"
                                    : "no such transform; there are " + core::joined(names));
        }
        options.chance = row.number_or("chance", kind->chance);
        if (!(options.chance >= 0 && options.chance <= 1)) row.refuse("chance", "expected 0 to 1");
        const auto read = [&](const char* key, double otherwise) {
            const double value = row.number_or(key, otherwise);
            if (!(value >= kind->lowest && value <= kind->highest))
                row.refuse(key, "expected " + nlohmann::json(kind->lowest).dump() + " to " +
                                    nlohmann::json(kind->highest).dump());
            return value;
        };
        if (kind->draws == AugmentKind::Draws::between) options.least = read("least", kind->least);
        if (kind->draws != AugmentKind::Draws::nothing) options.most = read("most", kind->most);
        if (kind->draws == AugmentKind::Draws::up_to) options.least = -options.most;
        if (options.least > options.most) row.refuse("least", "expected no more than most");
        if (kind->has_axes) options.axes = row.texts("axes");
        for (const std::string& axis : options.axes)
            if (axis != "x" && axis != "y" && axis != "z")
                row.refuse("axes", "expected \"x\" (columns), \"y\" (rows) or \"z\" (slices)");
        if (kind->has_spacing) options.spacing = row.numbers("spacing");
        for (const double side : options.spacing)
            if (!(side > 0 && side < 1e9)) row.refuse("spacing", "expected lengths above 0");
        if (kind->has_smoothness) {
            options.smoothness = row.number_or("smoothness", kSmoothness);
            if (!(options.smoothness >= 0.5 && options.smoothness <= 100))
                row.refuse("smoothness", "expected 0.5 to 100 pixels");
        }
        if (kind->has_foreground) options.foreground = row.number_or("foreground", 0);
        if (!(options.foreground >= 0 && options.foreground <= 1))
            row.refuse("foreground", "expected 0 to 1");
        out.push_back(std::move(options));
    }
    return out;
}

nlohmann::ordered_json AugmentOptions::told() const {
    nlohmann::ordered_json out = {{"name", name}, {"chance", chance}, {"least", least},
                                  {"most", most}, {"axes", axes},     {"spacing", spacing}};
    if (smoothness != 0) out["smoothness"] = smoothness;
    if (foreground != 0) out["foreground"] = foreground;
    return out;
}

}  // namespace trainer
