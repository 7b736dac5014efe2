#include "staging/deid/words.h"

#include <unicode/locid.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>
#include <unicode/uscript.h>

#include "core/base/error.h"
#include "staging/read/record.h"

namespace staging {
namespace {

icu::UnicodeString from_utf8(std::string_view text) {
    return icu::UnicodeString::fromUTF8(
        icu::StringPiece(text.data(), static_cast<std::int32_t>(text.size())));
}

using Rules = const icu::Normalizer2* (*)(UErrorCode&);

icu::UnicodeString normalized(const icu::UnicodeString& text, Rules rules_of) {
    UErrorCode error = U_ZERO_ERROR;
    const icu::Normalizer2* rules = rules_of(error);
    icu::UnicodeString out;
    if (U_SUCCESS(error)) out = rules->normalize(text, error);
    if (U_FAILURE(error)) throw core::Error(core::Fault::system, "ICU has no data; install libicu");
    return out;
}

const icu::Normalizer2* folding(UErrorCode& error) {
    return icu::Normalizer2::getNFKCCasefoldInstance(error);
}
const icu::Normalizer2* composing(UErrorCode& error) {
    return icu::Normalizer2::getNFCInstance(error);
}
const icu::Normalizer2* decomposing(UErrorCode& error) {
    return icu::Normalizer2::getNFDInstance(error);
}

icu::UnicodeString upper(const icu::UnicodeString& text) {
    return normalized(text, folding).toUpper(icu::Locale::getRoot());
}

bool is_mark(UChar32 sign) {
    return (U_MASK(u_charType(sign)) & U_GC_M_MASK) != 0;
}

// `text` with every sign for which `one` has another.
icu::UnicodeString each_sign(const icu::UnicodeString& text, auto one) {
    icu::UnicodeString out;
    for (std::int32_t at = 0; at < text.length(); at = text.moveIndex32(at, 1)) one(text.char32At(at), out);
    return out;
}

// What words are made of, or is not seen: letters in a circle are such, and a trade mark's are none.
bool is_in_word(UChar32 sign) {
    return u_hasBinaryProperty(sign, UCHAR_ALPHABETIC) || is_mark(sign) ||
           u_hasBinaryProperty(sign, UCHAR_DEFAULT_IGNORABLE_CODE_POINT);
}

// Scripts of which words stand without blanks.
bool is_wide(UChar32 letter) {
    UErrorCode error = U_ZERO_ERROR;
    const UScriptCode script = uscript_getScript(letter, &error);
    return script == USCRIPT_HAN || script == USCRIPT_HANGUL || script == USCRIPT_HIRAGANA ||
           script == USCRIPT_KATAKANA;
}

std::string utf8(const icu::UnicodeString& text) {
    std::string bytes;
    text.toUTF8String(bytes);
    return bytes;
}

std::vector<std::string> split(const icu::UnicodeString& text) {
    std::vector<std::string> words;
    icu::UnicodeString word;
    bool wide = false;
    const auto end = [&] {
        if (!word.isEmpty()) words.push_back(utf8(word));
        word.remove();
    };
    for (std::int32_t at = 0; at < text.length(); at = text.moveIndex32(at, 1)) {
        const UChar32 sign = text.char32At(at);
        if (is_mark(sign) && !word.isEmpty()) {
            word.append(sign);
            continue;
        }
        if (!u_isalpha(sign)) {
            end();
            continue;
        }
        if (!word.isEmpty() && is_wide(sign) != wide) end();
        wide = is_wide(sign);
        word.append(sign);
    }
    end();
    return words;
}

}  // namespace

std::string evened(std::string_view text) {
    const std::string bytes = utf8(upper(from_utf8(trimmed(text))));
    return std::string(trimmed(bytes));  // a full-width space is padding, too
}

std::vector<std::string> words_of(std::string_view text) {
    return split(from_utf8(text));
}

std::vector<std::string> plain_words(std::string_view text) {
    const auto seen = each_sign(from_utf8(text), [](UChar32 sign, icu::UnicodeString& out) {
        out.append(is_in_word(sign) ? sign : UChar32{' '});
    });
    const auto bare =
        each_sign(normalized(upper(seen), decomposing), [](UChar32 sign, icu::UnicodeString& out) {
            if (u_charType(sign) != U_NON_SPACING_MARK) out.append(sign);
        });
    std::vector<std::string> out;
    std::string spaced;
    const auto end = [&] {
        if (spaced.size() > 2) out.push_back(spaced);
        for (const char letter : spaced) out.emplace_back(1, letter);
        spaced.clear();
    };
    for (std::string& word : split(normalized(bare, composing))) {
        if (word.size() == 1) {
            spaced += word;
            continue;
        }
        end();
        out.push_back(std::move(word));
    }
    end();
    return out;
}

}  // namespace staging
