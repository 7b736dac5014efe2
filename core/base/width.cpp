#include "core/base/width.h"

#include <cwchar>

namespace core {
namespace {

locale_t utf8() {
    static const locale_t made = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
    return made;
}

}  // namespace

InUtf8::InUtf8() : before_(::uselocale(utf8())) {}

InUtf8::~InUtf8() {
    ::uselocale(before_);
}

InUtf8::Character InUtf8::first_of(std::string_view text) const {
    std::mbstate_t state{};
    wchar_t wide = 0;
    const std::size_t bytes = std::mbrtowc(&wide, text.data(), text.size(), &state);
    if (bytes == 0 || bytes > text.size()) return {};  // a null, or no UTF-8
    const int columns = ::wcwidth(wide);
    return {bytes, columns < 0 ? 1 : static_cast<std::size_t>(columns)};
}

std::size_t width_of(std::string_view text) {
    const InUtf8 locale;
    std::size_t columns = 0;
    for (std::size_t at = 0; at < text.size();) {
        const InUtf8::Character next = locale.first_of(text.substr(at));
        columns += next.columns;
        at += next.bytes;
    }
    return columns;
}

}  // namespace core
