#include "core/base/version.h"

namespace core {

const char* version() noexcept {
    return ALOFT_VERSION;
}

}  // namespace core
