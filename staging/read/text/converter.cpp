#include "staging/read/text/converter.h"

#include <unicode/ucnv.h>
#include <unicode/udata.h>
#include <unicode/ustring.h>

#include <array>
#include <new>
#include <vector>

#include "staging/read/table/utf8.h"

namespace staging {
namespace {

constexpr std::size_t kCount = static_cast<std::size_t>(Encoding::count_);

// ICU's names, in the order of Encoding.
constexpr std::array<const char*, kCount> kNames = {
    "US-ASCII",   "UTF-8",       "ISO-8859-1", "ISO-8859-2",       "ISO-8859-3",
    "ISO-8859-4", "ISO-8859-5",  "ISO-8859-6", "ISO-8859-7",       "ISO-8859-8",
    "ISO-8859-9", "ISO-8859-15", "TIS-620",    "GB18030",          "GBK",
    "EUC-JP",     "EUC-KR",      "EUC-CN",     "windows-950-2000", "ibm-943_P15A-2003"};
static_assert(kNames.back() != nullptr, "every Encoding has a name");

// Never closed: they are for the life of the process.
UConverter* converter(Encoding encoding) {
    static std::array<UConverter*, kCount> open{};
    UConverter*& one = open[static_cast<std::size_t>(encoding)];
    if (!one) {
        UErrorCode status = U_ZERO_ERROR;
        one = ucnv_open(kNames[static_cast<std::size_t>(encoding)], &status);
        if (U_SUCCESS(status))
            ucnv_setToUCallBack(one, UCNV_TO_U_CALLBACK_STOP, nullptr, nullptr, nullptr, &status);
        if (U_FAILURE(status)) {
            if (one) ucnv_close(one);
            one = nullptr;
            throw std::bad_alloc();
        }
    }
    return one;
}

}  // namespace

std::optional<Encoding> encoding_of(std::string_view name) {
    struct Row {
        std::string_view name;
        Encoding encoding;
    };
    constexpr Row kRows[] = {{"utf-8", Encoding::utf8},
                             {"big5", Encoding::big5},
                             {"cp950", Encoding::big5},
                             {"gb18030", Encoding::gb18030},
                             {"gbk", Encoding::gbk},
                             {"euc-kr", Encoding::euc_kr},
                             {"euc-jp", Encoding::euc_jp},
                             {"shift_jis", Encoding::shift_jis},
                             {"iso-8859-1", Encoding::latin1},
                             {"iso-8859-2", Encoding::latin2},
                             {"iso-8859-15", Encoding::latin9},
                             {"tis-620", Encoding::thai}};
    for (const Row& row : kRows)
        if (row.name == name) return row.encoding;
    return std::nullopt;
}

bool append_utf8(Encoding encoding, std::string_view bytes, std::string& out) {
    bool is_ascii = true;
    for (const char byte : bytes) is_ascii = is_ascii && static_cast<unsigned char>(byte) < 0x80;
    if (is_ascii) {  // a part of all of them
        out += bytes;
        return true;
    }
    if (encoding == Encoding::utf8) {
        const auto end = bytes.find_last_not_of('\0');  // padding
        if (!is_utf8_text(bytes.substr(0, end == bytes.npos ? 0 : end + 1))) return false;
        out += bytes;
        return true;
    }
    UErrorCode status = U_ZERO_ERROR;
    std::vector<UChar> wide(bytes.size() * 2 + 1);
    const std::int32_t count =
        ucnv_toUChars(converter(encoding), wide.data(), static_cast<std::int32_t>(wide.size()), bytes.data(),
                      static_cast<std::int32_t>(bytes.size()), &status);
    if (status == U_MEMORY_ALLOCATION_ERROR) throw std::bad_alloc();
    if (U_FAILURE(status)) return false;
    std::string utf8(static_cast<std::size_t>(count) * 3, '\0');
    std::int32_t written = 0;
    u_strToUTF8(utf8.data(), static_cast<std::int32_t>(utf8.size()), &written, wide.data(), count, &status);
    if (U_FAILURE(status)) return false;
    out.append(utf8, 0, static_cast<std::size_t>(written));
    return true;
}

void prepare_converters() noexcept {
    UErrorCode status = U_ZERO_ERROR;
    udata_setFileAccess(UDATA_NO_FILES, &status);  // what is linked in is all there is
    for (std::size_t i = 0; i < kCount; ++i) {
        try {
            converter(static_cast<Encoding>(i));
        } catch (const std::bad_alloc&) {  // it is asked for again, and fails there, for whoever needs it
        }
    }
}

}  // namespace staging
