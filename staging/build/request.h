#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "staging/build/build.h"
#include "staging/deid/consent.h"
#include "staging/work/listing.h"

namespace staging {

inline constexpr const char* kPseudonymKey = "pseudonym.key";  // the project's, in the folder of keys

// By name. Throws Error(usage) if one is given twice.
std::vector<DeliveryFolder> in_order(std::vector<DeliveryFolder> deliveries);

// What a command writes or keeps its keys in, and the flag that says where. An empty path is none.
struct OwnFolder {
    std::string flag;
    std::filesystem::path path;
};
// Throws Error(usage) if a delivery's folder is, or lies in, that of another or one of `own`, or one of these lies in it,
// links and bind mounts followed: files would be read as what a hospital sent that it never did. Or if one of `own` lies in
// another, but for OUT/.work: keys would go out with a version.
void check_apart(const std::vector<DeliveryFolder>& deliveries, const std::vector<OwnFolder>& own);
void check_apart(const BuildRequest& request);

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
