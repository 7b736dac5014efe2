#pragma once
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

// A catalogue as a list, for who has a text that was made elsewhere and looks for the format that it was made of. Messages whose
// format is known are looked up (core/base/message).

namespace core {

struct Translation {
    std::string english, other;  // formats
};

// The file that core::speak_as_asked chose; empty if there is no other language than English in use.
std::filesystem::path catalogue_in_use();

// The entries whose context (msgctxt) is `context`, in the file's order. A file that is not there, or is no catalogue that msgfmt
// wrote on a machine like this, has none; never throws for what is in it.
std::vector<Translation> translations_in(const std::filesystem::path& file, std::string_view context);

}  // namespace core
