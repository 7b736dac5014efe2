#include "staging/build/request.h"

#include <stdlib.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "core/base/error.h"

namespace staging {

namespace {

// Without links, as far as it is there; where that cannot be told, as it is written: opening it tells why.
std::filesystem::path resolved(const std::filesystem::path& path) {
    const std::filesystem::path whole = std::filesystem::absolute(path);
    std::error_code unknown;
    const std::filesystem::path found = std::filesystem::weakly_canonical(whole, unknown);
    const std::filesystem::path taken = unknown ? whole.lexically_normal() : found;
    return taken.has_filename() ? taken : taken.parent_path();  // without a slash at its end
}

// Also where one folder has two names (a bind mount): as far as `folder` is there, it is known by what it is.
bool is_in(const std::filesystem::path& path, const std::filesystem::path& folder) {
    std::error_code unknown;
    std::filesystem::path there = folder, rest;
    while (!std::filesystem::exists(there, unknown) && there.has_relative_path()) {
        rest = rest.empty() ? there.filename() : there.filename() / rest;
        there = there.parent_path();
    }
    for (std::filesystem::path above = path;; above = above.parent_path()) {
        if (above == there || std::filesystem::equivalent(above, there, unknown)) {
            const std::filesystem::path below = path.lexically_relative(above);
            if (rest.empty() || std::ranges::mismatch(rest, below).in1 == rest.end()) return true;
        }
        if (!above.has_relative_path()) return false;
    }
}

}  // namespace

std::vector<DeliveryFolder> in_order(std::vector<DeliveryFolder> deliveries) {
    std::sort(deliveries.begin(), deliveries.end(),
              [](const auto& a, const auto& b) { return a.name < b.name; });
    for (std::size_t i = 1; i < deliveries.size(); ++i)
        if (deliveries[i].name == deliveries[i - 1].name)
            throw core::Error(core::Fault::usage, "--delivery " + deliveries[i].name + ": given twice");
    return deliveries;
}

void check_apart(const std::vector<DeliveryFolder>& deliveries, const std::vector<OwnFolder>& own) {
    const auto refuse = [](const std::string& inner, const std::string& outer,
                           const char* why =
                               "every file of a delivery is one hospital's, and none is the "
                               "program's own") {
        throw core::Error(core::Fault::usage, inner + " lies in the folder of " + outer + ": " + why);
    };
    struct Place {
        std::string name;
        std::filesystem::path path;
    };
    std::vector<Place> theirs, ours;
    for (const DeliveryFolder& one : deliveries)
        theirs.push_back({"the delivery " + one.name, resolved(one.folder)});
    for (const OwnFolder& one : own)
        if (!one.path.empty()) ours.push_back({one.flag, resolved(one.path)});
    for (const Place& delivery : theirs) {
        for (const Place& other : theirs)
            if (&other != &delivery && is_in(other.path, delivery.path)) refuse(other.name, delivery.name);
        for (const Place& mine : ours) {
            if (is_in(mine.path, delivery.path)) refuse(mine.name, delivery.name);
            if (is_in(delivery.path, mine.path)) refuse(delivery.name, mine.name);
        }
    }
    for (const Place& inner : ours)
        for (const Place& outer : ours) {
            if (&inner == &outer) continue;
            // Where a build puts its work folder by itself.
            if (inner.name == "--work" && outer.name == "--out" && inner.path == outer.path / ".work")
                continue;
            if (is_in(inner.path, outer.path))
                refuse(inner.name, outer.name,
                       "a version goes where its users are, and keys and work do not");
        }
}

void check_apart(const BuildRequest& request) {
    check_apart(request.deliveries,
                {{"--out", request.out}, {"--work", request.work}, {"--keys", request.keys}});
}

std::vector<std::string> names_of(const std::vector<DeliveryFolder>& deliveries) {
    std::vector<std::string> names;
    for (const DeliveryFolder& delivery : deliveries) names.push_back(delivery.name);
    return names;
}

PeopleLeftOut people_left_out(const std::vector<DeliveryFolder>& lists, const Definition& definition,
                              const Pseudonyms& pseudonyms) {
    PeopleLeftOut out;
    for (const DeliveryFolder& list : lists) {
        if (definition.site_number(list.name) == definition.sites.size())
            throw core::Error(core::Fault::usage,
                              "--left-out " + list.name + ": none of the dataset's sites");
        const auto more = load_left_out(list.folder, list.name, definition, pseudonyms);
        out.people.insert(out.people.end(), more.begin(), more.end());
    }
    if (out.people.empty()) return out;
    std::sort(out.people.begin(), out.people.end());
    core::Bytes all;
    for (const LeftOutPerson& one : out.people) {
        all.insert(all.end(), one.id.begin(), one.id.end());
        all.push_back(one.opted_out);
    }
    out.hmac = core::to_hex(pseudonyms.of("people left out", {}, all));
    return out;
}

DeliveryFolder parse_delivery(const std::string& text, const std::string& option) {
    const std::size_t at = text.find('=');
    if (at == 0 || at == std::string::npos || at + 1 == text.size())
        throw core::Error(
            core::Fault::usage,
            option + ": expected NAME=PATH, the hospital's name and where its delivery or list lies");
    if (!is_site(text.substr(0, at)))
        throw core::Error(core::Fault::usage,
                          option + ": NAME=PATH: a hospital's name has small letters, digits, - and _ only");
    return {text.substr(0, at), text.substr(at + 1)};
}

}  // namespace staging
