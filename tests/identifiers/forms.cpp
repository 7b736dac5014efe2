#include "identifiers/forms.h"

#include <iconv.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string_view>

#include "core/base/bytes.h"
#include "core/base/error.h"

namespace identifiers {
namespace {

// Nothing if `value` cannot be written in `charset`.
std::optional<std::string> convert(const std::string& value, const char* charset, const char* from_charset) {
    const iconv_t converter = ::iconv_open(charset, from_charset);
    if (converter == reinterpret_cast<iconv_t>(-1))
        throw core::Error(core::Fault::system,
                          std::string("iconv does not know ") + charset + "; install libc-bin");
    std::string in = value, out(value.size() * 4 + 16, '\0');
    char *from = in.data(), *to = out.data();
    std::size_t from_left = in.size(), to_left = out.size();
    std::size_t lost = ::iconv(converter, &from, &from_left, &to, &to_left);
    if (lost == 0) lost = ::iconv(converter, nullptr, nullptr, &to, &to_left);
    ::iconv_close(converter);
    if (lost != 0) return std::nullopt;
    out.resize(out.size() - to_left);
    return out;
}

std::u32string code_points(const std::string& value) {
    const auto bytes = convert(value, "UTF-32LE", "UTF-8");
    if (!bytes) throw core::Error(core::Fault::data, "an identifier is not UTF-8");
    std::u32string out(bytes->size() / 4, U'\0');
    for (std::size_t i = 0; i < bytes->size(); ++i)
        out[i / 4] |= char32_t{static_cast<unsigned char>((*bytes)[i])} << (8 * (i % 4));
    return out;
}

std::string utf8(const std::u32string& points) {
    std::string bytes;
    for (const char32_t point : points)
        for (unsigned shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(point >> shift & 0xFF);
    return convert(bytes, "UTF-8", "UTF-32LE").value_or("");
}

std::string upper(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::toupper(c); });
    return text;
}

std::string lower(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
    return text;
}

// What stays the same of `bytes` in base64 when they begin 0, 1 or 2 bytes into a group of three.
std::string base64_at(std::string_view bytes, std::size_t shift) {
    const std::string padded = core::to_base64(core::view(std::string(shift, '\0') + std::string(bytes)));
    const std::size_t bits = shift * 8, first = (bits + 5) / 6;
    const std::size_t last = (bits + bytes.size() * 8) / 6;  // characters that hold bits of `bytes` only
    return padded.substr(first, last - first);
}

std::string digest(const EVP_MD* algorithm, std::string_view bytes) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> out;
    unsigned size = 0;
    if (EVP_Digest(bytes.data(), bytes.size(), out.data(), &size, algorithm, nullptr) != 1)
        throw core::Error(core::Fault::system,
                          "OpenSSL has no MD5 or SHA-1 (FIPS mode?): the search needs them");
    return {reinterpret_cast<const char*>(out.data()), size};
}

bool is_ascii(const std::string& text) {
    return std::all_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x80; });
}

std::string json_escaped(const std::string& value) {
    const std::string quoted = nlohmann::json(value).dump(-1, ' ', true);
    return quoted.substr(1, quoted.size() - 2);
}

enum class Ascii { as_it_is, letters_and_digits, escaped };

// Each byte behind `mark` in hex: RFC 3986 with '%', quoted-printable (RFC 2045) with '='.
std::string escaped(const std::string& value, char mark, Ascii ascii) {
    std::string out;
    for (const unsigned char c : value) {
        const bool stays =
            c < 0x80 && (ascii == Ascii::as_it_is || (ascii == Ascii::letters_and_digits && std::isalnum(c)));
        out +=
            stays ? std::string(1, static_cast<char>(c)) : mark + upper(core::to_hex(core::ByteView(&c, 1)));
    }
    return out;
}

// HTML's numeric character references, in one of printf's forms, of what is not ASCII or of all.
std::string references(const std::u32string& points, const char* form, bool ascii_too) {
    std::string out;
    for (const char32_t point : points) {
        char number[16] = {static_cast<char>(point), 0};
        if (point >= 0x80 || ascii_too) std::snprintf(number, sizeof number, form, unsigned{point});
        out += number;
    }
    return out;
}

void add_more(const std::string& value, std::vector<Form>& out) {
    for (const char* charset : {"UTF-32LE", "UTF-32BE", "EUC-JP", "SHIFT_JIS", "EUC-KR"})
        if (auto bytes = convert(value, charset, "UTF-8")) out.push_back({*std::move(bytes), charset});
    // ISO 2022 without the escape at its end.
    if (!is_ascii(value))
        if (const auto bytes = convert(value, "ISO-2022-JP", "UTF-8"); bytes && bytes->ends_with("\x1B(B"))
            out.push_back({bytes->substr(0, bytes->size() - 3), "ISO-2022-JP"});
    const std::u32string points = code_points(value);
    out.push_back({utf8({points.rbegin(), points.rend()}), "reversed"});
    out.push_back({upper(value), "upper case"});
    out.push_back({lower(value), "lower case"});
    std::string digits;
    std::copy_if(value.begin(), value.end(), std::back_inserter(digits),
                 [](unsigned char c) { return std::isdigit(c); });
    out.push_back({digits, "digits alone"});
    for (std::size_t at = 1; digits.size() >= 9 && at < digits.size(); ++at)
        out.push_back({digits.substr(0, at) + "." + digits.substr(at), "digits of a fraction"});
    std::u32string wide = points;
    for (char32_t& point : wide)
        if (point > 0x20 && point < 0x7F) point += 0xFEE0;  // U+FF01 ... U+FF5E
    for (const char* charset : {"UTF-8", "BIG5"})
        if (auto bytes = convert(utf8(wide), charset, "UTF-8"))
            out.push_back({*std::move(bytes), std::string("full-width, ") + charset});
    for (const Ascii ascii : {Ascii::letters_and_digits, Ascii::escaped}) {
        out.push_back({escaped(value, '%', ascii), "percent escapes"});
        out.push_back({lower(escaped(value, '%', ascii)), "percent escapes"});
        out.push_back({escaped(value, '=', ascii), "quoted-printable"});
    }
    for (const char* form : {"&#%u;", "&#x%x;", "&#x%X;", "&#X%X;"})
        for (const bool ascii_too : {false, true})
            out.push_back({references(points, form, ascii_too), "character references"});
}

}  // namespace

std::vector<Form> forms_of(const std::string& value, Breadth breadth) {
    std::vector<Form> out;
    std::map<std::string, std::string> written;  // bytes -> charset, equal bytes once
    written.emplace(value, "utf-8");
    for (const char* charset : {"UTF-16LE", "UTF-16BE", "BIG5", "GB18030"})
        if (auto bytes = convert(value, charset, "UTF-8")) written.emplace(*std::move(bytes), charset);
    for (const auto& [bytes, charset] : written) {
        out.push_back({bytes, charset});
        const std::string hex = core::to_hex(core::view(bytes));
        out.push_back({hex, charset + " hex"});
        out.push_back({upper(hex), charset + " hex"});
        for (std::size_t shift = 0; shift < 3; ++shift)
            out.push_back({base64_at(bytes, shift), charset + " base64"});
        for (const auto& [name, algorithm] :
             {std::pair{"md5", EVP_md5()}, {"sha1", EVP_sha1()}, {"sha256", EVP_sha256()}}) {
            const std::string raw = digest(algorithm, bytes), form = name + (" of " + charset);
            out.push_back({raw, form});
            out.push_back({core::to_hex(core::view(raw)), form + ", hex"});
            out.push_back({base64_at(raw, 0), form + ", base64"});
        }
    }
    if (!is_ascii(value)) {
        out.push_back({json_escaped(value), "json escapes"});
        out.push_back({escaped(value, '%', Ascii::as_it_is), "url escapes"});
    }
    if (breadth == Breadth::every) add_more(value, out);
    std::set<std::string> seen;  // the first of equal ones gives the name
    std::erase_if(out, [&](const Form& form) { return !seen.insert(form.bytes).second; });
    return out;
}

}  // namespace identifiers
