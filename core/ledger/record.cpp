#include "core/ledger/record.h"

#include <algorithm>
#include <charconv>

#include "core/base/error.h"
#include "core/base/time.h"

namespace core {
namespace {

constexpr std::string_view kSeq = "{\"seq\":", kTime = ",\"time\":\"", kPrev = "\",\"prev\":\"",
                           kActor = "\",\"actor\":";
constexpr std::size_t kTimeLength = 20, kPrevLength = 64, kSignatureLength = 88;  // of 64 bytes, in base64
constexpr std::string_view kSignature = ",\"signature\":\"", kSignatureEnd = "\"}}";
constexpr std::size_t kSignatureTail = kSignature.size() + kSignatureLength + kSignatureEnd.size();

// Control characters, DEL and anything outside ASCII never appear in a line: what is read is what is there.
std::string json_text(std::string_view text) {
    return nlohmann::json(text).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

std::string line_start(std::uint64_t seq, std::int64_t time, const Head& head, std::string_view actor,
                       std::string_view kind, std::string_view subject) {
    std::string line(kSeq);
    line += std::to_string(seq);
    line += kTime;
    line += rfc3339(time);
    line += kPrev;
    line += to_hex(head.sha256);
    line += kActor;
    line += json_text(actor) + ",\"kind\":" + json_text(kind) + ",\"subject\":" + json_text(subject) +
            ",\"details\":";
    return line;
}

std::string checkpoint_message(std::string_view line) {
    return "aloft-ledger-checkpoint-1\n" + std::string(line);
}

std::string head_message(const Head& head) {
    return "aloft-ledger-head-1\n" + std::to_string(head.seq) + "\n" + to_hex(head.sha256) + "\n";
}

bool take(std::string_view& rest, std::string_view expected) noexcept {
    if (!rest.starts_with(expected)) return false;
    rest.remove_prefix(expected.size());
    return true;
}

}  // namespace

std::string to_line(const Record& record, const Head& head) {
    return line_start(record.seq, record.time, head, record.actor, record.kind, record.subject) +
           record.details.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) + "}\n";
}

std::string checkpoint_line(std::int64_t time, const Head& head, const SigningKey& key) {
    std::string line = line_start(head.seq + 1, time, head, "aloftd", kCheckpoint, "ledger");
    line += "{\"key\":" + json_text(key.verify_key().id());
    const auto signature = key.sign(view(checkpoint_message(line)));
    line += kSignature;
    line += to_base64(signature);
    line += kSignatureEnd;
    line += '\n';
    return line;
}

bool is_signed_checkpoint(std::string_view line, const std::vector<VerifyKey>& keys) {
    if (line.size() <= kSignatureTail) return false;
    const std::string_view signed_part = line.substr(0, line.size() - kSignatureTail);
    std::string_view rest = line.substr(line.size() - kSignatureTail);
    if (!take(rest, kSignature)) return false;
    const std::string_view base64 = rest.substr(0, kSignatureLength);
    if (rest.substr(kSignatureLength) != kSignatureEnd) return false;
    Bytes signature;
    try {
        signature = from_base64(base64);
    } catch (const Error&) {
        return false;
    }
    // One spelling only: base64 has spare bits at its end.
    const std::string message = checkpoint_message(signed_part);
    return to_base64(signature) == base64 && std::any_of(keys.begin(), keys.end(), [&](const VerifyKey& key) {
               return verify(key, view(message), signature);
           });
}

bool read_line_start(std::string_view line, LineStart& start) noexcept {
    std::string_view rest = line;
    if (!take(rest, kSeq)) return false;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), start.seq);
    if (error != std::errc() || rest.front() == '0') return false;
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    if (!take(rest, kTime) || rest.size() < kTimeLength) return false;
    start.time = rest.substr(0, kTimeLength);
    rest.remove_prefix(kTimeLength);
    if (!take(rest, kPrev) || rest.size() < kPrevLength) return false;
    start.prev = rest.substr(0, kPrevLength);
    rest.remove_prefix(kPrevLength);
    if (!take(rest, kActor)) return false;
    // By either end: a checkpoint whose one end was changed is a bad checkpoint, not an ordinary record.
    start.is_checkpoint =
        rest.starts_with("\"aloftd\",\"kind\":\"checkpoint\"") ||
        (rest.size() > kSignatureTail && rest.substr(rest.size() - kSignatureTail).starts_with(kSignature));
    return line.ends_with("}}");
}

Record parse_record(std::string_view line) {
    LineStart start;
    if (!read_line_start(line, start)) throw Error(Fault::data, "a line of the ledger is not a record");
    Record record;
    try {
        auto json = nlohmann::json::parse(line);
        record.seq = start.seq;
        record.time = parse_rfc3339(start.time);
        record.actor = json.at("actor").get<std::string>();
        record.kind = json.at("kind").get<std::string>();
        record.subject = json.at("subject").get<std::string>();
        record.details = std::move(json.at("details"));
    } catch (const nlohmann::json::exception&) {
        throw Error(Fault::data, "record " + std::to_string(start.seq) + " of the ledger is not valid JSON");
    }
    return record;
}

Witness Witness::sign(const Head& head, const SigningKey& key) {
    return {head, key.sign(view(head_message(head)))};
}

bool Witness::is_signed_by(const VerifyKey& key) const {
    return verify(key, view(head_message(head)), signature);
}

std::string Witness::to_json() const {
    const nlohmann::ordered_json json = {
        {"seq", head.seq}, {"sha256", to_hex(head.sha256)}, {"signature", to_base64(signature)}};
    return json.dump();
}

Witness Witness::parse(std::string_view text) {
    Witness witness;
    try {
        const auto json = nlohmann::json::parse(text);
        witness.head.seq = json.at("seq").get<std::uint64_t>();
        const Bytes sha256 = from_hex(json.at("sha256").get<std::string>());
        const Bytes signature = from_base64(json.at("signature").get<std::string>());
        if (sha256.size() != witness.head.sha256.size() || signature.size() != witness.signature.size())
            throw Error(Fault::data, "a witness has a hash or signature of the wrong length");
        std::copy(sha256.begin(), sha256.end(), witness.head.sha256.begin());
        std::copy(signature.begin(), signature.end(), witness.signature.begin());
    } catch (const nlohmann::json::exception&) {
        throw Error(Fault::data, "not a witness; it is one JSON object with seq, sha256 and signature");
    }
    return witness;
}

}  // namespace core
