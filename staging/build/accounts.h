#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "core/mpi/comm.h"
#include "staging/report/quarantine.h"
#include "staging/report/summary.h"
#include "staging/work/listing.h"
#include "staging/work/spill.h"

namespace staging {

// What stage 1 made of each delivery, summed over all segments: every file of the listing is in exactly one
// batch. Collective; every rank has the result. Throws AgreedError(data) if files of the listing are missing or
// stand twice.
std::vector<Parent> received(const core::Comm& comm, const Spill& spill,
                             const std::vector<DeliveryFolder>& deliveries,
                             const std::vector<DeliveryCount>& listed, const Pseudonyms& pseudonyms);

// What went in came out: for each delivery, the files and rows that stage 1 saw are those that were packed and
// those that were left out. Fills in both. Throws Error(bug) that names the delivery and the three numbers.
void check_accounts(std::vector<Parent>& parents, const std::map<std::string, std::int64_t>& packed,
                    const ReasonCounts& left_out);

// What is said of them when the build ends, by delivery. Deviations only where there are some.
nlohmann::ordered_json accounts_summary(const std::vector<Parent>& parents);

}  // namespace staging
