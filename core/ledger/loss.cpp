#include "core/ledger/loss.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/json.h"
#include "core/ledger/ledger.h"

namespace core {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const fs::path& ledger, const std::string& what) {
    throw Error(Fault::data,
                ledger.string() + ": " + what +
                    ". It may be an old copy that was put back. Put back the newest one; if it is lost, "
                    "see core/ledger/README.md, \"A ledger that is too old\"");
}

struct Found {
    std::uint64_t seq = 0;
    Digest sha256{};
};

// The first whole record at or after `offset`; nothing at the end.
std::optional<Found> record_after(const fs::path& ledger, std::uint64_t offset) {
    std::optional<Found> found;
    bool is_whole = offset == 0;
    read_lines(ledger, offset, [&](std::string_view line, std::uint64_t) {
        LineStart start;
        if (std::exchange(is_whole, true) && read_line_start(line, start))
            found = Found{start.seq, sha256(view(std::string(line) + "\n"))};
        return !found;
    });
    return found;
}

// Record `seq`, by halving: lines begin with their number.
std::optional<Found> find_record(const fs::path& ledger, std::uint64_t seq) {
    std::uint64_t low = 0, high = fs::file_size(ledger);  // it begins in [low, high)
    while (high - low > 64 << 10) {
        const std::uint64_t middle = low + (high - low) / 2;
        const auto here = record_after(ledger, middle);
        if (here && here->seq == seq) return here;
        if (here && here->seq < seq)
            low = middle;
        else
            high = middle;
    }
    std::optional<Found> found;
    bool is_whole = low == 0;
    read_lines(ledger, low, [&](std::string_view line, std::uint64_t) {
        LineStart start;
        if (std::exchange(is_whole, true) && read_line_start(line, start) && start.seq >= seq) {
            if (start.seq == seq) found = Found{seq, sha256(view(std::string(line) + "\n"))};
            return false;
        }
        return true;
    });
    return found;
}

}  // namespace

void check_witness(const fs::path& ledger, const Head& head, const Witness& witness,
                   const std::vector<VerifyKey>& keys) {
    if (std::none_of(keys.begin(), keys.end(),
                     [&](const VerifyKey& key) { return witness.is_signed_by(key); }))
        throw Error(Fault::refused, "a witness is not signed by this ledger's key");
    const std::string number = std::to_string(witness.head.seq);
    if (witness.head.seq > head.seq)
        fail(ledger, "ends at record " + std::to_string(head.seq) + ", but record " + number + " was seen");
    if (witness.head.seq == 0) return;
    const auto found = witness.head.seq == head.seq ? Found{head.seq, head.sha256}
                                                    : find_record(ledger, witness.head.seq).value_or(Found{});
    if (found.seq != witness.head.seq || found.sha256 != witness.head.sha256)
        fail(ledger,
             "record " + number + " is not the one that was seen: records were made anew under old numbers");
}

std::string digest_of(const fs::path& ledger, std::uint64_t seq) {
    const auto found = find_record(ledger, seq);
    return found ? to_hex(found->sha256) : std::string();
}

std::vector<Witness> witnesses_at_hand(const Site& site) {
    std::vector<Witness> found;
    const auto take = [&](const auto& read) {
        try {
            found.push_back(Witness::parse(read()));
        } catch (const std::exception&) {
        }
    };
    take([&] { return read_text(site.published / "witness.json", 4096); });
    std::error_code error;
    for (fs::directory_iterator host(site.spool, error), end; !error && host != end; host.increment(error)) {
        std::string newest;  // names sort in the order of writing
        std::error_code inner;
        for (fs::directory_iterator file(host->path(), inner), none; !inner && file != none;
             file.increment(inner))
            if (const std::string name = file->path().filename().string();
                file->path().extension() == ".json" && name.front() != '.')
                newest = std::max(newest, name);
        if (newest.empty()) continue;
        take([&] {
            const auto envelope = parse_json(read_text(host->path() / newest, 64 << 10));
            const Bytes payload = from_base64(envelope.at("payload").template get<std::string>());
            return parse_json(text(payload)).at("witness").dump();
        });
    }
    return found;
}

}  // namespace core
