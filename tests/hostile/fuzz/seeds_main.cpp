// Writes the seeds into a folder: what libFuzzer starts from.
#include <filesystem>
#include <fstream>

#include "hostile/seeds.h"

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    std::filesystem::create_directories(argv[1]);
    int number = 0;
    for (const std::string& seed : test::seeds())
        std::ofstream(std::filesystem::path(argv[1]) / std::to_string(number++), std::ios::binary) << seed;
}
