// Frames from stdin, each "ROWS COLUMNS SAMPLES TYPE\n" and its bytes; of each a line: the boxes in which text was found,
// and "|" with what clean_text made of it: "clean", "blanked" (the pixels are added to the file CLEANED) or "out".
// The last line: processor seconds of finding, and pixels x samples.
//
//   bench_text [CLEANED]
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "staging/image/clean_text.h"

int main(int count, char** arguments) {
    using namespace staging;
    std::ios::sync_with_stdio(false);
    double seconds = 0, looked_at = 0;
    std::ofstream blanked(count > 1 ? arguments[1] : "/dev/null", std::ios::binary);
    Record record;
    Pixels& pixels = record.pixels;
    pixels.frames = 1;
    std::string type;
    while (std::cin >> pixels.rows >> pixels.columns >> pixels.samples >> type) {
        std::cin.get();
        for (int i = 1; i <= static_cast<int>(PixelType::f64); ++i)
            if (pixel_type_name(static_cast<PixelType>(i)) == type) pixels.type = static_cast<PixelType>(i);
        std::vector<std::uint8_t> bytes(pixels.byte_count());
        if (!std::cin.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size())))
            return 3;
        pixels.bytes = bytes;
        const std::clock_t begin = std::clock();
        const std::vector<Box> found = find_text(pixels, 0).boxes;
        seconds += static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
        looked_at += double{1} * pixels.rows * pixels.columns * pixels.samples;
        for (const Box& box : found)
            std::cout << box.top << ' ' << box.left << ' ' << box.bottom << ' ' << box.right << ' ';
        const auto out = clean_text(record, TextPolicy::blank);
        const auto* cleaned = std::get_if<TextCleaned>(&out);
        std::cout << (!cleaned ? "| out\n" : cleaned->frames ? "| blanked\n" : "| clean\n");
        if (cleaned)
            blanked.write(reinterpret_cast<const char*>(cleaned->bytes.data()),
                          static_cast<std::streamsize>(cleaned->bytes.size()));
    }
    std::cout << seconds << ' ' << looked_at << '\n';
}
