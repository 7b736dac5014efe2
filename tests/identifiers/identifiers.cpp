#include "identifiers/identifiers.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/keys/keys.h"
#include "core/shard/reader.h"
#include "core/shard/version.h"
#include "identifiers/inflate.h"

namespace identifiers {
namespace {

constexpr std::size_t kAnchor = 6;  // bytes of a pattern that are looked at first
constexpr unsigned kCoarse = 3;     // hints that share a bit of the small table, as a power of two: 1 MB
constexpr unsigned kHintBits = 26;  // 8 MB
constexpr std::size_t kFindingsKept = 1000;  // a naive copy has hundreds of thousands

// Two bits per pattern (Bloom 1970): one alone lets 1 % of noise through, and each pass costs a search.
std::uint64_t anchor_hash(const char* at, std::uint64_t factor) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, kAnchor);
    return (word * factor) >> (64 - kHintBits);
}
constexpr std::uint64_t kFirst = 0x9E3779B97F4A7C15ULL, kSecond = 0xC2B2AE3D27D4EB4FULL;

// Four bytes that are not all letters, digits and what stands between them in base64 and names of ours: neither noise, where
// there is little of it, nor text has them by chance often enough. UTF-16 of a name of two characters can be all ASCII.
bool is_short_enough(const std::string& bytes) {
    return bytes.size() >= 4 && std::any_of(bytes.begin(), bytes.end(), [](unsigned char c) {
               return c >= 0x80 || !(std::isalnum(c) || std::strchr("+/=_-. ", c));
           });
}
std::uint32_t first_four(const char* at) {
    std::uint32_t word = 0;
    std::memcpy(&word, at, 4);
    return word;
}
std::uint16_t first_two(const char* at) {
    std::uint16_t word = 0;
    std::memcpy(&word, at, 2);
    return word;
}

bool is_hdf5(core::ByteView bytes) {
    return core::text(bytes).starts_with("\x89HDF\r\n\x1A\n");
}

}  // namespace

std::vector<Identifier> load_planted(const std::filesystem::path& file) {
    std::vector<Identifier> out;
    try {
        const auto json = nlohmann::json::parse(core::read_text(file));
        for (const auto& one : json.at("identifiers")) out.push_back({one.at("kind"), one.at("value")});
    } catch (const nlohmann::json::exception&) {
        throw core::Error(core::Fault::data,
                          "the list of planted identifiers is not as deliveries.py writes it");
    }
    if (out.empty())
        throw core::Error(core::Fault::data,
                          "the list of planted identifiers is empty: nothing to search for");
    return out;
}

Search::Search(const std::vector<Identifier>& planted, Breadth breadth)
    : breadth_(breadth),
      planted_(planted),
      coarse_hints_((std::size_t{1} << kHintBits >> kCoarse) / 64),
      hints_((std::size_t{1} << kHintBits) / 64),
      short_hints_(std::size_t{1} << 16),
      is_found_(planted.size()) {
    for (std::size_t i = 0; i < planted_.size(); ++i)
        for (Form& form : forms_of(planted_[i].value, breadth)) add(std::move(form), i);
    std::sort(patterns_.begin(), patterns_.end(),
              [](const Pattern& a, const Pattern& b) { return a.bytes < b.bytes; });
    // What begins with another pattern is found with that one.
    std::vector<Pattern> kept;
    for (Pattern& pattern : patterns_)
        if (kept.empty() || !pattern.bytes.starts_with(kept.back().bytes)) kept.push_back(std::move(pattern));
    patterns_ = std::move(kept);
    for (const Pattern& pattern : patterns_) {
        const std::uint64_t hash = anchor_hash(pattern.bytes.data(), kFirst),
                            second = anchor_hash(pattern.bytes.data(), kSecond);
        hints_[second / 64] |= std::uint64_t{1} << (second % 64);
        hints_[hash / 64] |= std::uint64_t{1} << (hash % 64);
        coarse_hints_[(hash >> kCoarse) / 64] |= std::uint64_t{1} << ((hash >> kCoarse) % 64);
    }
}

void Search::add(Form form, std::size_t identifier) {
    const bool is_short = form.bytes.size() < kAnchor;
    if (is_short && !(breadth_ == Breadth::every && is_short_enough(form.bytes))) return;
    const auto number = form_numbers_.try_emplace(form.name, static_cast<std::uint16_t>(forms_.size()));
    if (number.second) forms_.push_back(form.name);
    Pattern pattern{std::move(form.bytes), static_cast<std::uint32_t>(identifier), number.first->second};
    if (!is_short) return patterns_.push_back(std::move(pattern));
    short_hints_[first_two(pattern.bytes.data())] = true;
    const std::uint32_t four = first_four(pattern.bytes.data());
    short_patterns_.emplace(four, std::move(pattern));
}

void Search::found(const Pattern& pattern, const std::string& where) {
    // The digits of an identifier are in it.
    if (breadth_ == Breadth::every && last_ == std::pair{pattern.identifier, where}) return;
    last_ = {pattern.identifier, where};
    if (findings_.size() < kFindingsKept || where != findings_.back().where || !is_found_[pattern.identifier])
        findings_.push_back({planted_[pattern.identifier].kind, forms_[pattern.form], where});
    is_found_[pattern.identifier] = true;
}

void Search::bytes(core::ByteView bytes, const std::string& where) {
    find(bytes, where, Shorts::sought);
}

void Search::find(core::ByteView bytes, const std::string& where, Shorts shorts) {
    searched_bytes_ += bytes.size();
    const std::string_view text = core::text(bytes);
    if (shorts == Shorts::sought && !short_patterns_.empty())
        for (std::size_t at = 0; at + 4 <= text.size(); ++at) {
            if (!short_hints_[first_two(text.data() + at)]) continue;
            const auto [begin, end] = short_patterns_.equal_range(first_four(text.data() + at));
            for (auto one = begin; one != end; ++one)
                if (text.substr(at).starts_with(one->second.bytes)) found(one->second, where);
        }
    for (std::size_t at = 0; at + kAnchor <= text.size(); ++at) {
        const std::uint64_t hash = anchor_hash(text.data() + at, kFirst);
        if (!(coarse_hints_[(hash >> kCoarse) / 64] >> ((hash >> kCoarse) % 64) & 1)) continue;
        if (!(hints_[hash / 64] >> (hash % 64) & 1)) continue;
        const std::uint64_t second = anchor_hash(text.data() + at, kSecond);
        if (!(hints_[second / 64] >> (second % 64) & 1)) continue;
        // The last pattern that is not greater than the text from here on: since no pattern begins with
        // another, it is the only one that the text can begin with.
        const std::string_view rest = text.substr(at);
        auto last = std::upper_bound(patterns_.begin(), patterns_.end(), rest,
                                     [](std::string_view t, const Pattern& p) { return t < p.bytes; });
        if (last != patterns_.begin() && rest.starts_with((--last)->bytes)) found(*last, where);
    }
}

void Search::elements(core::ByteView all, std::size_t element_bytes, const std::string& where) {
    bytes(all, where);
    if (element_bytes > 1) {
        core::Bytes lane(all.size() / element_bytes);
        for (std::size_t byte = 0; byte < element_bytes; ++byte) {
            for (std::size_t i = 0; i < lane.size(); ++i) lane[i] = all[i * element_bytes + byte];
            bytes(lane, where + ", byte " + std::to_string(byte) + " of each element");
        }
    }
    if (breadth_ == Breadth::every) bits(all, element_bytes, where);
}

void Search::bits(core::ByteView all, std::size_t element_bytes, const std::string& where) {
    const std::size_t count = all.size() / element_bytes;
    for (std::size_t bit = 0; bit < 8 * element_bytes; ++bit)
        for (const bool high_first : {false, true})
            for (std::size_t begin = 0; begin < std::min<std::size_t>(8, count); ++begin) {
                core::Bytes packed((count - begin) / 8);
                for (std::size_t i = 0; i < packed.size() * 8; ++i) {
                    const unsigned one = all[(begin + i) * element_bytes + bit / 8] >> (bit % 8) & 1;
                    packed[i / 8] |= static_cast<std::uint8_t>(one << (high_first ? 7 - i % 8 : i % 8));
                }
                // Noise, most of it.
                find(packed, where + ", bit " + std::to_string(bit) + " of each element",
                     Shorts::passed_over);
            }
}

void Search::inflated(core::ByteView from, const std::string& where, int depth) {
    for_each_inflated(from, [&](core::ByteView out) {
        bytes(out, where + ", inflated");
        if (depth > 1) inflated(out, where + ", inflated", depth - 1);
    });
}

void Search::tree(const std::filesystem::path& path, Contents contents) {
    namespace fs = std::filesystem;
    std::vector<fs::path> entries{path};
    if (fs::is_directory(fs::symlink_status(path)))
        for (const auto& entry : fs::recursive_directory_iterator(path)) entries.push_back(entry.path());
    std::sort(entries.begin(), entries.end(),
              [](const fs::path& a, const fs::path& b) { return a.native() < b.native(); });
    std::size_t number = 0;
    for (const fs::path& entry : entries) {
        const std::string name = "file " + std::to_string(number++);
        bytes(core::view(entry.filename().native()), "the name of " + name);
        if (!fs::is_regular_file(fs::symlink_status(entry))) continue;
        ++searched_files_;
        const core::Bytes all = core::read_file(entry, std::uint64_t{4} << 30);
        if (breadth_ == Breadth::usual || contents == Contents::sealed ||
            is_hdf5(all)) {  // a shard is sealed: what it holds is dataset()'s
            find(all, name, Shorts::passed_over);
            continue;
        }
        elements(all, 1, name);
        for (std::size_t first = 0; first < std::min<std::size_t>(2, all.size()); ++first)
            elements(core::ByteView(all).subspan(first), 2, name);
        inflated(all, name, 2);
    }
}

void Search::number(double value, const std::string& where) {
    char text[32];
    const auto end = std::to_chars(text, text + sizeof text, value).ptr;
    bytes(core::view(std::string_view(text, static_cast<std::size_t>(end - text))), where);
}

void Search::field(core::ByteView all, core::DType type, const std::string& where) {
    elements(all, core::bytes_of(type), where);
    if (breadth_ == Breadth::usual || (type != core::DType::f32 && type != core::DType::f64)) return;
    // Whole numbers that are kept as floating point have the bits of their integers elsewhere.
    std::vector<std::int32_t> whole;
    core::with_type(type, [&](auto zero) {
        using T = decltype(zero);
        for (std::size_t at = 0; at + sizeof(T) <= all.size(); at += sizeof(T)) {
            T value;
            std::memcpy(&value, all.data() + at, sizeof value);
            const bool fits = std::abs(static_cast<double>(value)) < 2147483648.0;
            whole.push_back(fits ? static_cast<std::int32_t>(std::lround(static_cast<double>(value))) : 0);
        }
    });
    elements({reinterpret_cast<const std::uint8_t*>(whole.data()), whole.size() * 4}, 4,
             where + ", as whole numbers");
}

void Search::dataset(const std::filesystem::path& version, const std::filesystem::path& key_file) {
    const core::SecretKey key = core::SecretKey::load(key_file);
    const core::Version open(version, {}, core::Seal::optional);
    const core::Manifest& manifest = open.manifest();
    const core::Schema& schema = manifest.schema;
    for (std::int64_t s = 0; s < open.shards(); ++s) {
        const core::ShardEntry entry = open.shard(s);
        const core::ShardReader shard(open.shard_path(s), entry, schema, manifest.id(), s, key);
        ++searched_files_;
        for (std::size_t c = 0; c < schema.columns.size(); ++c) {
            const core::ColumnData data = shard.column(c);
            const std::string where = entry.file + " column " + schema.columns[c].name;
            const auto raw = [](const auto& values) {
                return core::ByteView(reinterpret_cast<const std::uint8_t*>(values.data()),
                                      values.size() * sizeof(values[0]));
            };
            bytes(raw(data.integers), where);
            bytes(raw(data.numbers), where);
            bytes(raw(data.codes), where);
            bytes(raw(data.ids), where);
            for (const std::int64_t value : data.integers) bytes(core::view(std::to_string(value)), where);
            for (const double value : data.numbers) number(value, where);
        }
        for (std::size_t f = 0; f < schema.fields.size(); ++f)
            for (std::int64_t i = 0; i < shard.samples(); ++i)
                field(shard.array(f, i).bytes, schema.fields[f].dtype,
                      entry.file + " field " + schema.fields[f].name + " sample " + std::to_string(i));
    }
}

}  // namespace identifiers
