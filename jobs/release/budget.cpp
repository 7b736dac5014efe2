#include "jobs/release/budget.h"

#include "core/policy/names.h"

namespace jobs {

DeskRules DeskRules::read(const core::Config& file) {
    DeskRules rules;
    const core::Config budget = file.table("budget"), desk = file.table("desk"),
                       groups = file.table("groups");
    const auto number = [](const core::Config& table, const char* key, std::uint64_t& value) {
        const std::int64_t given = table.integer_or(key, static_cast<std::int64_t>(value));
        if (given < 0) table.refuse(key, "must not be negative");
        value = static_cast<std::uint64_t>(given);
    };
    number(budget, "bits_per_grant_year", rules.bits_per_grant_year);
    number(desk, "open_requests", rules.open_requests);
    number(desk, "open_bytes", rules.open_bytes);
    number(desk, "reserve_bytes", rules.reserve_bytes);
    for (const std::string& enclave : groups.keys()) {
        const std::string group = groups.text(enclave);
        if (!core::is_plain_name(enclave) || !core::is_plain_name(group))
            groups.refuse(enclave, "expected ENCLAVE = \"GROUP\", both plain names");
        rules.groups[enclave] = group;
    }
    return rules;
}

std::string Budget::refusal(std::uint64_t bits) const {
    if (bits <= left_bits()) return "";
    return "it can carry " + std::to_string(bits) + " bits, and of the " + std::to_string(limit_bits) +
           " that may leave under this application in a year " + std::to_string(left_bits()) +
           " are left; release fewer or smaller files (aloft release check says the bits of each), withdraw "
           "what is "
           "still in review, or ask the data owner for a larger budget";
}

std::string Room::refusal(std::uint64_t bytes) const {
    if (open_requests >= open_requests_limit)
        return "you have " + std::to_string(open_requests) +
               " releases open, as many as an account may have; withdraw one, or wait for the reviewers";
    if (open_bytes + bytes > open_bytes_limit)
        return "with it, your open releases would take more than the " + std::to_string(open_bytes_limit) +
               " bytes that an account may have waiting; withdraw one, or wait for the reviewers";
    // Twice: the author's copy and the gate's lie side by side for a moment.
    if (free_bytes < reserve_bytes || (free_bytes - reserve_bytes) / 2 < bytes)
        return "there is not enough room to copy it beside the ledger; tell the admin";
    return "";
}

}  // namespace jobs
