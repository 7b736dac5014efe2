#include "jobs/release/safetensors.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "core/base/error.h"

namespace jobs {

namespace {

constexpr std::uint64_t kHeaderLimitBytes = 1 << 20;
constexpr std::size_t kRankLimit = 8, kTensorLimit = 20000, kNameLimit = 200;

const std::map<std::string, std::uint64_t>& type_bytes() {
    static const std::map<std::string, std::uint64_t> bytes{{"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2},
                                                            {"I64", 8}, {"I32", 4}, {"U8", 1},  {"BOOL", 1}};
    return bytes;
}

bool is_tensor_name(const std::string& name) {
    return !name.empty() && name.size() <= kNameLimit && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
               c == '_' || c == '-' || c == '/';
    });
}

SafeTensor read_entry(const std::string& name, const nlohmann::ordered_json& entry,
                      std::uint64_t data_bytes) {
    if (!is_tensor_name(name)) throw Unfit{"name", "a tensor's name is not plain"};
    const bool good = entry.is_object() && entry.size() == 3 && entry.contains("dtype") &&
                      entry.contains("shape") && entry.contains("data_offsets") &&
                      entry["dtype"].is_string() && entry["shape"].is_array() &&
                      entry["data_offsets"].is_array() && entry["data_offsets"].size() == 2 &&
                      std::all_of(entry["data_offsets"].begin(), entry["data_offsets"].end(),
                                  [](const auto& n) { return n.is_number_unsigned(); });
    if (!good) throw Unfit{"type", "tensor " + name + ": its entry is not dtype, shape and data_offsets"};
    SafeTensor tensor{name,
                      entry["dtype"].get<std::string>(),
                      {},
                      entry["data_offsets"][0].get<std::uint64_t>(),
                      entry["data_offsets"][1].get<std::uint64_t>()};
    const auto width = type_bytes().find(tensor.dtype);
    if (width == type_bytes().end()) throw Unfit{"dtype", "tensor " + name + ": of a type that cannot leave"};
    std::uint64_t bytes = width->second;
    if (entry["shape"].size() > kRankLimit)
        throw Unfit{"shape", "tensor " + name + ": more than eight dimensions"};
    for (const auto& size : entry["shape"]) {
        // An empty tensor takes no bytes, so its other sizes could spell anything.
        if (!size.is_number_unsigned() || size.get<std::uint64_t>() == 0 ||
            size.get<std::uint64_t>() > data_bytes / bytes)
            throw Unfit{"shape", "tensor " + name + ": a size that no tensor of this file can have"};
        bytes *= size.get<std::uint64_t>();
        tensor.shape.push_back(size.get<std::int64_t>());
    }
    if (tensor.end < tensor.begin || tensor.end - tensor.begin != bytes)
        throw Unfit{"hidden-payload", "tensor " + name + ": its offsets do not match its shape"};
    return tensor;
}

}  // namespace

SafeTensors::SafeTensors(const std::filesystem::path& file) : fd_(core::open_regular(file)) {
    const off_t end = ::lseek(fd_.get(), 0, SEEK_END);
    if (end < 0) throw core::Error(core::Fault::system, core::with_errno("cannot read a copy", errno));
    size_ = static_cast<std::uint64_t>(end);
    if (size_ < 10) throw Unfit{"type", "too short for safetensors"};
    std::uint8_t length[8];
    read_at(0, length, sizeof length);
    std::uint64_t header_bytes = 0;
    for (int i = 7; i >= 0; --i) header_bytes = header_bytes << 8 | length[i];
    if (header_bytes > kHeaderLimitBytes || header_bytes > size_ - 8 || header_bytes < 2)
        throw Unfit{"type", "not safetensors: the length of its header is not possible"};
    header_.resize(header_bytes);
    read_at(8, reinterpret_cast<std::uint8_t*>(header_.data()), header_bytes);
    data_at_ = 8 + header_bytes;
    parse(size_ - data_at_);
}

void SafeTensors::read_at(std::uint64_t at, std::uint8_t* into, std::size_t count) const {
    for (std::size_t done = 0; done < count;) {
        const ssize_t got = ::pread(fd_.get(), into + done, count - done, static_cast<off_t>(at + done));
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) throw core::Error(core::Fault::system, "cannot read a copy in quarantine");
        done += static_cast<std::size_t>(got);
    }
}

void SafeTensors::read(std::uint64_t at, std::uint8_t* into, std::size_t count) const {
    read_at(data_at_ + at, into, count);
}

void SafeTensors::parse(std::uint64_t data_bytes) {
    // Spaces at the end are padding that writers use for alignment. Everything before must be what a writer
    // makes of the parsed text: no room in spaces, escapes, repeated keys or spellings of numbers.
    const std::size_t end = header_.find_last_not_of(' ') + 1;
    int depth_seen = 0;
    const auto parsed = nlohmann::ordered_json::parse(
        header_,
        [&](int depth, auto, auto&) {
            depth_seen = std::max(depth_seen, depth);
            return depth <= 4;
        },
        false);
    if (depth_seen > 4 || !parsed.is_object()) throw Unfit{"type", "the header is not a JSON object"};
    if (header_.size() - end > 63 ||
        parsed.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) != header_.substr(0, end))
        throw Unfit{
            "hidden-payload",
            "the header has more in it than names, shapes and metadata (spaces, escapes or repeated keys)"};
    for (const auto& [name, entry] : parsed.items()) {
        if (name != "__metadata__") {
            tensors_.push_back(read_entry(name, entry, data_bytes));
            if (tensors_.size() > kTensorLimit) throw Unfit{"shape", "too many tensors"};
            continue;
        }
        if (!entry.is_object()) throw Unfit{"metadata", "__metadata__ is not an object of texts"};
        for (const auto& [key, value] : entry.items()) {
            if (!value.is_string()) throw Unfit{"metadata", "__metadata__ is not an object of texts"};
            metadata_[key] = value.template get<std::string>();
        }
    }
    std::sort(tensors_.begin(), tensors_.end(),
              [](const SafeTensor& a, const SafeTensor& b) { return a.begin < b.begin; });
    std::uint64_t at = 0;
    for (const SafeTensor& tensor : tensors_) {
        if (tensor.begin != at)
            throw Unfit{"hidden-payload", "there are bytes between tensors, or two share some"};
        at = tensor.end;
    }
    if (at != data_bytes) throw Unfit{"hidden-payload", "there are bytes after the last tensor"};
    if (tensors_.empty()) throw Unfit{"type", "there is no tensor in it"};
    std::sort(tensors_.begin(), tensors_.end(),
              [](const SafeTensor& a, const SafeTensor& b) { return a.name < b.name; });
}

std::string SafeTensors::own_digest() const {
    const std::string& claimed = metadata_.at("aloft.sha256");
    std::string header = header_;
    if (const auto found = header.find(claimed); !claimed.empty() && found != std::string::npos)
        header.replace(found, claimed.size(), std::string(claimed.size(), '0'));
    core::Sha256 hash;
    core::Bytes chunk(1 << 20);
    read_at(0, chunk.data(), 8);
    hash.update({chunk.data(), 8});
    hash.update(core::view(header));
    for (std::uint64_t at = data_at_; at < size_;) {
        const std::size_t count = static_cast<std::size_t>(std::min<std::uint64_t>(chunk.size(), size_ - at));
        read_at(at, chunk.data(), count);
        hash.update({chunk.data(), count});
        at += count;
    }
    return core::to_hex(hash.finish());
}

std::string safetensors_header(const std::vector<SafeTensor>& tensors,
                               const std::map<std::string, std::string>& metadata) {
    nlohmann::json header;
    header["__metadata__"] = metadata;
    for (const SafeTensor& tensor : tensors)
        header[tensor.name] = {
            {"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {tensor.begin, tensor.end}}};
    std::string text = header.dump();
    text.resize((text.size() + 7) / 8 * 8, ' ');
    std::string out(8, '\0');
    for (std::size_t i = 0; i < 8; ++i) out[i] = static_cast<char>(text.size() >> (8 * i));
    return out + text;
}

}  // namespace jobs
