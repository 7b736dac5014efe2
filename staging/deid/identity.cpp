#include "staging/deid/identity.h"

#include <algorithm>

namespace staging {
namespace {

// Two-digit values of the letters, as the Ministry of the Interior numbers them.
constexpr int kLetter[26] = {10, 11, 12, 13, 14, 15, 16, 17, 34, 18, 19, 20, 21,
                             22, 35, 23, 24, 25, 26, 27, 28, 29, 32, 30, 31, 33};

// ASCII twin of a full-width character at the front of `bytes`, and how many bytes it took.
struct Narrow {
    char character;
    std::size_t length;
};
std::optional<Narrow> narrow(core::ByteView bytes) {
    const auto at = [&](std::size_t i) { return i < bytes.size() ? bytes[i] : std::uint8_t{0}; };
    if (at(0) < 0x80) return Narrow{static_cast<char>(at(0)), 1};
    if (at(0) == 0xEF && (at(1) == 0xBC || at(1) == 0xBD) && at(2) >= 0x80 && at(2) < 0xC0) {
        const int code = 0xFF00 + (at(1) - 0xBC) * 64 + (at(2) & 0x3F);  // UTF-8 U+FF00 .. U+FF7F
        if (code >= 0xFF01 && code <= 0xFF5E) return Narrow{static_cast<char>(code - 0xFEE0), 3};
        return std::nullopt;
    }
    if (at(0) == 0xE3 && at(1) == 0x80 && at(2) == 0x80) return Narrow{' ', 3};  // ideographic space
    // Big5: digits A2AF..A2B8, capitals A2CF..A2E8, small letters A2E9..A2FE and A340..A343.
    if (at(0) == 0xA2) {
        const int c = at(1);
        if (c >= 0xAF && c <= 0xB8) return Narrow{static_cast<char>('0' + c - 0xAF), 2};
        if (c >= 0xCF && c <= 0xE8) return Narrow{static_cast<char>('A' + c - 0xCF), 2};
        if (c >= 0xE9 && c <= 0xFE) return Narrow{static_cast<char>('a' + c - 0xE9), 2};
    }
    if (at(0) == 0xA3 && at(1) >= 0x40 && at(1) <= 0x43)
        return Narrow{static_cast<char>('w' + at(1) - 0x40), 2};
    if (at(0) == 0xA1 && at(1) == 0x40) return Narrow{' ', 2};
    return std::nullopt;
}

bool checksum_holds(const std::string& id) {
    const int letter = kLetter[id[0] - 'A'];
    int sum = letter / 10 + letter % 10 * 9;
    // The second sign of an old UI number is a letter: the last digit of its number counts.
    const int second = id[1] >= 'A' ? kLetter[id[1] - 'A'] % 10 : id[1] - '0';
    sum += second * 8;
    for (int i = 2; i < 9; ++i) sum += (id[static_cast<std::size_t>(i)] - '0') * (9 - i);
    return (sum + id[9] - '0') % 10 == 0;
}

double unit_interval(const core::Digest& digest) {
    return static_cast<double>(first_64_bits(digest) >> 11) * 0x1p-53;
}

}  // namespace

std::string narrowed(core::ByteView raw) {
    std::string out;
    while (!raw.empty()) {
        if (const auto next = narrow(raw)) {
            out += next->character;
            raw = raw.subspan(next->length);
            continue;
        }
        // A whole character of UTF-8 as it stands, so that its last bytes are not taken for a Big5 sign.
        const std::size_t length = raw[0] >= 0xF0 ? 4 : raw[0] >= 0xE0 ? 3 : raw[0] >= 0xC2 ? 2 : 1;
        for (std::size_t i = 0; i < length && !raw.empty(); ++i) {
            out += static_cast<char>(raw[0]);
            raw = raw.subspan(1);
        }
    }
    return out;
}

std::optional<std::string> national_id(core::ByteView raw) {
    if (raw.size() > 256) return std::nullopt;
    std::string id;
    for (const char c : narrowed(raw)) {
        if (c == ' ' || c == '\0' || c == '\t' || c == '-') continue;
        id += c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    }
    const auto digit = [](char c) { return c >= '0' && c <= '9'; };
    if (id.size() != 10 || id[0] < 'A' || id[0] > 'Z') return std::nullopt;
    if (std::string_view("1289ABCD").find(id[1]) == std::string_view::npos) return std::nullopt;
    if (!std::all_of(id.begin() + 2, id.end(), digit)) return std::nullopt;
    if (!checksum_holds(id)) return std::nullopt;
    return id;
}

std::uint64_t first_64_bits(core::ByteView digest) {
    std::uint64_t bits = 0;
    for (const std::uint8_t byte : digest.first(8)) bits = bits << 8 | byte;
    return bits;
}

Pseudonyms::Pseudonyms(const core::SecretKey& project_key)
    : ids_(project_key.derive({}, "aloft pseudonyms 1")),
      dates_(project_key.derive({}, "aloft date shifts 1")),
      splits_(project_key.derive({}, "aloft splits 1")),
      files_(project_key.derive({}, "aloft file names 1")),
      key_id_(project_key.id()) {}

core::Id16 Pseudonyms::of(std::string_view kind, core::ByteView issuer, core::ByteView identifier) const {
    // Lengths first, so that no two (issuer, identifier) pairs run together into the same bytes.
    const std::string lengths = std::string(kind) + '\0' + std::to_string(issuer.size()) + '\0' +
                                std::to_string(identifier.size()) + '\0';
    const core::Digest digest = core::hmac_sha256(ids_.bytes(), {core::view(lengths), issuer, identifier});
    core::Id16 id;
    std::copy_n(digest.begin(), id.size(), id.begin());
    return id;
}

std::int64_t Pseudonyms::shift_days(const core::Id16& patient, std::int64_t max_days) const {
    const double point = unit_interval(core::hmac_sha256(dates_.bytes(), {patient}));
    return -1 - static_cast<std::int64_t>(point * static_cast<double>(max_days));
}

double Pseudonyms::split_point(const core::Id16& patient) const {
    return unit_interval(core::hmac_sha256(splits_.bytes(), {patient}));
}

std::string Pseudonyms::file_name(std::string_view delivery, core::ByteView path) const {
    const std::uint8_t zero = 0;
    const core::Digest digest =
        core::hmac_sha256(files_.bytes(), {core::view(delivery), core::ByteView(&zero, 1), path});
    return core::to_hex(core::ByteView(digest).first(12));
}

}  // namespace staging
