#include "staging/build/request.h"

#include <stdlib.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "core/base/error.h"

namespace staging {

std::vector<DeliveryFolder> in_order(std::vector<DeliveryFolder> deliveries) {
    std::sort(deliveries.begin(), deliveries.end(),
              [](const auto& a, const auto& b) { return a.name < b.name; });
    for (std::size_t i = 1; i < deliveries.size(); ++i)
        if (deliveries[i].name == deliveries[i - 1].name)
            throw core::Error(core::Fault::usage, "--delivery " + deliveries[i].name + ": given twice");
    return deliveries;
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

}  // namespace staging
