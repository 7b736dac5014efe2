#include "staging/read/dicom/walker.h"

#include "staging/read/dicom/dictionary.h"
#include "staging/read/dicom/element_head.h"
#include "staging/read/refused.h"

namespace staging {
namespace {

constexpr Tag kFloatPixels = 0x7fe00008, kDoublePixels = 0x7fe00009, kPixelData = 0x7fe00010;
constexpr Tag kCharset = 0x00080005;
constexpr Tag kItem = 0xfffee000, kItemEnd = 0xfffee00d, kSequenceEnd = 0xfffee0dd;
constexpr std::uint32_t kUndefined = 0xffffffff;
constexpr Vr kUn{'U', 'N'}, kSq{'S', 'Q'};

// A data set (the root or an item) or a sequence that is open.
struct Frame {
    std::size_t end;  // it ends here at the latest
    bool defined;     // its length was given: it ends exactly there; otherwise a delimiter must come
    bool is_sequence;
    bool silent;  // nothing in it is wanted
    bool mixed;   // a sequence whose items say by their first element how they are written
    Writing writing;
    Tag last = 0;              // elements rise
    std::string_view charset;  // handed down to what is inside
};

class Walk {
public:
    Walk(const Window& data_set, const Syntax& syntax, const Limits& limits, Depth depth, Visitor& visitor)
        : bytes_(data_set), syntax_(syntax), limits_(limits), depth_(depth), visitor_(visitor) {
        frames_.reserve(2 * limits.depth + 1);
        path_.reserve(limits.depth + 1);
        frames_.push_back({static_cast<std::size_t>(bytes_.size()),
                           true,
                           false,
                           false,
                           false,
                           {syntax.explicit_vr, syntax.big_endian},
                           0,
                           {}});
        check_writing();
    }

    void run() {
        while (!at_pixels_) {
            while (frames_.size() > 1 && top().defined && at_ == top().end) close();
            if (frames_.size() == 1 && at_ == top().end) return;
            if (frames_.size() == 1 && ends_in_zeros()) return visitor_.deviates(Deviation::trailing_zeros);
            need(8);
            count();
            const Tag tag = bytes_.tag(at_, top().writing.big_endian);
            if (tag >> 16 == 0xfffe)
                delimiter(tag);
            else
                element(tag);
        }
    }

private:
    Frame& top() { return frames_.back(); }
    bool is_root() const { return frames_.size() == 1; }

    // Too few bytes: the file ends early, or a length inside it was wrong.
    [[noreturn]] void overrun() {
        throw Refused(top().end == bytes_.size() ? Reason::truncated : Reason::length_exceeds_parent);
    }
    void need(std::size_t count) {
        if (top().end - at_ < count) overrun();
    }
    void count() {
        if (++elements_ > limits_.elements) throw Refused(Reason::too_many_elements, "elements");
    }

    bool ends_in_zeros() const {
        const std::size_t left = bytes_.size() - at_;
        if (left >= 4 && bytes_.tag(at_, false) != 0) return false;
        return bytes_.only_zeros(at_);
    }

    // Some writers put implicit VR under an explicit transfer syntax, or the reverse: the first element tells.
    void check_writing() {
        Writing& writing = top().writing;
        if (writing.big_endian || bytes_.size() < 8) return;
        const bool is_explicit = looks_explicit(bytes_, 0, bytes_.size());
        if (is_explicit == writing.explicit_vr) return;
        const Writing other{is_explicit, false};
        const auto head = read_head(bytes_, 0, bytes_.size(), other);
        if (!head || !is_followed(bytes_, 0, bytes_.size(), *head, other)) return;
        writing = other;
        visitor_.deviates(Deviation::wrong_transfer_syntax);
    }

    void open_sequence(Tag tag, bool defined, std::size_t end, Writing writing, bool wanted, bool mixed) {
        if (path_.size() >= limits_.depth) throw Refused(Reason::nesting_too_deep);
        path_.push_back({tag, kUndefined});  // the first item makes it 0
        frames_.push_back({end, defined, true, !wanted, mixed, writing, 0, top().charset});
    }
    void close() {
        if (top().is_sequence) path_.pop_back();
        frames_.pop_back();
    }

    void delimiter(Tag tag) {
        const std::uint32_t length = bytes_.u32(at_ + 4, top().writing.big_endian);
        at_ += 8;
        if (tag == kItem && top().is_sequence) return item(length);
        if ((tag == kItemEnd && !top().is_sequence && !is_root() && !top().defined) ||
            (tag == kSequenceEnd && top().is_sequence && !top().defined))
            return close();
        // One that ends what has a length and would end here anyway, or follows an item that had one.
        const bool ends_defined = top().defined && at_ == top().end && !is_root() &&
                                  tag == (top().is_sequence ? kSequenceEnd : kItemEnd);
        if (!ends_defined && !(tag == kItemEnd && top().is_sequence && length == 0))
            throw Refused(Reason::malformed, "delimiter");
        visitor_.deviates(Deviation::delimiter_in_defined);
    }

    void item(std::uint32_t length) {
        const Frame sequence = top();
        if (length != kUndefined && length > sequence.end - at_) overrun();
        ++path_.back().item;
        if (sequence.silent && length != kUndefined) {
            at_ += length;
            return;
        }
        const std::size_t end = length == kUndefined ? sequence.end : at_ + length;
        Writing writing = sequence.writing;
        if (sequence.mixed) writing = {looks_explicit(bytes_, at_, end), false};
        frames_.push_back(
            {end, length != kUndefined, false, sequence.silent, false, writing, 0, sequence.charset});
    }

    ElementHead head(Tag tag) {
        Frame& set = top();
        if (auto head = read_head(bytes_, at_, set.end, set.writing)) return *head;
        if (is_known(bytes_.vr(at_ + 4))) overrun();
        const auto guess = guess_head(bytes_, at_, set.end, set.writing.big_endian);
        if (!guess || tag == kPixelData) throw Refused(Reason::malformed, "value representation");
        visitor_.deviates(Deviation::unknown_vr);
        return *guess;
    }

    void element(Tag tag) {
        if (top().is_sequence) throw Refused(Reason::malformed, "element between items");
        const ElementHead found = head(tag);
        if (tag <= top().last)
            visitor_.deviates(Deviation::order_of_elements);
        else
            top().last = tag;
        at_ += found.bytes;
        path_.push_back({tag, 0});
        if (is_root() && (tag == kPixelData || tag == kFloatPixels || tag == kDoublePixels))
            pixels(tag, found);
        else if (found.length == kUndefined)
            undefined_length(tag, found.vr);
        else
            defined_length(tag, found.vr, found.length);
    }

    // `path_` ends with the element itself; each of these leaves it without.
    void pixels(Tag tag, const ElementHead& found) {
        path_.pop_back();
        const std::size_t end = top().end;
        const bool in_frames = syntax_.pixels == Syntax::Pixels::frames && tag == kPixelData;
        if (found.length == kUndefined) {
            if (tag != kPixelData || found.vr[0] == 'S') throw Refused(Reason::malformed, "undefined length");
            return fragments(end, false);
        }
        if (found.length > end - at_) overrun();
        if (in_frames && found.length >= 8 && bytes_.tag(at_, false) == kItem) {
            visitor_.deviates(Deviation::defined_encapsulated);
            return fragments(at_ + found.length, true);
        }
        if (depth_ == Depth::header) {
            at_pixels_ = true;
            return visitor_.native_pixels(tag, found.vr, {}, found.length);
        }
        visitor_.native_pixels(tag, found.vr, bytes_.part(at_, found.length), found.length);
        at_ += found.length;
    }

    void undefined_length(Tag tag, Vr vr) {
        const Frame set = top();
        const bool wanted = !set.silent && !(tag >> 16 & 1) && visitor_.wants(path_);
        path_.pop_back();
        if (tag == kPixelData && vr[0] == 'O') return stepped_over(set);  // an icon's
        // UN of undefined length is a sequence in implicit VR little endian (PS3.5 section 6.2.2, note 4); so are
        // private elements with other VRs, by some writers.
        const bool as_is = !set.writing.explicit_vr || vr == kSq;
        if (!as_is && vr != kUn) {
            if (vr[0] != 'O') throw Refused(Reason::malformed, "undefined length");
            visitor_.deviates(Deviation::undefined_length);
        }
        open_sequence(tag, false, set.end, as_is ? set.writing : Writing{false, false}, wanted, !as_is);
    }

    // Fragments of an icon in an item: as a sequence of which nothing is wanted.
    void stepped_over(const Frame& set) {
        open_sequence(kPixelData, false, set.end, set.writing, false, false);
    }

    void defined_length(Tag tag, Vr vr, std::uint32_t length) {
        Frame& set = top();
        if (length > set.end - at_) overrun();
        const bool is_private = tag >> 16 & 1;
        const bool may_be_sequence = vr == kSq || vr == kUn;
        if (!is_private && !set.silent && may_be_sequence && visitor_.wants(path_)) {
            path_.pop_back();
            // In UN its writing is whatever its writer had (PS3.5 section 6.2.2).
            const bool unsure = set.writing.explicit_vr && vr == kUn;
            return open_sequence(tag, true, at_ + length, set.writing, true, unsure);
        }
        const bool is_read = !is_private || (path_.size() == 1 && visitor_.wants_private(tag));
        if (is_read && !set.silent && vr != kSq && tag != kPixelData) {
            const core::ByteView value = bytes_.part(at_, length);
            if (tag == kCharset) set.charset = core::text(value);
            visitor_.element({path_, vr, value, set.charset, set.writing.big_endian});
        }
        at_ += length;
        path_.pop_back();
    }

    void fragments(std::size_t end, bool defined) {
        if (depth_ == Depth::header) {
            at_pixels_ = true;
            return visitor_.encapsulated_pixels({}, {});
        }
        core::ByteView table;
        std::vector<core::ByteView> found;
        for (std::uint32_t n = 0;; ++n) {
            if (n > 0 && ends_without_delimiter(end, defined)) break;
            if (end - at_ < 8) overrun();
            count();
            const Tag tag = bytes_.tag(at_, false);
            const std::uint32_t length = bytes_.u32(at_ + 4, false);
            at_ += 8;
            if (tag == kSequenceEnd) {
                if (defined && at_ != end) throw Refused(Reason::malformed, "fragments");
                break;
            }
            if (tag != kItem) throw Refused(Reason::malformed, "fragments");
            if (n > limits_.fragments) throw Refused(Reason::too_many_elements, "fragments");
            if (length > end - at_) overrun();
            if (n == 0)
                table = bytes_.part(at_, length);
            else
                found.push_back(bytes_.part(at_, length));
            at_ += length;
        }
        visitor_.encapsulated_pixels(table, std::move(found));
    }

    // The last fragment ends with the file, or nothing but zeros follow it. Whether that was all is for the frames to
    // show.
    bool ends_without_delimiter(std::size_t end, bool defined) {
        if (at_ == end && defined) return true;
        if (end != bytes_.size() || !(at_ == end || ends_in_zeros())) return false;
        visitor_.deviates(Deviation::no_sequence_delimiter);
        at_ = end;
        return true;
    }

    const WindowBytes bytes_;
    const Syntax& syntax_;
    const Limits& limits_;
    const Depth depth_;
    Visitor& visitor_;
    std::vector<Frame> frames_;
    std::vector<Step> path_;
    std::size_t at_ = 0;
    std::uint32_t elements_ = 0;
    bool at_pixels_ = false;
};

}  // namespace

void walk(const Window& data_set, const Syntax& syntax, const Limits& limits, Depth depth, Visitor& visitor) {
    Walk(data_set, syntax, limits, depth, visitor).run();
}

}  // namespace staging
