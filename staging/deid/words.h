#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace staging {

// Text that somebody typed, for decisions: UTF-8 (what is none becomes U+FFFD) in NFKC with signs that nobody sees left out
// (Unicode Standard Annex 15; NFKC_Casefold), in upper case: full-width, composed and decomposed letters are one. Without
// padding. Throws Error(system).
std::string evened(std::string_view text);

// The words of text: runs of what Unicode calls letters (general category L), with the marks on them; where Han, Hangul or
// Kana meet letters of an alphabet, a word ends.
std::vector<std::string> words_of(std::string_view text);

// The words of text that somebody typed, evened, and without accents (nonspacing marks of the canonical decomposition). Three or
// more letters of ASCII in a row that stand alone are a word, too. A sign as ™ ends a word, and is none. Throws Error(system).
std::vector<std::string> plain_words(std::string_view text);

}  // namespace staging
