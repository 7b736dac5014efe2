#include "trainer/eval/events.h"

#include <fcntl.h>

#include <algorithm>
#include <boost/crc.hpp>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/base/error.h"
#include "core/base/event.h"
#include "core/base/file_lock.h"
#include "core/base/files.h"

namespace trainer {
namespace {

using Json = nlohmann::ordered_json;

template <class Number>
void append_little_endian(std::string& out, Number number) {
    for (std::size_t i = 0; i < sizeof number; ++i)
        out += static_cast<char>(static_cast<std::uint64_t>(number) >> (8 * i) & 0xff);
}

// CRC-32C (RFC 3720, appendix B.4), masked as record_writer.h says.
std::uint32_t masked_crc(std::string_view bytes) {
    boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> crc;
    crc.process_bytes(bytes.data(), bytes.size());
    return ((crc.checksum() >> 15) | (crc.checksum() << 17)) + 0xa282ead8;
}

void append_record(std::string& out, std::string_view data) {
    std::string length;
    append_little_endian(length, std::uint64_t{data.size()});
    out += length;
    append_little_endian(out, masked_crc(length));
    out += data;
    append_little_endian(out, masked_crc(data));
}

// Fields of a message (protocol buffers, "Encoding").
void append_varint(std::string& out, std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) out += static_cast<char>((value & 0x7f) | 0x80);
    out += static_cast<char>(value);
}
void append_text(std::string& out, int field, std::string_view text) {
    append_varint(out, static_cast<std::uint64_t>(field) << 3 | 2);
    append_varint(out, text.size());
    out += text;
}

// Of TensorBoard's readers, all that came before is forgotten.
std::string start() {
    std::string version, session, out;
    append_text(version, 3, "brain.Event:2");  // Event.file_version
    append_record(out, version);
    std::string event;
    event += static_cast<char>(2 << 3);  // Event.step
    append_varint(event, 0);
    session += static_cast<char>(1 << 3);  // SessionLog.status
    append_varint(session, 1);             // START
    append_text(event, 7, session);        // Event.session_log
    append_record(out, event);
    return out;
}

// `number`: a number, or null where it is not told. Throws Json::exception if it is neither.
void append_scalar(std::string& out, std::int64_t step, const std::string& tag, const Json& number) {
    if (number.is_null()) return;
    if (!number.is_number()) throw Json::type_error::create(302, "no number", &number);
    constexpr double kMost = std::numeric_limits<float>::max();
    const auto single = static_cast<float>(std::clamp(number.get<double>(), -kMost, kMost));
    std::uint32_t bits = 0;
    std::memcpy(&bits, &single, sizeof bits);
    std::string value, summary, event;
    append_text(value, 1, tag);              // Summary.Value.tag
    value += static_cast<char>(2 << 3 | 5);  // simple_value
    append_little_endian(value, bits);
    append_text(summary, 1, value);      // Summary.value
    event += static_cast<char>(2 << 3);  // Event.step
    append_varint(event, static_cast<std::uint64_t>(step));
    append_text(event, 5, summary);  // Event.summary
    append_record(out, event);
}

std::string events_of(const Json& line) {
    std::string out;
    const std::string kind = line.at("event");
    if (kind != "step" && kind != "epoch") return out;
    const auto number = [&](const char* key) {
        if (!line.at(key).is_number_integer()) throw Json::type_error::create(302, "no whole number", &line);
        return line[key].get<std::int64_t>();
    };
    const std::int64_t step = number("step");
    if (kind == "step") {
        for (const char* name : {"loss", "rate", "gradient_norm", "samples_per_second"})
            append_scalar(out, step, std::string("train/") + name, line.at(name));
    } else {
        number("epoch");
        append_scalar(out, step, "train/epoch", line["epoch"]);
        if (!line.at("validation").is_object()) throw Json::type_error::create(302, "no measures", &line);
        for (const auto& [name, value] : line["validation"].items())
            append_scalar(out, step, "validation/" + name, value);
    }
    return out;
}

// Whether records end where the bytes do.
bool is_whole(std::string_view records) {
    constexpr std::size_t kAround = 16;  // length, its sum, that of the data
    while (!records.empty()) {
        std::uint64_t length = 0;
        if (records.size() < kAround) return false;
        for (std::size_t i = 8; i-- > 0;) length = length << 8 | static_cast<unsigned char>(records[i]);
        if (length > records.size() - kAround) return false;
        records.remove_prefix(kAround + length);
    }
    return true;
}

}  // namespace

TensorboardEvents tensorboard_events(std::string_view log) {
    TensorboardEvents out{start(), 0};
    std::size_t read = 0;
    for (std::size_t end; (end = log.find('\n')) != std::string_view::npos; log.remove_prefix(end + 1)) {
        const std::string_view line = log.substr(0, end);
        if (line.empty()) continue;
        try {
            out.bytes += events_of(Json::parse(line));
            ++read;
        } catch (const Json::exception&) {
            ++out.skipped;
        }
    }
    if (read == 0 && out.skipped > 0)
        throw core::Error(core::Fault::data, "log.jsonl: no line of it is an event of a run");
    return out;
}

WrittenEvents write_tensorboard_events(const std::filesystem::path& run, const std::filesystem::path& out) {
    const auto log = run / "log.jsonl";
    if (!std::filesystem::is_regular_file(log))
        throw core::Error(core::Fault::usage,
                          "there is no log.jsonl in --run: take the folder that was fit's --out");
    const auto [bytes, skipped] = tensorboard_events(core::read_text(log, std::uint64_t{1} << 32));
    if (skipped > 0) core::Event("warning", "lines_skipped").with("file", "log.jsonl").with("lines", skipped);
    core::make_directories(out);
    core::FileLock lock(out / ".events.lock");
    if (lock.ask() == core::FileLock::Answer::anothers)  // their records would be mixed
        throw core::Error(core::Fault::system, "another `aloft-train events` is at work in " + out.string() +
                                                   ": wait for its end, or take another --out");
    // By "tfevents" TensorBoard knows them. A reader holds the file, and where in it: it only grows.
    const auto file = out / "events.out.tfevents.0.aloft";
    const std::string before =
        std::filesystem::exists(file) ? core::read_text(file, std::uint64_t{1} << 33) : "";
    const std::size_t last = before.rfind(start());
    const std::string_view told = last == std::string::npos ? "" : std::string_view(before).substr(last);
    const bool goes_on = last != std::string::npos && std::string_view(bytes).starts_with(told);
    if (last == std::string::npos || (!goes_on && !is_whole(before))) {
        core::write_atomically(file, bytes, 0640);
        return {file.filename().string(), bytes.size(), skipped};
    }
    const core::Fd fd(open(file.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
    if (!fd.is_open())
        throw core::Error(core::Fault::system,
                          core::with_errno("cannot open " + file.filename().string(), errno));
    const std::string_view more = std::string_view(bytes).substr(goes_on ? told.size() : 0);
    core::write_all(fd.get(), core::view(more));
    return {file.filename().string(), before.size() + more.size(), skipped};
}

}  // namespace trainer
