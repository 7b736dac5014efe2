#include "staging/read/dicom/character_set.h"

#include <algorithm>

#include "staging/read/record.h"

namespace staging {
namespace {

using Graphic = CharacterSet::Graphic;
using Halves = CharacterSet::Halves;

// PS3.3 tables C.12-2 to C.12-4. `escape` follows ESC and puts the set in place; ISO_IR N and ISO 2022 IR N are one row.
struct Row {
    std::string_view number, escape;
    bool is_left;
    Graphic graphic;
    Encoding encoding;
};
constexpr Row kRows[] = {
    {"6", "(B", true, Graphic::ascii, Encoding::ascii},
    {"13", "(J", true, Graphic::romaji, Encoding::ascii},
    {"13", ")I", false, Graphic::katakana, Encoding::ascii},
    {"87", "$B", true, Graphic::jis_x_0208, Encoding::euc_jp},
    {"159", "$(D", true, Graphic::jis_x_0212, Encoding::euc_jp},
    {"149", "$)C", false, Graphic::ks_x_1001, Encoding::euc_kr},
    {"58", "$)A", false, Graphic::gb_2312, Encoding::euc_cn},
    {"100", "-A", false, Graphic::right_half, Encoding::latin1},
    {"101", "-B", false, Graphic::right_half, Encoding::latin2},
    {"109", "-C", false, Graphic::right_half, Encoding::latin3},
    {"110", "-D", false, Graphic::right_half, Encoding::latin4},
    {"144", "-L", false, Graphic::right_half, Encoding::cyrillic},
    {"127", "-G", false, Graphic::right_half, Encoding::arabic},
    {"126", "-F", false, Graphic::right_half, Encoding::greek},
    {"138", "-H", false, Graphic::right_half, Encoding::hebrew},
    {"148", "-M", false, Graphic::right_half, Encoding::latin5},
    {"203", "-b", false, Graphic::right_half, Encoding::latin9},
    {"166", "-T", false, Graphic::right_half, Encoding::thai},
};

// The number in "ISO_IR 100", "ISO 2022 IR 100"; writers also put other separators. Empty if it is neither.
std::string_view iso_number(std::string_view term) {
    const auto eat = [&](std::string_view word) {
        if (!term.starts_with(word)) return false;
        term.remove_prefix(word.size());
        while (!term.empty() && (term.front() == ' ' || term.front() == '_' || term.front() == '-'))
            term.remove_prefix(1);
        return true;
    };
    if (!eat("ISO")) return {};
    eat("2022");
    return eat("IR") ? term : std::string_view{};
}

bool is_two_bytes(Graphic graphic) {
    return graphic == Graphic::jis_x_0208 || graphic == Graphic::jis_x_0212;
}

// Decodes text with escape sequences, one run of characters of a set after the other.
class Runs {
public:
    Runs(const Halves& start, bool is_name) : start_(start), now_(start), is_name_(is_name) {}

    std::optional<std::string> decode(std::string_view bytes) {
        while (!bytes.empty()) {
            const auto byte = static_cast<unsigned char>(bytes.front());
            std::size_t used = 1;
            if (byte == 0x1b) {
                used = escape(bytes.substr(1));
            } else if (byte < 0x21 || (byte < 0x80 && !is_two_bytes(now_.left))) {
                one(byte);
            } else {
                used = byte < 0x80 ? left_pair(bytes) : right(bytes);
            }
            if (used == 0) return std::nullopt;
            bytes.remove_prefix(used);
        }
        return flush() ? std::optional(std::move(out_)) : std::nullopt;
    }

private:
    // What is used of `rest`, ESC included; 0 for a sequence that PS3.3 does not have.
    std::size_t escape(std::string_view rest) {
        for (const Row& row : kRows) {
            if (!rest.starts_with(row.escape)) continue;
            (row.is_left ? now_.left : now_.right) = row.graphic;
            if (row.graphic == Graphic::right_half) now_.encoding = row.encoding;
            return 1 + row.escape.size();
        }
        return 0;
    }

    // A control character, a space, or one of a left half of single bytes.
    void one(unsigned char byte) {
        const bool ends_a_value = byte == '\\' || byte == '\t' || byte == '\n' || byte == '\f' ||
                                  byte == '\r' || (is_name_ && (byte == '^' || byte == '='));
        if (byte == '~' && now_.left == Graphic::romaji) {
            flush();
            out_ += "\u203e";  // the overline; its yen sign is DICOM's backslash
            return;
        }
        add(Encoding::ascii, std::string_view(reinterpret_cast<const char*>(&byte), 1));
        if (ends_a_value) now_ = start_;
    }

    // JIS X 0208 and 0212 as EUC-JP has them.
    std::size_t left_pair(std::string_view bytes) {
        if (bytes.size() < 2) return 0;
        const char high[] = {'\x8f', static_cast<char>(bytes[0] | 0x80), static_cast<char>(bytes[1] | 0x80)};
        add(Encoding::euc_jp, {high + (now_.left == Graphic::jis_x_0212 ? 0 : 1), high + 3});
        return 2;
    }

    std::size_t right(std::string_view bytes) {
        const auto byte = static_cast<unsigned char>(bytes.front());
        switch (now_.right) {
            case Graphic::right_half:
                add(now_.encoding, bytes.substr(0, 1));
                return 1;
            case Graphic::katakana: {  // U+FF61 and on, in order
                if (byte < 0xa1 || byte > 0xdf) return 0;
                flush();
                const unsigned code = 0xff61U + byte - 0xa1U;
                for (const unsigned part :
                     {0xe0U | code >> 12, 0x80U | (code >> 6 & 0x3fU), 0x80U | (code & 0x3fU)})
                    out_ += static_cast<char>(part);
                return 1;
            }
            case Graphic::ks_x_1001:
            case Graphic::gb_2312:
                if (bytes.size() < 2) return 0;
                add(now_.right == Graphic::gb_2312 ? Encoding::euc_cn : Encoding::euc_kr, bytes.substr(0, 2));
                return 2;
            default:
                return 0;
        }
    }

    void add(Encoding encoding, std::string_view bytes) {
        if (encoding != run_encoding_) flush();
        run_encoding_ = encoding;
        run_ += bytes;
    }
    bool flush() {
        ok_ = ok_ && append_utf8(run_encoding_, run_, out_);
        run_.clear();
        return ok_;
    }

    const Halves start_;
    Halves now_;
    const bool is_name_;
    bool ok_ = true;
    Encoding run_encoding_ = Encoding::ascii;
    std::string run_, out_;
};

}  // namespace

CharacterSet::CharacterSet(std::string_view declared) {
    const std::string_view term = trimmed(declared.substr(0, declared.find('\\')));
    if (term.empty()) return;
    if (term == "GB18030" || term == "GBK") {
        kind_ = Kind::whole;
        whole_ = term == "GBK" ? Encoding::gbk : Encoding::gb18030;
        return;
    }
    const std::string_view number = iso_number(term);
    if (number == "192") {
        kind_ = Kind::whole;
        whole_ = Encoding::utf8;
        return;
    }
    bool known = false;
    for (const Row& row : kRows) {
        if (number.empty() || row.number != number) continue;
        known = true;
        if (is_two_bytes(row.graphic)) continue;  // only ever by an escape sequence
        (row.is_left ? start_.left : start_.right) = row.graphic;
        if (row.graphic == Graphic::right_half) start_.encoding = row.encoding;
    }
    if (!known) kind_ = Kind::unknown;
}

std::optional<std::string> CharacterSet::decode(std::string_view bytes, bool is_name) const {
    const bool is_plain = std::ranges::all_of(
        bytes, [](char byte) { return static_cast<unsigned char>(byte) < 0x80 && byte != '\x1b'; });
    // Plain characters mean the same in all of them, but for the overline of ISO_IR 13.
    if (is_plain && start_.left != Graphic::romaji) return std::string(bytes);
    if (kind_ == Kind::unknown) return std::nullopt;
    if (kind_ == Kind::escapes) return Runs(start_, is_name).decode(bytes);
    std::string out;
    return append_utf8(whole_, bytes, out) ? std::optional(std::move(out)) : std::nullopt;
}

}  // namespace staging
