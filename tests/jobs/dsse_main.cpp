// dsse KEY TYPE PAYLOAD: prints a signed envelope. For tests that need one without staging.
#include <iostream>

#include "core/keys/keys.h"

int main(int argc, char** argv) {
    if (argc != 4) return 2;
    std::cout << core::dsse_sign(core::SigningKey::load(argv[1]), argv[2], argv[3]);
}
