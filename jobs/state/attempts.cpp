#include "jobs/state/attempts.h"

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace jobs {

using nlohmann::json;

namespace {

constexpr std::int64_t kSane = 1'000'000'000'000;

bool is_count(const json& value) {
    return value.is_number_integer() && value.get<std::int64_t>() >= 0 && value.get<std::int64_t>() <= kSane;
}

std::string text_of(const json& entry, const char* key) {
    const auto found = entry.find(key);
    return found != entry.end() && found->is_string() ? found->get<std::string>() : "";
}

// The words that nodes use (slurm/fence/fence_check.cpp); what is none of them is the last.
constexpr std::array<std::string_view, 6> kProtocols{"TCP",  "UDP",   "ICMP",
                                                     "SCTP", "MPTCP", "another protocol"};
constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kServices{
    {{"ssh", "22"}, {"smtp", "25"}, {"http", "80"}, {"ntp", "123"}, {"https", "443"}, {"other", ""}}};

constexpr std::string_view kRaw = "a raw socket", kSocket = "a socket for ", kOldSocket = "a socket of ",
                           kIPv6 = " by IPv6";

std::string protocol_of(std::string_view text) {
    const auto found = std::find(kProtocols.begin(), kProtocols.end(), text);
    return std::string(found == kProtocols.end() ? kProtocols.back() : *found);
}

std::string what_of(std::string_view what, std::string_view to) {
    if (what == kRaw) return std::string(kRaw);
    if (what.starts_with(kSocket)) return std::string(kSocket) + protocol_of(what.substr(kSocket.size()));
    if (what.starts_with(kOldSocket)) return std::string(kSocket) + protocol_of("");
    const bool is_ipv6 = what.ends_with(kIPv6) || to.starts_with('[');
    if (what.ends_with(kIPv6)) what.remove_suffix(kIPv6.size());
    return protocol_of(what) + (is_ipv6 ? std::string(kIPv6) : "");
}

// From a service's name, or from "203.0.113.5:443".
std::string service_of(std::string_view to) {
    if (to.empty()) return "";
    const std::string_view port = to.substr(to.rfind(':') + 1);  // the whole, if there is no colon
    for (const auto& [name, number] : kServices)
        if (to == name || port == number) return std::string(name);
    return std::string(kServices.back().first);
}

using Class = std::pair<std::string, std::string>;  // what, to

Class class_of(const json& attempt) {
    const std::string what = text_of(attempt, "what"), to = text_of(attempt, "to");
    return {what_of(what, to), service_of(to)};
}

}  // namespace

json classes_only(json details) {
    if (!details.is_object()) return json::object();
    if (const auto counts = details.find("blocked"); counts != details.end()) {
        json kept = json::object();
        if (counts->is_object())
            for (const auto& [kind, count] : counts->items())
                if (is_count(count) && kind.size() <= 32 &&
                    kind.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-") == std::string::npos)
                    kept[kind] = count;
        *counts = std::move(kept);
    }
    if (const auto attempts = details.find("attempts"); attempts != details.end()) {
        std::map<Class, std::int64_t> by_class;
        if (attempts->is_array())
            for (const json& attempt : *attempts)
                if (attempt.is_object() && is_count(attempt.value("count", json())))
                    by_class[class_of(attempt)] = std::min(
                        by_class[class_of(attempt)] + attempt.at("count").get<std::int64_t>(), kSane);
        json kept = json::array();
        for (const auto& [one, count] : by_class)
            kept.push_back({{"what", one.first}, {"to", one.second}, {"count", count}});
        *attempts = std::move(kept);
    }
    return details;
}

json outcome_only(const json& details) {
    constexpr std::array<std::string_view, 8> kOutcomes{
        "completed", "failed", "cancelled", "timeout", "node-fail", "out-of-memory", "preempted", "requeued"};
    constexpr std::array<std::string_view, 4> kExits{"zero", "nonzero", "requeue", "signal"};
    const auto one_of = [&](const char* key, const auto& words) {
        const std::string word = details.is_object() ? text_of(details, key) : "";
        return std::find(words.begin(), words.end(), word) == words.end() ? std::string("unknown") : word;
    };
    return {{"outcome", one_of("outcome", kOutcomes)}, {"exit", one_of("exit", kExits)}};
}

std::int64_t rounded_count(std::int64_t count) {
    std::int64_t out = 0;
    for (std::int64_t ten = 1; ten <= count; ten *= 10)
        for (const std::int64_t step : {1, 2, 5})
            if (ten * step <= count) out = ten * step;
    return out;
}

}  // namespace jobs
