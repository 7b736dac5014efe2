#pragma once
#include <string>
#include <vector>

namespace identifiers {

// every: for a few hundred identifiers. Of many, digits and four bytes are met by chance.
enum class Breadth { usual, every };

// One way in which an identifier can stand in bytes; `name` is "BIG5 hex", "sha256 of utf-8" and the like.
struct Form {
    std::string bytes, name;
};

// All forms of `value` (UTF-8), short ones too, no two equal. Throws Error(system) without iconv's character sets or
// OpenSSL's MD5 and SHA-1.
std::vector<Form> forms_of(const std::string& value, Breadth breadth);

}  // namespace identifiers
