#include "staging/pool/identity.h"

#include <algorithm>
#include <cstring>
#include <map>

namespace staging {
namespace {

// Union-find over positions in a sorted list of identifiers.
class Sets {
public:
    explicit Sets(std::size_t count) : parent_(count) {
        for (std::size_t i = 0; i < count; ++i) parent_[i] = i;
    }
    std::size_t root(std::size_t i) {
        while (parent_[i] != i) i = parent_[i] = parent_[parent_[i]];
        return i;
    }
    void join(std::size_t a, std::size_t b) {
        a = root(a);
        b = root(b);
        parent_[std::max(a, b)] = std::min(a, b);  // the root is the least
    }

private:
    std::vector<std::size_t> parent_;
};

static_assert(std::is_trivially_copyable_v<Link> && std::is_trivially_copyable_v<Moved>);

template <class T>
core::ByteView bytes_of(const std::vector<T>& records) {
    return {reinterpret_cast<const std::uint8_t*>(records.data()), records.size() * sizeof(T)};
}
template <class T>
void append(std::vector<T>& records, core::ByteView bytes) {
    const std::size_t before = records.size();
    records.resize(before + bytes.size() / sizeof(T));
    if (!bytes.empty()) std::memcpy(records.data() + before, bytes.data(), bytes.size());
}

bool by_pair(const Link& x, const Link& y) {
    return std::pair(x.a.id, x.b.id) < std::pair(y.a.id, y.b.id);
}

}  // namespace

void keep_each_once(std::vector<Link>& links) {
    std::sort(links.begin(), links.end(), by_pair);
    links.erase(std::unique(links.begin(), links.end(),
                            [](const Link& x, const Link& y) { return x.a == y.a && x.b == y.b; }),
                links.end());
}

Identities::Identities(std::vector<Link> links, const SplitOf& split_of) {
    std::vector<Alias> all;
    for (const Link& link : links) {
        all.push_back(link.a);
        all.push_back(link.b);
    }
    const auto by_id = [](const Alias& x, const Alias& y) { return x.id < y.id; };
    std::sort(all.begin(), all.end(), by_id);
    all.erase(
        std::unique(all.begin(), all.end(), [](const Alias& x, const Alias& y) { return x.id == y.id; }),
        all.end());
    const auto at = [&](const core::Id16& id) {
        return static_cast<std::size_t>(std::lower_bound(all.begin(), all.end(), Alias{id, false}, by_id) -
                                        all.begin());
    };
    Sets sets(all.size());
    for (const Link& link : links) sets.join(at(link.a.id), at(link.b.id));

    std::map<std::size_t, std::pair<std::size_t, std::size_t>>
        nationals;  // root -> how many, the least of them
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (!all[i].is_national) continue;
        auto& [count, least] = nationals[sets.root(i)];
        if (count++ == 0) least = i;
    }
    for (std::size_t i = 0; i < all.size(); ++i) {
        const std::size_t root = sets.root(i);
        const auto found = nationals.find(root);
        const std::size_t name = found == nationals.end() ? root : found->second.second;
        const bool conflict = found != nationals.end() && found->second.first > 1;
        if (name != i || conflict)
            moved_.push_back({all[i].id, all[name].id, split_of(all[name].id), conflict});
    }
}

Identities Identities::joined(const core::Comm& comm, const std::vector<Link>& mine,
                              const SplitOf& split_of) {
    std::vector<Link> links(mine);
    keep_each_once(links);
    const auto gathered = comm.gather(bytes_of(links));
    core::Bytes moved;
    core::together(comm, [&] {
        if (!comm.is_root()) return;
        std::vector<Link> every;
        for (const core::Bytes& part : gathered) append(every, part);
        const Identities all(std::move(every), split_of);
        const core::ByteView bytes = bytes_of(all.moved_);
        moved.assign(bytes.begin(), bytes.end());
    });
    comm.broadcast(moved);
    Identities out;
    append(out.moved_, moved);
    return out;
}

const Moved* Identities::find(const core::Id16& patient) const {
    const auto found = std::lower_bound(moved_.begin(), moved_.end(), patient,
                                        [](const Moved& one, const core::Id16& id) { return one.from < id; });
    return found != moved_.end() && found->from == patient ? &*found : nullptr;
}

}  // namespace staging
