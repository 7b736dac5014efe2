#include "staging/read/dicom/walker.h"

#include <cstring>

#include "staging/read/dicom/dictionary.h"
#include "staging/read/record.h"
#include "staging/read/refused.h"

namespace staging {
namespace {

constexpr Tag kPixelData = 0x7fe00010, kCharset = 0x00080005;
constexpr Tag kItem = 0xfffee000, kItemEnd = 0xfffee00d, kSequenceEnd = 0xfffee0dd;
constexpr std::uint32_t kUndefined = 0xffffffff;
constexpr Vr kUn{'U', 'N'}, kSq{'S', 'Q'};

class Bytes {
public:
    Bytes(core::ByteView bytes) : bytes_(bytes) {}
    std::size_t size() const { return bytes_.size(); }
    core::ByteView part(std::size_t at, std::size_t count) const { return bytes_.subspan(at, count); }
    Vr vr(std::size_t at) const { return {static_cast<char>(bytes_[at]), static_cast<char>(bytes_[at + 1])}; }
    std::uint16_t u16(std::size_t at, bool big) const {
        const unsigned a = bytes_[at], b = bytes_[at + 1];
        return static_cast<std::uint16_t>(big ? a << 8 | b : b << 8 | a);
    }
    std::uint32_t u32(std::size_t at, bool big) const {
        const std::uint32_t first = u16(at, big), second = u16(at + 2, big);
        return big ? first << 16 | second : second << 16 | first;
    }
    Tag tag(std::size_t at, bool big) const { return Tag{u16(at, big)} << 16 | u16(at + 2, big); }

private:
    core::ByteView bytes_;
};

// A data set (the root or an item) or a sequence that is open.
struct Frame {
    std::size_t end;  // it ends here at the latest
    bool defined;     // its length was given: it ends exactly there; otherwise a delimiter must come
    bool is_sequence;
    bool explicit_vr, big_endian;
    Tag last = 0;              // elements rise
    std::string_view charset;  // handed down to what is inside
};

class Walk {
public:
    Walk(core::ByteView data_set, const Syntax& syntax, const Limits& limits, Visitor& visitor)
        : bytes_(data_set), syntax_(syntax), limits_(limits), visitor_(visitor) {
        frames_.reserve(2 * limits.depth + 1);
        path_.reserve(limits.depth + 1);
        frames_.push_back({bytes_.size(), true, false, syntax.explicit_vr, syntax.big_endian, 0, {}});
    }

    void run() {
        for (;;) {
            while (frames_.size() > 1 && top().defined && at_ == top().end) close();
            if (frames_.size() == 1 && at_ == top().end) return;
            need(8);
            count();
            const Tag tag = bytes_.tag(at_, top().big_endian);
            if (tag >> 16 == 0xfffe)
                delimiter(tag);
            else
                element(tag);
        }
    }

private:
    Frame& top() { return frames_.back(); }

    // Too few bytes: the file ends early, or a length inside it was wrong.
    [[noreturn]] void overrun() {
        throw Refused(top().end == bytes_.size() ? Reason::truncated : Reason::length_exceeds_parent);
    }
    void need(std::size_t count) {
        if (top().end - at_ < count) overrun();
    }
    void count() {
        if (++elements_ > limits_.elements) throw Refused(Reason::too_many_elements);
    }

    void open_sequence(Tag tag, bool defined, std::size_t end, bool explicit_vr, bool big_endian) {
        if (path_.size() >= limits_.depth) throw Refused(Reason::nesting_too_deep);
        path_.push_back({tag, kUndefined});  // the first item makes it 0
        frames_.push_back({end, defined, true, explicit_vr, big_endian, 0, top().charset});
    }
    void close() {
        if (top().is_sequence) path_.pop_back();
        frames_.pop_back();
    }

    void delimiter(Tag tag) {
        const std::uint32_t length = bytes_.u32(at_ + 4, top().big_endian);
        at_ += 8;
        if (tag == kItem && top().is_sequence) {
            const Frame& sequence = top();
            if (length != kUndefined && length > sequence.end - at_) overrun();
            ++path_.back().item;
            frames_.push_back({length == kUndefined ? sequence.end : at_ + length, length != kUndefined,
                               false, sequence.explicit_vr, sequence.big_endian, 0, sequence.charset});
        } else if ((tag == kItemEnd && !top().is_sequence && frames_.size() > 1 && !top().defined) ||
                   (tag == kSequenceEnd && top().is_sequence && !top().defined)) {
            close();
        } else {
            throw Refused(Reason::malformed, "delimiter");
        }
    }

    void element(Tag tag) {
        Frame& set = top();
        if (set.is_sequence) throw Refused(Reason::malformed, "element between items");
        if (tag <= set.last) throw Refused(Reason::malformed, "order of elements");
        set.last = tag;

        Vr vr = kUn;
        std::uint32_t length = 0;
        if (!set.explicit_vr) {
            length = bytes_.u32(at_ + 4, set.big_endian);
            at_ += 8;
        } else {
            vr = bytes_.vr(at_ + 4);
            if (!is_known(vr)) throw Refused(Reason::malformed, "value representation");
            if (is_long(vr)) {
                need(12);
                length = bytes_.u32(at_ + 8, set.big_endian);
                at_ += 12;
            } else {
                length = bytes_.u16(at_ + 6, set.big_endian);
                at_ += 8;
            }
        }
        path_.push_back({tag, 0});
        if (length == kUndefined)
            undefined_length(tag, vr);
        else
            defined_length(tag, vr, length);
    }

    // `path_` ends with the element itself; each of the two leaves it without.
    void undefined_length(Tag tag, Vr vr) {
        const Frame set = top();
        path_.pop_back();
        if (tag == kPixelData && (vr[0] == 'O')) return fragments();
        if (set.explicit_vr && vr != kSq && vr != kUn) throw Refused(Reason::malformed, "undefined length");
        // UN of undefined length is a sequence in implicit VR little endian (PS3.5 section 6.2.2, note 4).
        const bool as_is = !set.explicit_vr || vr == kSq;
        open_sequence(tag, false, set.end, as_is && set.explicit_vr, as_is && set.big_endian);
    }

    void defined_length(Tag tag, Vr vr, std::uint32_t length) {
        Frame& set = top();
        if (length > set.end - at_) overrun();
        const std::size_t value_at = at_;
        const bool is_private = tag >> 16 & 1;
        const bool is_root = frames_.size() == 1;
        if (!is_private && (vr == kSq || (!set.explicit_vr && visitor_.is_sequence(path_)))) {
            path_.pop_back();
            return open_sequence(tag, true, at_ + length, set.explicit_vr, set.big_endian);
        }
        at_ += length;
        const core::ByteView value = bytes_.part(value_at, length);
        if (tag == kCharset) set.charset = core::text(value);
        if (tag == kPixelData) {
            if (is_root) visitor_.native_pixels(vr, value);
        } else if (!is_private) {
            visitor_.element({path_, vr, value, set.charset, set.big_endian});
        }
        path_.pop_back();
    }

    void fragments() {
        const bool is_root = frames_.size() == 1;  // else an icon's, which is stepped over
        core::ByteView table;
        std::vector<core::ByteView> found;
        for (std::uint32_t n = 0;; ++n) {
            need(8);
            count();
            const Tag tag = bytes_.tag(at_, top().big_endian);
            const std::uint32_t length = bytes_.u32(at_ + 4, top().big_endian);
            at_ += 8;
            if (tag == kSequenceEnd) break;
            if (tag != kItem) throw Refused(Reason::malformed, "fragments");
            if (n > limits_.fragments) throw Refused(Reason::too_many_elements, "fragments");
            if (length > top().end - at_) overrun();
            if (n == 0)
                table = bytes_.part(at_, length);
            else if (is_root)
                found.push_back(bytes_.part(at_, length));
            at_ += length;
        }
        if (is_root) visitor_.encapsulated_pixels(table, std::move(found));
    }

    const Bytes bytes_;
    const Syntax& syntax_;
    const Limits& limits_;
    Visitor& visitor_;
    std::vector<Frame> frames_;
    std::vector<Step> path_;
    std::size_t at_ = 0;
    std::uint32_t elements_ = 0;
};

}  // namespace

FileMeta read_file_meta(core::ByteView file) {
    constexpr std::size_t kStart = 132;
    if (file.size() < kStart || std::memcmp(file.data() + 128, "DICM", 4) != 0)
        throw Refused(Reason::not_recognised);
    const Bytes bytes(file);
    FileMeta meta;
    std::size_t at = kStart;
    while (bytes.size() - at >= 8 && bytes.u16(at, false) == 2) {  // always explicit VR little endian
        const Tag tag = bytes.tag(at, false);
        const Vr vr = bytes.vr(at + 4);
        if (!is_known(vr)) throw Refused(Reason::malformed, "file meta information");
        const std::size_t head = is_long(vr) ? 12 : 8;
        if (bytes.size() - at < head) throw Refused(Reason::truncated);
        const std::uint32_t length = head == 12 ? bytes.u32(at + 8, false) : bytes.u16(at + 6, false);
        if (length > bytes.size() - at - head) throw Refused(Reason::truncated);
        if (tag == 0x00020010) meta.transfer_syntax = trimmed(core::text(bytes.part(at + head, length)));
        at += head + length;
    }
    if (meta.transfer_syntax.empty())
        throw Refused(bytes.size() - at < 8 ? Reason::truncated : Reason::missing_attribute,
                      "TransferSyntaxUID");
    meta.data_set_at = at;
    return meta;
}

void walk(core::ByteView data_set, const Syntax& syntax, const Limits& limits, Visitor& visitor) {
    Walk(data_set, syntax, limits, visitor).run();
}

}  // namespace staging
