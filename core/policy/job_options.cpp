#include "core/policy/job_options.h"

#include <algorithm>
#include <charconv>
#include <regex>
#include <set>

#include "core/base/error.h"
#include "core/base/split.h"

namespace core {
namespace {

constexpr std::int64_t kHourSeconds = 3600;
constexpr std::int64_t kLatestBeginSeconds = 30 * 24 * kHourSeconds;
constexpr std::uint64_t kMostTasks = 1'000'000;  // of an array: more than Slurm's MaxArraySize may be

[[noreturn]] void refuse(const std::string& text) {
    throw Error(Fault::refused, text);
}

std::uint64_t number(const std::string& digits) {
    std::uint64_t value = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return value;
}

}  // namespace

std::string allowed_array(const std::string& asked) {
    static const std::regex form("([01])-([0-9]{1,7})(:1)?(%([0-9]{1,7}))?");
    std::smatch found;
    if (asked.empty() || asked == "0" || asked == "1") return asked;
    if (asked.size() > 32 || !std::regex_match(asked, found, form))
        refuse(
            "--array must be 0-N or 1-N, with %M for at most M tasks at a time. For other numbers, let the "
            "script look up its own by $SLURM_ARRAY_TASK_ID in a file of your workspace");
    const std::uint64_t first = number(found[1]), last = number(found[2]), at_once = number(found[5]);
    if (last < first || last > kMostTasks) refuse("--array: from 0 or 1 up, to at most 1000000");
    const std::string range = std::to_string(first) + "-" + std::to_string(last);
    return at_once && at_once <= last ? range + "%" + std::to_string(at_once) : range;
}

std::string allowed_gpus(const std::string& asked, std::uint64_t most) {
    static const std::regex form("(gres[:/])?gpu(:[A-Za-z][A-Za-z0-9_.-]{0,31})?([:=]([0-9]{1,10}))?");
    std::smatch found;
    if (asked.empty()) return asked;
    if (asked.size() > 64 || !std::regex_match(asked, found, form) || number(found[4]) > most)
        refuse(
            "of generic resources, an enclave's jobs ask for GPUs of one type only: --gres=gpu:2, "
            "--gpus-per-node=a100:2");
    const std::string count = found[4].length() ? ":" + std::to_string(number(found[4])) : "";
    return "gres:gpu" + found[2].str() + count;
}

std::string allowed_features(const std::string& asked) {
    static const std::regex form("[A-Za-z0-9][A-Za-z0-9_.-]{0,31}(&[A-Za-z0-9][A-Za-z0-9_.-]{0,31}){0,3}");
    if (asked.empty()) return asked;
    if (asked.size() > 160 || !std::regex_match(asked, form))
        refuse("--constraint names up to four features of nodes that all must be there: a100&nvme");
    const std::vector<std::string> words = split(asked, '&');
    const std::set<std::string> names(words.begin(), words.end());
    std::string list;
    for (const std::string& name : names) list += (list.empty() ? "" : "&") + name;
    return list;
}

std::int64_t allowed_begin(std::int64_t asked, std::int64_t now) {
    if (asked <= now) return 0;
    const auto full_hour = [](std::int64_t time) {
        return (time + kHourSeconds - 1) / kHourSeconds * kHourSeconds;
    };
    // What was rounded up here is asked for again on the controller.
    if (asked > full_hour(now + kLatestBeginSeconds)) refuse("--begin must lie within the next 30 days");
    return full_hour(asked);
}

void check_signal(const std::string& asked) {
    static const std::regex form("([BR]:)?(([0-9]{1,2})|(SIG)?[A-Z][A-Z0-9]{1,9})(@([0-9]{1,6}))?");
    std::smatch found;
    if (asked.size() > 32 || !std::regex_match(asked, found, form) || number(found[3]) > kMostSignal ||
        (found[3].length() && number(found[3]) == 0) || number(found[6]) > kMostSignalSeconds)
        refuse("--signal must be SIGNAL or SIGNAL@SECONDS, such as USR1@120, with at most 65535 seconds");
}

std::uint64_t warning_seconds(std::int64_t minutes) {
    return static_cast<std::uint64_t>(std::clamp<std::int64_t>(minutes * 60 / 5, 0, 120));
}

std::uint64_t memory_mib(const std::string& asked) {
    static const std::regex form("([0-9]{1,13})([KMGT]?)");
    std::smatch found;
    if (asked.size() > 16 || !std::regex_match(asked, found, form))
        refuse("--mem must be a number of MiB, or a number and K, M, G or T, such as 32G");
    const std::string unit = found[2];
    const std::uint64_t amount = number(found[1]);
    const std::uint64_t mib = unit == "K"   ? (amount + 1023) >> 10
                              : unit == "G" ? amount << 10
                              : unit == "T" ? amount << 20
                                            : amount;
    if (mib > kMostMemoryMib || amount > kMostMemoryMib << 10) refuse("--mem: more than any node has");
    return mib;
}

bool is_grant_id(std::string_view text) {
    return text.size() >= 3 && text.size() <= 20 && text.starts_with("G-") &&
           std::all_of(text.begin() + 2, text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace core
