#include "staging/read/wanted.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>

#include "core/base/config.h"
#include "core/base/error.h"
#include "staging/read/dicom/dictionary.h"
#include "staging/read/format.h"
#include "staging/read/record.h"
#include "staging/read/text/converter.h"

namespace staging {
namespace {

using core::Error;
using core::Fault;

[[noreturn]] void refuse(const std::string& path, const std::string& why) {
    throw Error(Fault::usage, "attribute \"" + path + "\": " + why);
}

std::optional<std::uint32_t> whole_number(std::string_view text, int base) {
    std::uint32_t value = 0;
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value, base);
    if (failed != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
    return value;
}

// "gggg,eeee" or "(gggg,eeee)"
std::optional<Tag> numeric_tag(std::string_view text) {
    if (text.size() == 11 && text.front() == '(' && text.back() == ')') text = text.substr(1, 9);
    if (text.size() != 9 || text[4] != ',') return std::nullopt;
    const auto group = whole_number(text.substr(0, 4), 16), element = whole_number(text.substr(5), 16);
    if (!group || !element) return std::nullopt;
    return *group << 16 | *element;
}

[[noreturn]] void unknown_keyword(const std::string& path, std::string_view word) {
    std::vector<std::string> keywords;
    for (const Entry& entry : dictionary()) keywords.emplace_back(entry.keyword);
    const auto near = core::nearest(word, keywords);
    refuse(path, (near ? "no such keyword; nearest: " + *near : std::string("no such keyword in our table")) +
                     "; any attribute of PS3.6 can be written as gggg,eeee");
}

// Bulk data and what is not part of the data set proper.
void check_allowed(const std::string& path, Tag tag, Vr vr, bool is_last) {
    const auto group = static_cast<std::uint16_t>(tag >> 16);
    if (group % 2)
        refuse(path,
               "private attributes (odd groups) are kept by their creator's name only: (gggg,xxee) CREATOR");
    if (group < 8) refuse(path, "not an attribute of the data set");
    if (group >= 0x7f00) refuse(path, "pixel data are read as pixels, never as an attribute");
    if ((group & 0xff00) == 0x5000 || (group & 0xff00) == 0x6000)
        refuse(path, "curves and overlays are never kept");
    if (tag == 0x00420011 || (tag & 0xffff0000) == 0x00880000)
        refuse(path, "embedded documents are never kept");
    if (!is_last) return;
    if (vr == Vr{'S', 'Q'})
        refuse(path, "a sequence; name the attribute in its item: " + path + "[0].CodeValue");
    if (vr[0] == 'O') refuse(path, "bulk data are never kept");
}

// "(gggg,xxee) CREATOR" or "(gggg,xxee,VR) CREATOR".
std::optional<Attribute> private_attribute(const std::string& path) {
    const std::string_view text = path;
    if (text.size() < 12 || text[0] != '(' || text.substr(5, 3) != ",xx") return std::nullopt;
    const bool has_vr = text[10] == ',';
    const std::size_t end = has_vr ? 13 : 10;
    const auto group = whole_number(text.substr(1, 4), 16), element = whole_number(text.substr(8, 2), 16);
    if (!group || !element || text.size() < end + 3 || text.substr(end, 2) != ") ")
        refuse(path, "a private attribute is written as (gggg,xxee) CREATOR or (gggg,xxee,VR) CREATOR");
    if (*group % 2 == 0 || *group < 9 || *group >= 0x7f00) refuse(path, "private attributes have odd groups");
    Attribute out{path, {{*group << 16 | *element, 0}}, {'U', 'N'}, std::string(text.substr(end + 2))};
    if (trimmed(out.creator) != out.creator || out.creator.find('\\') != std::string::npos)
        refuse(path, "no creator's name");
    if (has_vr) {
        out.vr = {text[11], text[12]};
        if (!is_known(out.vr) || out.vr == Vr{'S', 'Q'} || out.vr[0] == 'O') refuse(path, "no VR of a value");
    }
    return out;
}

Attribute compile(const std::string& path) {
    if (auto found = private_attribute(path)) return *std::move(found);
    Attribute attribute{path, {}, {'U', 'N'}, {}};
    std::string_view left = path;
    for (bool last = false; !last;) {
        const auto dot = left.find('.');
        last = dot == std::string_view::npos;
        std::string_view word = left.substr(0, dot);
        left = last ? std::string_view{} : left.substr(dot + 1);

        Step step;
        if (!word.empty() && word.back() == ']') {
            const auto open = word.find('[');
            const auto item = open == std::string_view::npos
                                  ? std::nullopt
                                  : whole_number(word.substr(open + 1, word.size() - open - 2), 10);
            if (!item) refuse(path, "an item is written as a number from 0 in brackets");
            if (last) refuse(path, "names an item; name an attribute in it");
            step.item = *item;
            word = word.substr(0, open);
        }
        const Entry* entry = nullptr;
        if (const auto tag = numeric_tag(word)) {
            step.tag = *tag;
            entry = find_tag(*tag);
        } else {
            entry = find_keyword(word);
            if (!entry) unknown_keyword(path, word);
            step.tag = entry->tag;
        }
        attribute.vr = entry ? entry->vr : Vr{'U', 'N'};
        if (!last && entry && entry->vr != Vr{'S', 'Q'}) refuse(path, "not a sequence: " + std::string(word));
        check_allowed(path, step.tag, attribute.vr, last);
        attribute.steps.push_back(step);
    }
    if (attribute.steps.size() > 16) refuse(path, "more than 16 levels");
    return attribute;
}

}  // namespace

bool TableForm::has_known_encoding() const {
    return encoding == "utf-16" || encoding_of(encoding);
}

bool TableForm::separator_is_told_apart() const {
    if (separator != '|') return true;
    const auto known = encoding_of(encoding);
    return known != Encoding::big5 && known != Encoding::gbk && known != Encoding::gb18030 &&
           known != Encoding::shift_jis;
}

Wanted Wanted::attributes(const std::vector<std::string>& paths) {
    Wanted wanted;
    wanted.format_ = find_format("dicom");
    wanted.names_ = paths;
    for (const std::string& path : paths) {
        Attribute attribute = compile(path);
        for (const Attribute& other : wanted.attributes_)
            if (other.steps == attribute.steps && other.creator == attribute.creator)
                refuse(path, "named twice (also as \"" + other.path + "\")");
        wanted.attributes_.push_back(std::move(attribute));
    }
    return wanted;
}

Wanted Wanted::columns(std::vector<std::string> names) {
    return of(*find_format("csv"), std::move(names));
}

Wanted Wanted::of(const Format& format, std::vector<std::string> names, TableForm form) {
    if (format.name == "dicom") return attributes(names);
    std::set<std::string_view> seen;
    for (const std::string& name : names)
        if (name.empty() || !seen.insert(name).second)
            throw Error(Fault::usage,
                        "column \"" + name + "\": " + (name.empty() ? "empty name" : "named twice"));
    for (const std::string& name : names)
        if (format.knows && !format.knows(name))
            throw Error(Fault::usage, "\"" + name + "\": files of format " + std::string(format.name) +
                                          " have no such value");
    if (std::string_view(",;|\t").find(form.separator) == std::string_view::npos)
        throw Error(Fault::usage, "separator: expected a comma, a semicolon, a bar or a tab");
    if (!form.has_known_encoding())
        throw Error(Fault::usage, "encoding \"" + form.encoding +
                                      "\": expected utf-8, utf-16, big5, gb18030, "
                                      "gbk, euc-kr, euc-jp, shift_jis, tis-620, iso-8859-1, -2 or -15");
    if (!form.separator_is_told_apart())
        throw Error(Fault::usage, "separator \"|\" cannot be told apart in encoding " + form.encoding);
    Wanted wanted;
    wanted.form_ = std::move(form);
    wanted.format_ = &format;
    wanted.names_ = std::move(names);
    return wanted;
}

bool Wanted::is_table() const noexcept {
    return format_ && format_->is_table;
}

}  // namespace staging
