#pragma once
#include <cstdint>
#include <filesystem>
#include <ostream>

#include <nlohmann/json_fwd.hpp>

#include "core/mpi/comm.h"

namespace staging {

// What `report --contact-sheet` is asked.
struct SheetRequest {
    std::filesystem::path dir, file, key;  // of the version; of the page; the dataset's
    std::int64_t per_stratum = 6;
    std::uint64_t seed = 1;
};

// Images of the version as a program reads them, few of each stratum (report/contact_sheet.h), as a page for stewards: a new file,
// 0600, outside of every version's folder. Strata with fewer patients than the version's k, or than 10, are named alone. Each
// shard's columns are read, and the samples that are shown. Collective over `comm`, whose rank 0 writes; null: one process
// without MPI. The page does not depend on the number of ranks. Throws Error(usage) for a file that is there or lies in a
// version, Error(refused) for another key, Error(data) that names file and sample that are damaged; there is then no page.
nlohmann::ordered_json write_contact_sheet(const SheetRequest& request, const core::Comm* comm = nullptr);

// The same for people.
void print_contact_sheet(std::ostream& out, const nlohmann::ordered_json& written);

}  // namespace staging
