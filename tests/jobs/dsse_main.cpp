// dsse KEY TYPE PAYLOAD: prints a signed envelope. dsse --open KEY.pub TYPE FILE: prints what an envelope holds, if
// the key signed it. For tests that need one without staging.
#include <iostream>

#include "core/base/files.h"
#include "core/keys/keys.h"

int main(int argc, char** argv) {
    if (argc == 5 && argv[1] == std::string("--open"))
        std::cout << core::dsse_open(core::read_text(argv[4]), argv[3], {core::VerifyKey::load(argv[2])},
                                     argv[4]);
    else if (argc == 4)
        std::cout << core::dsse_sign(core::SigningKey::load(argv[1]), argv[2], argv[3]);
    else
        return 2;
}
