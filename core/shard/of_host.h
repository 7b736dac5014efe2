#pragma once
#include <unistd.h>

#include <string>
#include <utility>

#include "core/base/error.h"

namespace core {

// Runs `open`, which opens a part of a dataset version. To what the operating system refuses it adds on which host that
// was, and whose move it is: other hosts may have the file, and the version may be whole.
template <class Open>
auto of_host(Open&& open) {
    try {
        return std::forward<Open>(open)();
    } catch (const Error& e) {
        if (e.fault() != Fault::system) throw;
        char host[256] = "";
        ::gethostname(host, sizeof host - 1);
        throw Error(
            Fault::system,
            std::string(e.what()) + ", on host " + host +
                ". Whoever operates it looks whether the dataset is mounted there, and whether the "
                "file may be read; if it is gone on all hosts, restore it from a copy that `verify` accepts");
    }
}

}  // namespace core
