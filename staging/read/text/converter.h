#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace staging {

// Character encodings that files are in, to UTF-8, by ICU. All are opened by prepare_converters(), once, before a
// process gives up files: from then on nothing is loaded.
enum class Encoding {
    ascii,
    utf8,
    latin1,  // ISO 8859-1
    latin2,
    latin3,
    latin4,
    cyrillic,  // ISO 8859-5
    arabic,
    greek,
    hebrew,
    latin5,  // ISO 8859-9
    latin9,  // ISO 8859-15
    thai,    // TIS 620
    gb18030,
    gbk,
    euc_jp,     // JIS X 0208, and JIS X 0212 behind 0x8F
    euc_kr,     // KS X 1001
    euc_cn,     // GB 2312
    big5,       // code page 950, as Windows in Taiwan writes it
    shift_jis,  // code page 932
    count_
};

// By the name that a delivery's description uses: "utf-8", "big5", "gb18030", ...
std::optional<Encoding> encoding_of(std::string_view name);

// Appends `bytes` to `out` as UTF-8. False if any of them is no character of the encoding; `out` is then as before.
bool append_utf8(Encoding encoding, std::string_view bytes, std::string& out);

void prepare_converters() noexcept;

}  // namespace staging
