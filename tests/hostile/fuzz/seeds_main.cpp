// Writes the seeds into a folder: what libFuzzer starts from.
#include "hostile/seeds.h"
#include "support/seeds.h"

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    test::Seeds folder(argv[1]);
    for (const std::string& seed : test::seeds()) folder.add(seed);
}
