#include "identifiers/identifiers.h"

#include <iconv.h>
#include <openssl/evp.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/keys/keys.h"
#include "core/shard/reader.h"
#include "core/shard/version.h"

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

// Nothing if `value` cannot be written in `charset`.
std::optional<std::string> convert(const std::string& value, const char* charset) {
    const iconv_t converter = ::iconv_open(charset, "UTF-8");
    if (converter == reinterpret_cast<iconv_t>(-1))
        throw core::Error(core::Fault::system,
                          std::string("iconv does not know ") + charset + "; install libc-bin");
    std::string in = value, out(value.size() * 4 + 8, '\0');
    char *from = in.data(), *to = out.data();
    std::size_t from_left = in.size(), to_left = out.size();
    const std::size_t lost = ::iconv(converter, &from, &from_left, &to, &to_left);
    ::iconv_close(converter);
    if (lost != 0) return std::nullopt;
    out.resize(out.size() - to_left);
    return out;
}

std::string upper(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::toupper(c); });
    return text;
}

// What stays the same of `bytes` in base64 when they begin 0, 1 or 2 bytes into a group of three.
std::string base64_at(std::string_view bytes, std::size_t shift) {
    const std::string padded = core::to_base64(core::view(std::string(shift, '\0') + std::string(bytes)));
    const std::size_t bits = shift * 8, first = (bits + 5) / 6;
    const std::size_t last = (bits + bytes.size() * 8) / 6;  // characters that hold bits of `bytes` only
    return padded.substr(first, last - first);
}

std::string digest(const EVP_MD* algorithm, std::string_view bytes) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> out;
    unsigned size = 0;
    if (EVP_Digest(bytes.data(), bytes.size(), out.data(), &size, algorithm, nullptr) != 1)
        throw core::Error(core::Fault::system,
                          "OpenSSL has no MD5 or SHA-1 (FIPS mode?): the search needs them");
    return {reinterpret_cast<const char*>(out.data()), size};
}

bool is_ascii(const std::string& text) {
    return std::all_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x80; });
}

std::string json_escaped(const std::string& value) {
    const std::string quoted = nlohmann::json(value).dump(-1, ' ', true);
    return quoted.substr(1, quoted.size() - 2);
}

std::string url_escaped(const std::string& value) {
    std::string out;
    for (const unsigned char c : value)
        out += c < 0x80 ? std::string(1, static_cast<char>(c))
                        : "%" + upper(core::to_hex(core::ByteView(&c, 1)));
    return out;
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

Search::Search(const std::vector<Identifier>& planted)
    : planted_(planted),
      hints_((std::size_t{1} << kHintBits) / 64),
      coarse_hints_((std::size_t{1} << kHintBits >> kCoarse) / 64) {
    for (std::size_t i = 0; i < planted_.size(); ++i) add_forms(i, planted_[i].value);
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

void Search::add(std::string bytes, std::size_t identifier, const std::string& form) {
    if (bytes.size() < kAnchor) return;
    const auto number = form_numbers_.try_emplace(form, static_cast<std::uint16_t>(forms_.size()));
    if (number.second) forms_.push_back(form);
    patterns_.push_back({std::move(bytes), static_cast<std::uint32_t>(identifier), number.first->second});
}

void Search::add_forms(std::size_t identifier, const std::string& value) {
    std::map<std::string, std::string> written;  // bytes -> charset, equal bytes once
    written.emplace(value, "utf-8");
    for (const char* charset : {"UTF-16LE", "UTF-16BE", "BIG5", "GB18030"})
        if (auto bytes = convert(value, charset)) written.emplace(*std::move(bytes), charset);
    for (const auto& [bytes, charset] : written) {
        add(bytes, identifier, charset);
        const std::string hex = core::to_hex(core::view(bytes));
        add(hex, identifier, charset + " hex");
        add(upper(hex), identifier, charset + " hex");
        for (std::size_t shift = 0; shift < 3; ++shift)
            add(base64_at(bytes, shift), identifier, charset + " base64");
        for (const auto& [name, algorithm] :
             {std::pair{"md5", EVP_md5()}, {"sha1", EVP_sha1()}, {"sha256", EVP_sha256()}}) {
            const std::string raw = digest(algorithm, bytes), form = name + (" of " + charset);
            add(raw, identifier, form);
            add(core::to_hex(core::view(raw)), identifier, form + ", hex");
            add(base64_at(raw, 0), identifier, form + ", base64");
        }
    }
    if (!is_ascii(value)) {
        add(json_escaped(value), identifier, "json escapes");
        add(url_escaped(value), identifier, "url escapes");
    }
}

void Search::bytes(core::ByteView bytes, const std::string& where) {
    searched_bytes_ += bytes.size();
    if (bytes.size() < kAnchor) return;
    const std::string_view text = core::text(bytes);
    for (std::size_t at = 0; at + kAnchor <= text.size(); ++at) {
        const std::uint64_t hash = anchor_hash(text.data() + at, kFirst);
        if (!(coarse_hints_[(hash >> kCoarse) / 64] >> ((hash >> kCoarse) % 64) & 1)) continue;
        if (!(hints_[hash / 64] >> (hash % 64) & 1)) continue;
        const std::uint64_t second = anchor_hash(text.data() + at, kSecond);
        if (!(hints_[second / 64] >> (second % 64) & 1)) continue;
        // The last pattern that is not greater than the text from here on: since no pattern begins with
        // another, it is the only one that the text can begin with.
        const std::string_view rest = text.substr(at);
        auto found = std::upper_bound(patterns_.begin(), patterns_.end(), rest,
                                      [](std::string_view t, const Pattern& p) { return t < p.bytes; });
        if (found == patterns_.begin() || !rest.starts_with((--found)->bytes)) continue;
        if (findings_.size() < kFindingsKept || where != findings_.back().where)
            findings_.push_back({planted_[found->identifier].kind, forms_[found->form], where});
    }
}

void Search::elements(core::ByteView all, std::size_t element_bytes, const std::string& where) {
    bytes(all, where);
    if (element_bytes < 2) return;
    core::Bytes lane(all.size() / element_bytes);
    for (std::size_t byte = 0; byte < element_bytes; ++byte) {
        for (std::size_t i = 0; i < lane.size(); ++i) lane[i] = all[i * element_bytes + byte];
        bytes(lane, where + ", byte " + std::to_string(byte) + " of each element");
    }
}

void Search::tree(const std::filesystem::path& path) {
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
        bytes(core::read_file(entry, std::uint64_t{4} << 30), name);
    }
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
        }
        for (std::size_t f = 0; f < schema.fields.size(); ++f)
            for (std::int64_t i = 0; i < shard.samples(); ++i)
                elements(shard.array(f, i).bytes, core::bytes_of(schema.fields[f].dtype),
                         entry.file + " field " + schema.fields[f].name + " sample " + std::to_string(i));
    }
}

}  // namespace identifiers
