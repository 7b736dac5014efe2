#pragma once
#include <string>
#include <string_view>

namespace core {

// Text for a page, in an element or between the quotation marks of an attribute (HTML, section 13.1.2); what XML has no
// sign for is a space.
std::string html_escaped(std::string_view text);

}  // namespace core
