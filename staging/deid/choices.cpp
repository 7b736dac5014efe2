#include "staging/deid/choices.h"

namespace staging {
namespace {

std::size_t place(const std::string& name, std::vector<std::string>& names) {
    const auto index = static_cast<std::size_t>(std::find(names.begin(), names.end(), name) - names.begin());
    if (index == names.size()) names.push_back(name);
    return index;
}

}  // namespace

std::size_t Paths::position(const std::string& path) {
    if (path.empty()) return kNowhere;
    constexpr std::string_view kPath = "path:";
    return path.starts_with(kPath) ? kPathBase + place(path.substr(kPath.size()), from_path_)
                                   : place(path, paths_);
}

// [*] is every item of a sequence, as far as kItems.
std::vector<PatientChoice> patient_choices(const PatientRule& rule, Paths& paths) {
    constexpr std::string_view kEvery = "[*]";
    const auto item = [&](std::string path, int number) {
        const auto at = path.find(kEvery);
        return at == std::string::npos ? path
                                       : path.replace(at, kEvery.size(), "[" + std::to_string(number) + "]");
    };
    std::vector<PatientChoice> out;
    const int items = rule.from.find(kEvery) == std::string::npos ? 1 : kItems;
    for (int i = 0; i < items; ++i)
        out.push_back({rule, paths.position(item(rule.from, i)), paths.position(item(rule.issuer, i))});
    return out;
}

ColumnChoice read_column(const core::Config& file, std::string_view key, const core::Config& maps,
                         const std::string& name, const Profile& profile, Paths& paths) {
    ColumnChoice choice;
    choice.rule = find_rule(file, key, profile.columns, name, profile.name);
    const auto* codes = std::get_if<Codes>(&choice.rule.transform);
    if (codes && codes->from_dataset) {
        if (!maps.has(name))
            file.refuse(key, "the profile leaves the codes of \"" + name + "\" to [maps." + name + "]");
        read_map(maps.table(name), choice.rule);
    } else if (maps.has(name)) {
        maps.refuse(name, "the profile gives these codes; a dataset cannot change them");
    }
    for (const Source& source : choice.rule.sources)
        choice.places.push_back({paths.position(source.from), paths.position(source.until)});
    return choice;
}

}  // namespace staging
