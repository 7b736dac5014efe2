#pragma once
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/message.h"

// How `aloft` and `aloftd` speak: a Unix stream socket; a request is one line of JSON, {"op": "...", ...},
// with open descriptors beside it where files are handed over (SCM_RIGHTS); the answer is one line too:
// {"ok": true, ...} or {"ok": false, "fault": 5, "error": "text", "format": "...", "places": ["...", ...]}: the text in English, and as
// the core::Message that it is, where it is one. aloftd speaks English alone; who asks puts it into the reader's language.

namespace jobs {

inline constexpr std::size_t kRequestLimitBytes = 256 << 10;
inline constexpr std::size_t kAnswerLimitBytes = 8 << 20;
inline constexpr std::size_t kDescriptorLimit = 32;  // per request

struct Answer {
    nlohmann::json body;
    std::vector<core::Fd> descriptors;
};

// Asks aloftd and waits for its answer. Throws Error(system) if it cannot be reached or goes away, and the
// fault of a negative answer with its text.
Answer ask(const std::filesystem::path& socket, const nlohmann::json& request,
           const std::vector<int>& descriptors = {}, int timeout_seconds = 60);

struct Listing {
    nlohmann::json rows = nlohmann::json::array();
    nlohmann::json rest = nlohmann::json::object();  // what the (last) answer says beside them
    bool has_more = false;
};
// The answer that tells of a failure.
nlohmann::json answer_of(const core::Error& error);

// A list, or its page in `answer`: the rows that answers have under `name`. The whole of it is asked for page by page.
// Throws as ask.
Listing page_of(nlohmann::json answer, const std::string& name);
Listing ask_all(const std::filesystem::path& socket, nlohmann::json request, const std::string& name);

// Connected to aloftd's socket (or to a relay's, which speaks the same). Throws Error(system) if nobody listens, or if
// its queue of callers is full for so long.
core::Fd connect_to(const std::filesystem::path& path,
                    std::chrono::milliseconds patience = std::chrono::seconds(10));

// Listens at `path`, where nothing may be yet and which appears once it does; the socket does not block. Throws
// Error(usage) if the path is too long, Error(system) if it cannot.
core::Fd listen_at(const std::filesystem::path& path, mode_t mode);

// One sendmsg with as much of `bytes` as the socket takes; the descriptors go with the first byte. Returns
// the count sent, or -1 with errno.
ssize_t send_some(int socket, std::string_view bytes, const std::vector<int>& descriptors);
// One recvmsg. Received descriptors are added to `descriptors`, close-on-exec. Returns the count, 0 at the
// end, -1 with errno; EPROTO if more descriptors came than kDescriptorLimit.
ssize_t receive_some(int socket, char* buffer, std::size_t size, std::vector<core::Fd>& descriptors);

}  // namespace jobs
