#include "staging/read/archive/served.h"

#include <new>
#include <stdexcept>

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
        detail_ = refused.detail.text();
    } catch (const std::bad_alloc&) {
        reason_ = Reason::memory_limit;
    }
}

Found ServedArchive::step() {
    if (reason_ != Reason::none) return Found::refused;
    try {
        loaded_ = false;
        member_detail_.clear();
        if (!reader_->next(member_)) return Found::end;
        ++next_;
        return Found::here;
    } catch (const Refused& refused) {
        reason_ = refused.reason;
        detail_ = refused.detail.text();
    } catch (const std::bad_alloc&) {
        reason_ = Reason::memory_limit;
    }
    return Found::refused;
}

void ServedArchive::refused(Packer& message) const {
    message.put(reason_);
    message.put(detail_);
}

void ServedArchive::list(Packer& message) {
    const std::uint64_t before = reader_ ? reader_->work() : 0;
    for (std::uint64_t count = 0; count < kMembers && (!reader_ || reader_->work() - before < kWork);
         ++count) {
        const Found found = step();
        message.put(found);
        if (found == Found::here) {
            // A name that is refused is only told apart from others: its beginning does.
            message.put(std::string_view(member_.name).substr(0, 4096));
            continue;
        }
        if (found == Found::refused) refused(message);
        return;
    }
    message.put(Found::not_yet);
}

bool ServedArchive::find(std::uint64_t number, Packer& message) {
    if (number + 1 < next_) throw std::logic_error("a member that was passed");
    const std::uint64_t before = reader_ ? reader_->work() : 0;
    for (std::uint64_t count = 0; next_ <= number; ++count) {
        if (count == kMembers || (reader_ && reader_->work() - before >= kWork)) {
            message.put(Found::not_yet);
            return false;
        }
        const Found found = step();
        if (found == Found::here) continue;
        message.put(found);
        if (found == Found::refused) refused(message);
        return false;
    }
    message.put(Found::here);
    message.put(std::string_view(member_.name).substr(0, 4096));
    return true;
}

Reason ServedArchive::load(std::string& detail) {
    if (!loaded_ && member_.reason == Reason::none) {
        try {
            reader_->load(bytes_);
        } catch (const Refused& refused) {
            member_.reason = refused.reason;
            member_detail_ = refused.detail.text();
        } catch (const std::bad_alloc&) {
            member_.reason = Reason::memory_limit;
        }
    }
    loaded_ = true;
    detail = member_detail_;
    return member_.reason;
}

}  // namespace staging
