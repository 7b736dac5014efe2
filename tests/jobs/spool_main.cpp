// spool SITE HOST KIND JOB: leaves a node's record, as Prolog and Epilog do.
#include <nlohmann/json.hpp>

#include "core/ledger/spool.h"

int main(int argc, char** argv) {
    if (argc != 5) return 2;
    core::spool_record(core::Site::load(argv[1]), argv[3], std::string("job:").append(argv[4]),
                       {{"job", std::stoll(argv[4])}, {"account", "e-alice"}}, argv[2]);
}
