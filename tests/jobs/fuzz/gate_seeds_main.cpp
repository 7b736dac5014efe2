// Writes the seeds of gate_fuzz into a folder: one or more of each type, behind the byte that chooses it.
#include <png.h>

#include <string>
#include <vector>

#include "support/seeds.h"

namespace {

std::string picture() {
    png_image image{};
    image.version = PNG_IMAGE_VERSION;
    image.format = PNG_FORMAT_RGB;
    image.width = image.height = 8;
    const std::vector<unsigned char> pixels(8 * 8 * 3, 120);
    png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
    std::string out(size, '\0');
    png_image_write_to_memory(&image, out.data(), &size, 0, pixels.data(), 0, nullptr);
    out.resize(size);
    return out;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    test::Seeds seeds(argv[1]);
    for (
        const char* json :
        {R"({"dataset":"digits@1","overall":{"samples":147,"accuracy":0.97},"confusion":[[40,2],[5,100]],"strata":{"site":{"worst_first":[{"value":"north","samples":140,"accuracy":0.9}],"suppressed":["south"]}}})",
         R"({"counts":{"north":30,"south":null,"total":73},"epoch":[1,2,3],"x":[true,null,"3",-1e-7]})",
         R"({"samples":80,"balanced_accuracy":0.861476,"f1":0.870588,"mcc":0.7253,"points":[{"threshold":0.5,"sensitivity":0.902439,"tp":37}]})",
         R"({"positives":57,"log_odds":-3.66,"recall":{"benign":0.925},"support":{"benign":40},"curve":[{"samples":10,"probability":0.1,"share":0.076923}]})",
         "[]"})
        seeds.add(0, json);
    for (const char* csv : {"site,samples,accuracy\nnorth,30,0.9\nsouth,,0.8\ntotal,73,0.85\n",
                            ",north,south,total\n\"F\",30,40,70\nM,,,20\n", "code,count\nA01X,19\nA01XA,16\n",
                            "measure,value\nsamples,80\nrecall,0.902439\nf1,0.870588\n"})
        seeds.add(1, csv);
    for (const char* text :
         {"# Results\n\n1. An AUROC of 0.91 (n = 300).\n", "fold 3: 5% \xe6\xa8\xa1\xe5\x9e\x8b"})
        seeds.add(2, text);
    seeds.add(3, picture());
}
