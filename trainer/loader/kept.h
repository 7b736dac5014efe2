#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

namespace trainer {

// What was used last of many that are told apart by a number, at most `most`; another is made when it is needed. Whoever
// has one keeps it alive. Many threads may ask at once: one of them makes it, those that want the same wait.
template <class T>
class Kept {
public:
    explicit Kept(std::size_t most) : most_(std::max<std::size_t>(1, most)) {}

    // `make` gives a shared_ptr<const T>. What it throws is thrown, and the next who asks tries again.
    template <class Make>
    std::shared_ptr<const T> get(std::size_t number, const Make& make) {
        std::vector<std::shared_ptr<Slot>> dropped;  // given back when nobody waits for the lock
        std::shared_ptr<Slot> slot;
        {
            const std::lock_guard lock(mutex_);
            Entry& entry = entries_[number];
            if (!entry.slot) entry.slot = std::make_shared<Slot>();
            entry.used = ++clock_;
            slot = entry.slot;
            while (entries_.size() > most_) {
                const auto oldest = std::min_element(
                    entries_.begin(), entries_.end(),
                    [](const auto& a, const auto& b) { return a.second.used < b.second.used; });
                dropped.push_back(std::move(oldest->second.slot));
                entries_.erase(oldest);
            }
        }
        dropped.clear();
        std::call_once(slot->once, [&] { slot->value = make(); });
        return slot->value;
    }

    void clear() {
        const std::lock_guard lock(mutex_);
        entries_.clear();
    }

private:
    struct Slot {
        std::once_flag once;
        std::shared_ptr<const T> value;
    };
    struct Entry {
        std::shared_ptr<Slot> slot;
        std::uint64_t used = 0;
    };
    const std::size_t most_;
    std::mutex mutex_;
    std::map<std::size_t, Entry> entries_;
    std::uint64_t clock_ = 0;
};

}  // namespace trainer
