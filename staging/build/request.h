#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "staging/deid/consent.h"
#include "staging/work/listing.h"

namespace staging {

inline constexpr const char* kPseudonymKey = "pseudonym.key";  // the project's, in the folder of keys

// By name. Throws Error(usage) if one is given twice.
std::vector<DeliveryFolder> in_order(std::vector<DeliveryFolder> deliveries);
std::vector<std::string> names_of(const std::vector<DeliveryFolder>& deliveries);

// Everybody of the lists that are given by delivery.
struct PeopleLeftOut {
    std::vector<LeftOutPerson> people;
    std::string hmac;  // keyed digest of them, hex; empty if there is nobody
};
// Throws Error(usage), also for a delivery that is none of the definition's.
PeopleLeftOut people_left_out(const std::vector<DeliveryFolder>& lists, const Definition& definition,
                              const Pseudonyms& pseudonyms);

}  // namespace staging
