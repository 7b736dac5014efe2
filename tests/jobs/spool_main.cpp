// spool SITE HOST KIND SUBJECT DETAILS: leaves a node's record, as Prolog, Epilog and preflight do. DETAILS
// is JSON.
#include <nlohmann/json.hpp>

#include "core/ledger/spool.h"

int main(int argc, char** argv) {
    if (argc != 6) return 2;
    core::spool_record(core::Site::load(argv[1]), argv[3], argv[4], nlohmann::json::parse(argv[5]), argv[2]);
}
