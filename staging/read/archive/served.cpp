#include "staging/read/archive/served.h"

#include <algorithm>
#include <new>
#include <stdexcept>

#include "staging/read/format.h"
#include "staging/read/refused.h"

namespace staging {
namespace {

// What one question does at most, so that its processor time is bounded: members stepped over, bytes read.
constexpr std::uint64_t kMembers = 1024, kWork = 64 << 20;
static_assert(kMembers * (4096 + 16) < kMessageBytes / 4);

}  // namespace

ServedArchive::ServedArchive(core::Fd file, std::uint64_t bytes, const Limits& limits) : limits_(limits) {
    try {
        reader_.emplace(read_at(std::move(file)), bytes, limits_);
    } catch (const Refused& refused) {
        reason_ = refused.reason;
    } catch (const std::bad_alloc&) {
        reason_ = Reason::memory_limit;
    }
}

Listed ServedArchive::step() {
    if (reason_ != Reason::none) return Listed::refused;
    try {
        loaded_ = false;
        why_ = {};
        if (!reader_->next(member_)) return Listed::end;
        ++next_;
        return Listed::here;
    } catch (const Refused& refused) {
        reason_ = refused.reason;
    } catch (const std::bad_alloc&) {
        reason_ = Reason::memory_limit;
    }
    return Listed::refused;
}

void ServedArchive::list(Packer& message) {
    const std::uint64_t before = reader_ ? reader_->work() : 0;
    for (std::uint64_t count = 0; count < kMembers && (!reader_ || reader_->work() - before < kWork);
         ++count) {
        const Listed found = step();
        message.put(found);
        if (found == Listed::here) {
            // A name that is refused is only told apart from others: its beginning does.
            message.put(std::string_view(member_.name).substr(0, 4096));
            continue;
        }
        if (found == Listed::refused) message.put(reason_);
        return;
    }
    message.put(Listed::not_yet);
}

bool ServedArchive::find(std::uint64_t number, Packer& message) {
    if (number + 1 < next_) throw std::logic_error("a member that was passed");
    const std::uint64_t before = reader_ ? reader_->work() : 0;
    for (std::uint64_t count = 0; next_ <= number; ++count) {
        if (count == kMembers || (reader_ && reader_->work() - before >= kWork)) {
            message.put(Listed::not_yet);
            return false;
        }
        const Listed found = step();
        if (found == Listed::here) continue;
        message.put(found);
        if (found == Listed::refused) message.put(reason_);
        return false;
    }
    message.put(Listed::here);
    message.put(std::string_view(member_.name).substr(0, 4096));
    return true;
}

Reason ServedArchive::load(Word& why) {
    if (!loaded_ && member_.reason == Reason::none) {
        try {
            reader_->load(bytes_);
            const auto head = core::ByteView(bytes_).first(std::min(bytes_.size(), kBesideHead));
            if (why_ = macos_file(member_.name, head); !why_.text().empty())
                member_.reason = Reason::not_selected;
        } catch (const Refused& refused) {
            member_.reason = refused.reason;
            why_ = refused.detail;
        } catch (const std::bad_alloc&) {
            member_.reason = Reason::memory_limit;
        }
    }
    if (member_.reason == Reason::too_large && member_.bytes > kMostFileBytes) why_ = "more than 4 GiB";
    loaded_ = true;
    why = why_;
    return member_.reason;
}

}  // namespace staging
