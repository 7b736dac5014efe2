#include "trainer/model/safetensors.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "core/base/error.h"
#include "core/base/files.h"

namespace trainer {
namespace {

using core::Error;
using core::Fault;
using Json = nlohmann::ordered_json;

constexpr const char* kDigestKey = "aloft.sha256";
constexpr std::uint64_t kLargestHeader = 100'000'000;  // as the reference implementation
const std::string kNoDigest(64, '0');

constexpr std::pair<const char*, at::ScalarType> kTypes[] = {
    {"F64", at::kDouble}, {"F32", at::kFloat}, {"F16", at::kHalf},  {"BF16", at::kBFloat16},
    {"I64", at::kLong},   {"I32", at::kInt},   {"I16", at::kShort}, {"I8", at::kChar},
    {"U8", at::kByte},    {"BOOL", at::kBool}};

const char* name_of(at::ScalarType type) {
    for (const auto& [name, each] : kTypes)
        if (each == type) return name;
    throw Error(Fault::bug, std::string("safetensors has no name for ") + c10::toString(type));
}

core::ByteView bytes_of(const at::Tensor& tensor) {
    return {static_cast<const std::uint8_t*>(tensor.data_ptr()), tensor.nbytes()};
}

std::string length_prefix(std::uint64_t length) {
    std::string out(8, '\0');
    for (auto& c : out) {
        c = static_cast<char>(length & 0xff);
        length >>= 8;
    }
    return out;
}

}  // namespace

const at::Tensor& TensorFile::tensor(const std::string& name) const {
    for (const NamedTensor& each : tensors)
        if (each.name == name) return each.tensor;
    throw Error(Fault::data, "tensor " + name + " is missing in the file");
}

const std::string& TensorFile::text(const std::string& key) const {
    const auto found = metadata.find(key);
    if (found == metadata.end()) throw Error(Fault::data, "metadata " + key + " is missing in the file");
    return found->second;
}

void write_safetensors(const std::filesystem::path& path, const TensorFile& file) {
    Json header;
    Json& metadata = header["__metadata__"];
    metadata[kDigestKey] = kNoDigest;  // first of all entries: found again at its first occurrence
    for (const auto& [key, value] : file.metadata) metadata[key] = value;
    std::vector<at::Tensor> tensors;
    std::uint64_t at = 0;
    for (const NamedTensor& each : file.tensors) {
        tensors.push_back(each.tensor.detach().to(at::kCPU).contiguous());
        const std::uint64_t end = at + tensors.back().nbytes();
        if (header.contains(each.name)) throw Error(Fault::bug, "two tensors named " + each.name);
        header[each.name] = {{"dtype", name_of(each.tensor.scalar_type())},
                             {"shape", each.tensor.sizes().vec()},
                             {"data_offsets", {at, end}}};
        at = end;
    }
    std::string text = header.dump();
    text.resize((text.size() + 7) / 8 * 8, ' ');  // tensors start at a multiple of 8
    const std::string length = length_prefix(text.size());

    core::Sha256 digest;
    digest.update(core::view(length));
    digest.update(core::view(text));
    for (const auto& tensor : tensors) digest.update(bytes_of(tensor));
    text.replace(text.find(kNoDigest), kNoDigest.size(), core::to_hex(digest.finish()));

    core::AtomicFile out(path, 0640);
    out.write(core::view(length));
    out.write(core::view(text));
    for (const auto& tensor : tensors) out.write(bytes_of(tensor));
    out.commit();
}

TensorFile parse_safetensors(core::ByteView bytes, const std::string& what, Origin origin) {
    const auto refuse = [&](const std::string& why) {
        return Error(Fault::data, what + ": not safetensors: " + why);
    };
    if (bytes.size() < 8) throw refuse("shorter than its length field");
    std::uint64_t header_bytes = 0;
    for (int i = 7; i >= 0; --i) header_bytes = header_bytes << 8 | bytes[static_cast<std::size_t>(i)];
    if (header_bytes > kLargestHeader || header_bytes > bytes.size() - 8)
        throw refuse("the header is longer than the file");
    const std::string_view text = core::text(bytes.subspan(8, header_bytes));
    const core::ByteView data = bytes.subspan(8 + header_bytes);
    if (!text.starts_with('{')) throw refuse("the header does not start with '{'");

    // nlohmann keeps the last of two equal keys; readers differ there, so that two are an error here.
    std::vector<std::set<std::string>> open;
    bool repeated = false;
    const auto header = Json::parse(
        text,
        [&](int depth, Json::parse_event_t event, Json& value) {
            if (event == Json::parse_event_t::object_start) open.emplace_back();
            if (event == Json::parse_event_t::object_end) open.pop_back();
            if (event == Json::parse_event_t::key)
                repeated |= !open.back().insert(value.get<std::string>()).second;
            return depth <= 4;
        },
        /*allow_exceptions=*/false);
    if (header.is_discarded() || !header.is_object()) throw refuse("the header is not JSON");
    if (repeated) throw refuse("a name appears twice");

    TensorFile file;
    struct Place {
        std::uint64_t begin, end;
        NamedTensor tensor;
    };
    std::vector<Place> places;
    for (const auto& [name, entry] : header.items()) {
        if (name == "__metadata__") {
            if (!entry.is_object()) throw refuse("metadata is not an object");
            for (const auto& [key, value] : entry.items()) {
                if (!value.is_string()) throw refuse("metadata holds something else than text");
                file.metadata[key] = value.get<std::string>();
            }
            continue;
        }
        const auto bad = [&] { return refuse("tensor " + name + ": bad entry"); };
        if (!entry.is_object() || entry.size() != 3 || !entry.contains("dtype") || !entry.contains("shape") ||
            !entry.contains("data_offsets"))
            throw bad();
        const auto& [dtype, shape, offsets] = std::tie(entry["dtype"], entry["shape"], entry["data_offsets"]);
        if (!dtype.is_string() || !shape.is_array() || !offsets.is_array() || offsets.size() != 2 ||
            !offsets[0].is_number_unsigned() || !offsets[1].is_number_unsigned())
            throw bad();
        std::optional<at::ScalarType> type;
        for (const auto& [known, each] : kTypes)
            if (dtype.get_ref<const std::string&>() == known) type = each;
        if (!type) throw refuse("tensor " + name + ": unknown dtype");
        std::uint64_t size = c10::elementSize(*type);
        std::vector<std::int64_t> sizes;
        for (const auto& dimension : shape) {
            if (!dimension.is_number_unsigned()) throw bad();
            const auto length = dimension.get<std::uint64_t>();
            if (__builtin_mul_overflow(size, length, &size)) throw bad();
            sizes.push_back(static_cast<std::int64_t>(length));
        }
        const auto begin = offsets[0].get<std::uint64_t>(), end = offsets[1].get<std::uint64_t>();
        if (begin > end || end > data.size() || end - begin != size)
            throw refuse("tensor " + name + ": its place does not fit its shape or the file");
        at::Tensor tensor = at::empty(sizes, *type);
        if (size) std::memcpy(tensor.data_ptr(), data.data() + begin, size);
        places.push_back({begin, end, {name, std::move(tensor)}});
    }
    std::stable_sort(places.begin(), places.end(), [](const Place& a, const Place& b) {
        return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
    });
    std::uint64_t next = 0;
    for (Place& place : places) {
        if (place.begin != next) throw refuse("a gap or an overlap before tensor " + place.tensor.name);
        next = place.end;
        file.tensors.push_back(std::move(place.tensor));
    }
    if (next != data.size()) throw refuse("bytes that belong to no tensor");

    if (const auto found = file.metadata.find(kDigestKey); found != file.metadata.end()) {
        const std::string claimed = found->second;
        file.metadata.erase(found);
        const auto at = claimed.size() == kNoDigest.size() ? text.find(claimed) : std::string_view::npos;
        if (at == std::string_view::npos) throw refuse("the digest is not in hex");
        core::Sha256 digest;
        digest.update(bytes.first(8));
        digest.update(core::view(text.substr(0, at)));
        digest.update(core::view(kNoDigest));
        digest.update(core::view(text.substr(at + kNoDigest.size())));
        digest.update(data);
        if (core::to_hex(digest.finish()) != claimed)
            throw Error(Fault::data, what + ": damaged: its SHA-256 is not the one it states");
    } else if (origin == Origin::ours) {
        throw Error(Fault::data, what + ": damaged, or not ours: it states no SHA-256 of itself");
    }
    return file;
}

TensorFile read_safetensors(const std::filesystem::path& path, Origin origin) {
    return parse_safetensors(core::read_file(path, std::uint64_t{1} << 40), path.filename().string(), origin);
}

void copy_tensors(const TensorFile& from, const std::string& prefix, const std::vector<NamedTensor>& into) {
    const at::NoGradGuard off;
    for (const NamedTensor& each : into) {
        const at::Tensor& source = from.tensor(prefix + each.name);
        // What was released is bf16 (jobs/release): copy_ widens it, exactly.
        const bool same = source.scalar_type() == each.tensor.scalar_type() ||
                          (source.scalar_type() == at::kBFloat16 && each.tensor.scalar_type() == at::kFloat);
        if (source.sizes() != each.tensor.sizes() || !same)
            throw Error(Fault::data,
                        "tensor " + prefix + each.name + " has another shape or type in the file");
        each.tensor.detach().copy_(source);
    }
}

}  // namespace trainer
