#include "trainer/engine/torch_error.h"

#include <catch2/catch.hpp>

using namespace trainer;
using Catch::Contains;

namespace {

// What an operator reads of an error that PyTorch throws with this text.
template <class Thrown = c10::Error>
std::string told(const std::string& text) {
    try {
        with_torch_errors("step 12", [&] {
            throw Thrown(c10::SourceLocation{"forward", "conv.cpp", 7}, text);
        });
    } catch (const core::Error& e) {
        CHECK(e.fault() == core::Fault::system);
        return e.what();
    }
    return "nothing was thrown";
}

}  // namespace

TEST_CASE("what PyTorch reports is told in one line, with what was done") {
    CHECK(told("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED\nand a stack") ==
          "step 12: cuDNN error: CUDNN_STATUS_EXECUTION_FAILED");
}

TEST_CASE("memory that is not enough names the keys to change") {
    const std::string keys =
        "raise train.micro_batches or lower data.batch (in validation: lower evaluate.batch)";
    CHECK_THAT(told("CUDA error: out of memory\nCUDA kernel errors might be reported later"),
               Contains("step 12: CUDA error: out of memory. ") && Contains(keys));
    CHECK_THAT(told("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
               Contains(keys));
    CHECK_THAT(told<c10::OutOfMemoryError>("Tried to allocate 20.00 GiB. GPU 0 is full"), Contains(keys));
    CHECK_THAT(told("an illegal memory access was encountered"), !Contains(keys));
}

TEST_CASE("other errors pass as they are") {
    CHECK_THROWS_AS(with_torch_errors("x", [] { throw core::Error(core::Fault::data, "sample 3"); }),
                    core::Error);
    CHECK(with_torch_errors("x", [] { return 4; }) == 4);
}
