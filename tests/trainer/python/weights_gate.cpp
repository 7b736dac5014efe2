// What the release desk says of weights: "leaves", or a line per finding that refuses.
//   weights_gate FILE SCRATCH
#include <iostream>

#include "jobs/release/weights.h"

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    const core::Bytes secret(32, 1);
    const jobs::Leaving leaving = jobs::prepare_weights(argv[1], std::filesystem::path(argv[2]) / "canonical",
                                                        {secret, [](const std::string&) { return true; }});
    for (const jobs::Finding& finding : leaving.findings) {
        if (finding.weight != jobs::Finding::Weight::refuse) continue;
        std::cout << finding.code << ": " << finding.text << '\n';
    }
    if (!leaving.refused()) std::cout << "leaves\n";
}
