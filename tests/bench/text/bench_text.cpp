// Frames from stdin, each "ROWS COLUMNS SAMPLES TYPE\n" and its bytes; of each a line: the boxes in which text was found.
// The last line: processor seconds, and pixels x samples.
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <iostream>
#include <string>
#include <vector>

#include "staging/image/text.h"

int main() {
    using namespace staging;
    std::ios::sync_with_stdio(false);
    double seconds = 0, looked_at = 0;
    Pixels pixels;
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
        const std::vector<Box> found = find_text(pixels, 0);
        seconds += static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
        looked_at += double{1} * pixels.rows * pixels.columns * pixels.samples;
        for (const Box& box : found)
            std::cout << box.top << ' ' << box.left << ' ' << box.bottom << ' ' << box.right << ' ';
        std::cout << '\n';
    }
    std::cout << seconds << ' ' << looked_at << '\n';
}
