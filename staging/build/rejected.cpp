// What is kept of a file that was left out: set_reason() of stage1.h.
#include <algorithm>
#include <cstring>

#include "staging/build/stage1.h"
#include "staging/deid/limits.h"

namespace staging {

void set_reason(Rejected& rejected, Reason reason, std::string_view detail) {
    const auto put = [](auto& to, std::string_view text) {
        std::memset(to, 0, sizeof to);
        std::size_t length = std::min(text.size(), sizeof to - 1);
        // Never half a character: names of columns are UTF-8.
        if (length < text.size())
            while (length > 0 && (static_cast<unsigned char>(text[length]) & 0xc0) == 0x80) --length;
        text.copy(to, length);
    };
    put(rejected.reason, reason_name(reason));
    put(rejected.detail, detail.empty() ? limit_key(reason) : detail);
}

}  // namespace staging
