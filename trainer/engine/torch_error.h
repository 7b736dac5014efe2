#pragma once
#include <c10/util/Exception.h>

#include <string>
#include <utility>

#include "core/base/error.h"

namespace trainer {

// What PyTorch reports, as an operator can act on it: the first line (the rest is a C++ stack), and for
// memory which keys to change. `doing` is "step 12".
inline core::Error from_torch(const c10::Error& e, const std::string& doing) {
    const std::string text = e.what_without_backtrace();
    const bool memory = dynamic_cast<const c10::OutOfMemoryError*>(&e) != nullptr ||
                        text.find("out of memory") != std::string::npos ||
                        text.find("can't allocate memory") != std::string::npos;
    return core::Error(core::Fault::system,
                       doing + ": " + text.substr(0, text.find('\n')) +
                           (memory ? ". Not enough memory: raise train.micro_batches or lower data.batch (in "
                                     "validation: lower evaluate.batch)"
                                   : ""));
}

// Runs `work`, with PyTorch's errors (GPU errors come up at any call that waits) as Error(system).
template <class Work>
auto with_torch_errors(const std::string& doing, Work&& work) {
    try {
        return std::forward<Work>(work)();
    } catch (const c10::Error& e) {
        throw from_torch(e, doing);
    }
}

}  // namespace trainer
