// For real_files_test.py: public files through the reader and one definition, header alone. One line for each file:
// its name, "taken" or the reason, the detail.
//   real_files DEFINITION FOLDER [DESCRIPTION]
#include <iostream>

#include "staging/deid/clean.h"
#include "staging/deid/risk.h"
#include "staging/read/delivery.h"
#include "staging/read/worker.h"

int main(int argc, char** argv) {
    staging::Readers readers;
    if (argc < 3) return 2;
    try {
        const auto definition = staging::Definition::load(argv[1], {"real"}, {argv + 3, argv + argc});
        const staging::Pseudonyms pseudonyms(core::SecretKey::from(core::Bytes(32, 9)));
        const staging::Delivery delivery(argv[2]);
        staging::Worker worker(readers, definition.wanted);
        delivery.walk([&](const std::string& name) {
            const staging::Record record = worker.read(delivery.open(name), staging::Depth::header);
            std::optional<staging::Rejection> rejection;
            if (record.ok())
                rejection = staging::pixel_risk(record.facts, definition.profile.pixels,
                                                definition.description("real").declared_of(name));
            if (!rejection) {
                const auto cleaned = staging::clean(record, {"real", name}, definition, pseudonyms);
                if (const auto* refused = std::get_if<staging::Rejection>(&cleaned)) rejection = *refused;
            }
            std::cout << name << '\t'
                      << (rejection ? std::string(reason_name(rejection->reason)) + "\t" + rejection->detail
                                    : "taken\t")
                      << '\n';
        });
    } catch (const std::exception& e) {
        std::cerr << e.what() << '\n';
        return 1;
    }
    return 0;
}
