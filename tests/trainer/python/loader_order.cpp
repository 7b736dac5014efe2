// What aloft-train's loader makes of an epoch, for the comparison with the Python package: a line per step, the
// numbers of its samples, their labels, and the SHA-256 of its inputs.
//   loader_order FOLDER KEY SPLIT BATCH RANK RANKS SEED EPOCH FIRST_STEP
#include <cstdlib>
#include <iostream>

#include "core/base/bytes.h"
#include "trainer/data/loader.h"

int main(int argc, char** argv) {
    if (argc != 10) return 2;
    const trainer::Dataset dataset(argv[1], core::SecretKey::load(argv[2]), {}, core::Seal::optional);
    trainer::LoaderOptions options;
    options.split = argv[3];
    options.batch_size = std::atoll(argv[4]);
    options.rank = std::atoi(argv[5]);
    options.ranks = std::atoi(argv[6]);
    options.seed = std::strtoull(argv[7], nullptr, 10);
    if (options.split != "train") {
        options.order = trainer::Order::stored;
        options.tail = trainer::Tail::keep;
    }
    trainer::Loader loader(dataset, options);
    loader.begin_epoch(std::atoll(argv[8]), std::atoll(argv[9]));
    while (const auto batch = loader.next()) {
        std::cout << batch->step;
        for (const at::Tensor& numbers : {batch->sample, batch->labels}) {
            std::cout << " |";
            for (std::int64_t i = 0; i < batch->valid; ++i)
                std::cout << ' ' << numbers[i].item<std::int64_t>();
        }
        const at::Tensor inputs = batch->inputs.contiguous();
        const core::ByteView bytes{static_cast<const std::uint8_t*>(inputs.data_ptr()),
                                   static_cast<std::size_t>(inputs.nbytes())};
        std::cout << " | " << core::to_hex(core::sha256(bytes)) << '\n';
    }
}
