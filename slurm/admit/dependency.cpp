#include "slurm/admit/dependency.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <limits>
#include <string_view>

#include "core/base/error.h"

namespace slurm {
namespace {

constexpr std::size_t kMostJobs = 32;
constexpr std::array<std::string_view, 5> kTypes = {"after", "afterany", "afternotok", "afterok",
                                                    "aftercorr"};

[[noreturn]] void refuse(const std::string& text) {
    throw core::Error(core::Fault::refused, "--dependency: " + text);
}

bool is_digit(char c) {
    return std::isdigit(static_cast<unsigned char>(c)) != 0;
}

// Takes the digits at the front of `rest`. None if there are none, or if they are no 32-bit number: Slurm
// would cut a longer one down to the number of some other job.
std::optional<std::uint32_t> take_number(std::string_view& rest) {
    std::uint64_t value = 0;
    std::size_t n = 0;
    for (; n < rest.size() && is_digit(rest[n]); ++n) {
        value = value * 10 + static_cast<std::uint64_t>(rest[n] - '0');
        if (value > std::numeric_limits<std::uint32_t>::max()) return std::nullopt;
    }
    rest.remove_prefix(n);
    return n ? std::optional(static_cast<std::uint32_t>(value)) : std::nullopt;
}

bool take(std::string_view& rest, std::string_view what) {
    if (!rest.starts_with(what)) return false;
    rest.remove_prefix(what.size());
    return true;
}

// One job of a list: "17", "17_3" or "17_*", with the ":" before it.
std::string take_own_job(std::string_view& rest, std::uint32_t uid, const FindOwner& find) {
    const char* form = "a job is named by its number, or NUMBER_TASK for one task of an array";
    const auto id = take(rest, ":") ? take_number(rest) : std::nullopt;
    if (!id || *id == 0) refuse(form);
    const JobOwner owner = find(*id);
    if (owner.state != JobOwner::State::known || owner.uid != uid)
        refuse("there is no job " + std::to_string(*id) +
               " of this account in the queue. An enclave's job waits for jobs of the same account only");
    std::string written = ":" + std::to_string(*id);
    if (take(rest, "_*")) return written + "_*";
    if (!take(rest, "_")) return written;
    const auto task = take_number(rest);
    if (!task) refuse(form);
    return written + "_" + std::to_string(*task);
}

}  // namespace

std::string own_dependency(const std::string& text, std::uint32_t uid, const FindOwner& find) {
    if (text.empty() || text == "0") return "";
    std::string written;
    std::size_t jobs = 0;
    for (std::string_view rest = text; !rest.empty();) {
        if (!written.empty()) {
            if (rest.front() != ',' && rest.front() != '?') refuse("conditions are joined by ',' or by '?'");
            written += rest.front();
            rest.remove_prefix(1);
        }
        const std::string_view type = rest.substr(0, rest.find_first_of(":,?"));
        rest.remove_prefix(type.size());
        if (type == "singleton") {
            written += type;
            continue;
        }
        if (std::find(kTypes.begin(), kTypes.end(), type) == kTypes.end())
            refuse("use after, afterany, afternotok, afterok, aftercorr or singleton");
        written += type;
        do {
            if (++jobs > kMostJobs) refuse("at most " + std::to_string(kMostJobs) + " jobs");
            written += take_own_job(rest, uid, find);
        } while (rest.starts_with(":"));
    }
    return written;
}

// Reads generously: whatever Slurm could take for a job's number is looked up.
void forbid_enclave_jobs(const std::string& text, const FindOwner& find,
                         const std::function<bool(std::uint32_t uid)>& is_enclave) {
    for (std::string_view rest = text; !rest.empty();) {
        if (rest.front() == '_') {  // tasks of an array: "_3", "_*", "_[1-3,7]"
            rest.remove_prefix(1);
            if (rest.starts_with("["))
                rest.remove_prefix(std::min(rest.find(']'), rest.size()));
            else
                while (!rest.empty() && is_digit(rest.front())) rest.remove_prefix(1);
        } else if (rest.front() == '-') {
            refuse("a job's number has no sign");
        } else if (is_digit(rest.front())) {
            const auto id = take_number(rest);
            if (!id) refuse("that is no job's number");
            const JobOwner owner = find(*id);
            if (owner.state == JobOwner::State::known && is_enclave(owner.uid))
                refuse("job " + std::to_string(*id) +
                       " belongs to an enclave; only its own account waits for it");
            if (owner.state == JobOwner::State::future)
                refuse("there is no job " + std::to_string(*id) + " yet");
        } else {
            rest.remove_prefix(1);
        }
    }
}

}  // namespace slurm
