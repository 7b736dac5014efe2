#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/mpi/comm.h"
#include "staging/read/worker.h"
#include "staging/work/listing.h"

namespace staging {

struct BuildRequest {
    std::vector<std::filesystem::path> descriptions;  // of deliveries: files, or folders of NAME.toml
    std::filesystem::path dataset;                    // configs/datasets/*.toml
    std::vector<DeliveryFolder> deliveries;           // in any order: they are sorted by name
    std::vector<DeliveryFolder> left_out;  // by delivery: its list of people to leave out (deid/consent.h)
    std::filesystem::path keys;            // folder of pseudonym.key and NAME@VERSION.key
    std::filesystem::path out;             // the version's folder
    std::filesystem::path work;            // where the work folder is made; empty: out; shared by the ranks
    bool dry_run = false;                  // read and judge, write nothing
    bool discard = false;                  // an unfinished build of something else in `out` goes
    Options options;
};

// Deliveries to a dataset version: scan, stage 1, duplicates, pooled risk, quarantine, plan, pack, verify,
// reports, and manifest.json last. Collective. A build that was killed goes on where it was: whole batches
// and whole shards are taken over; the tree ends up the same. A version that is there already stays as it is:
// if it is the one that was asked for, of the same deliveries, its summary is returned ("already_built").
// Returns the summary on rank 0. Throws Error(usage) on a bad configuration, folders that lie in one another, another
// version or unfinished build in `out`, or deliveries that have changed since; Error(refused) without a key; Error(data) if nothing could be
// taken; Error(system) if the machine could not read a file.
nlohmann::ordered_json build(const BuildRequest& request, const Readers& server, const core::Comm& comm);

// "NAME=DIR", as `option` gives it. Throws Error(usage).
DeliveryFolder parse_delivery(const std::string& text, const std::string& option = "--delivery");

// The keys of a build, made where they are missing: pseudonym.key (the project's) and NAME@VERSION.key for
// each of `datasets`. Returns the names of the files that were made.
std::vector<std::string> make_keys(const std::filesystem::path& folder,
                                   const std::vector<std::string>& datasets);

}  // namespace staging
