#include "core/policy/check.h"

#include <nlohmann/json.hpp>

#include "core/base/error.h"

namespace core {
namespace {

Check make(std::string what, bool good, std::string found, std::string remedy, Verdict otherwise) {
    Check check;
    check.what = std::move(what);
    check.found = std::move(found);
    check.required = otherwise == Verdict::bad;
    check.verdict = good ? Verdict::good : otherwise;
    if (!good) check.remedy = std::move(remedy);
    return check;
}

}  // namespace

std::string_view name_of(Verdict verdict) {
    return verdict == Verdict::good ? "good" : verdict == Verdict::warning ? "warning" : "bad";
}

Check required(std::string what, bool good, std::string found, std::string remedy) {
    return make(std::move(what), good, std::move(found), std::move(remedy), Verdict::bad);
}

Check advised(std::string what, bool good, std::string found, std::string remedy) {
    return make(std::move(what), good, std::move(found), std::move(remedy), Verdict::warning);
}

nlohmann::json to_json(const Check& check) {
    nlohmann::json json = {{"layer", check.layer},       {"check", check.what},
                           {"required", check.required}, {"verdict", name_of(check.verdict)},
                           {"found", check.found},       {"remedy", check.remedy}};
    if (!check.host.empty()) json["host"] = check.host;
    return json;
}

Check check_of(const nlohmann::json& json) {
    Check check;
    check.host = json.value("host", std::string());
    check.layer = json.at("layer").get<std::string>();
    check.what = json.at("check").get<std::string>();
    check.required = json.at("required").get<bool>();
    check.found = json.at("found").get<std::string>();
    check.remedy = json.at("remedy").get<std::string>();
    const auto verdict = json.at("verdict").get<std::string>();
    for (const Verdict one : {Verdict::good, Verdict::warning, Verdict::bad})
        if (verdict == name_of(one)) {
            check.verdict = one;
            return check;
        }
    throw Error(Fault::data, "a check's verdict is none of good, warning, bad");
}

}  // namespace core
