#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/catalogue.h"

// Texts of checks are made as English on the hosts that look, and nodes sign them into the ledger. Where a person reads one, the
// catalogue's entry that it was made of is looked for, backwards, and the text is told in the reader's language. So are findings of
// the release desk, which reviewers and researchers read and the ledger keeps.

namespace jobs {

class Recogniser {
public:
    // What has no text but places, other places in the translation, or numbered ones in English is left out.
    explicit Recogniser(const std::vector<core::Translation>& all);

    // `text` by the entry that it is made of: an entry whose literal parts it has, in this order and up to both its ends; what is
    // between them is carried over as it is. Of several the one with the most literal text, then the fewest places, then the first
    // by its bytes. A list ("a, b") is told part by part where its parts have as much literal text together; a part that is not
    // recognised as it is. A text that a node cut ("...") is recognised by what is left of it, if that is enough, and only one
    // translation fits best. Else nothing, and told as it is. Time: linear in the text.
    std::optional<std::string> recognise(std::string_view text) const;
    std::string told(std::string_view text) const { return recognise(text).value_or(std::string(text)); }

private:
    struct Form {
        core::Translation texts;
        std::vector<std::string> literals;  // one more than there are places
        std::size_t literal_bytes = 0;
    };
    struct Told {
        std::string text;
        std::size_t literal_bytes = 0;  // 0: not recognised
    };
    Told whole(std::string_view text) const;
    Told list(std::string_view text) const;
    Told cut(std::string_view text) const;

    std::vector<Form> forms_;  // the one to prefer first
};

// A finding of the release desk (jobs/release/findings): where ("row 3: "), what to change, how many more such places.
std::string finding_told(const Recogniser& places, const Recogniser& changes, std::string_view text);

// A check's text, and a finding's, in the language in use.
std::string recognised(const std::string& text);
std::string recognised_finding(const std::string& text);

}  // namespace jobs
