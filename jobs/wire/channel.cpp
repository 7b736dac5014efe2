#include "jobs/wire/channel.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace jobs {

using core::Error;
using core::failure;
using core::Fault;

namespace {

void wait_for(int socket, short events, int timeout_seconds) {
    struct pollfd entry {
        socket, events, 0
    };
    int ready;
    do ready = ::poll(&entry, 1, timeout_seconds * 1000);
    while (ready < 0 && errno == EINTR);
    if (ready == 0)
        throw failure(Fault::system,
                      "aloftd does not answer; what was asked may still be done: look before asking again");
}

struct sockaddr_un address_of(const std::filesystem::path& path) {
    struct sockaddr_un address {};
    address.sun_family = AF_UNIX;
    const std::string name = path.string();
    if (name.size() >= sizeof address.sun_path)
        throw failure(Fault::usage, "site.toml: socket: the path is too long");
    std::memcpy(address.sun_path, name.c_str(), name.size());
    return address;
}

// Of another version's answer the English text alone counts.
core::ToldError failure_in(const nlohmann::json& body) {
    const auto text = body.at("error").get<std::string>();
    core::Message message{body.value("format", std::string()),
                          body.value("places", std::vector<std::string>())};
    if (!message.fits() || message.english() != text) message = {"{}", {text}};
    return {static_cast<Fault>(body.at("fault").get<int>()), message};
}

}  // namespace

nlohmann::json answer_of(const Error& error) {
    nlohmann::json body = {
        {"ok", false}, {"fault", static_cast<int>(error.fault())}, {"error", error.what()}};
    if (const auto* told = dynamic_cast<const core::ToldError*>(&error)) {
        body["format"] = told->message().format;
        body["places"] = told->message().places;
    }
    return body;
}

core::Fd listen_at(const std::filesystem::path& path, mode_t mode) {
    // It gets its name once it takes callers: whoever waits for the name calls at once.
    const std::filesystem::path unnamed = path.parent_path() / ("." + path.filename().string());
    ::unlink(unnamed.c_str());
    const struct sockaddr_un address = address_of(unnamed);
    core::Fd out(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!out.is_open() ||
        ::bind(out.get(), reinterpret_cast<const struct sockaddr*>(&address), sizeof address) ||
        ::chmod(unnamed.c_str(), mode) || ::listen(out.get(), 512) || ::link(unnamed.c_str(), path.c_str()) ||
        ::unlink(unnamed.c_str()))
        throw failure(Fault::system, "cannot listen at {}: {}", path.string(), core::reason_of(errno));
    return out;
}

core::Fd connect_to(const std::filesystem::path& path, std::chrono::milliseconds patience) {
    const struct sockaddr_un address = address_of(path);
    core::Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket.is_open()) throw failure(Fault::system, "cannot make a socket: {}", core::reason_of(errno));
    // A connect waits for a place in the queue as long as a send may take (unix(7), socket(7)), else without end.
    const auto wait_at_most = [&](std::chrono::milliseconds time) {
        const struct timeval bound { time.count() / 1000, time.count() % 1000 * 1000 };
        ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &bound, sizeof bound);
    };
    using std::chrono::milliseconds;
    const auto end = std::chrono::steady_clock::now() + patience;
    for (;;) {
        const auto left = std::chrono::duration_cast<milliseconds>(end - std::chrono::steady_clock::now());
        wait_at_most(std::max(left, milliseconds(1)));
        if (::connect(socket.get(), reinterpret_cast<const struct sockaddr*>(&address), sizeof address) == 0)
            break;
        if (const int error = errno; left.count() <= 0 || (error != EAGAIN && error != EINTR))
            throw failure(Fault::system, "cannot reach aloftd at {}; is it running on this host?: {}",
                          path.string(), core::reason_of(error));
    }
    wait_at_most(milliseconds(0));
    return socket;
}

ssize_t send_some(int socket, std::string_view bytes, const std::vector<int>& descriptors) {
    struct iovec part {
        const_cast<char*>(bytes.data()), bytes.size()
    };
    struct msghdr message {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    alignas(struct cmsghdr) char control[CMSG_SPACE(kDescriptorLimit * sizeof(int))] = {};
    if (!descriptors.empty() && descriptors.size() <= kDescriptorLimit) {
        const std::size_t size = descriptors.size() * sizeof(int);
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(size);
        struct cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(size);
        std::memcpy(CMSG_DATA(header), descriptors.data(), size);
    }
    return ::sendmsg(socket, &message, MSG_NOSIGNAL);
}

ssize_t receive_some(int socket, char* buffer, std::size_t size, std::vector<core::Fd>& descriptors) {
    struct iovec part {
        buffer, size
    };
    struct msghdr message {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    alignas(struct cmsghdr) char control[CMSG_SPACE(kDescriptorLimit * sizeof(int))];
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t got = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    if (got < 0) return got;
    for (struct cmsghdr* header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd;
            std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
            descriptors.emplace_back(fd);
        }
    }
    if ((message.msg_flags & MSG_CTRUNC) || descriptors.size() > kDescriptorLimit) {
        errno = EPROTO;
        return -1;
    }
    return got;
}

Answer ask(const std::filesystem::path& path, const nlohmann::json& request,
           const std::vector<int>& descriptors, int timeout_seconds) {
    if (descriptors.size() > kDescriptorLimit)
        throw failure(Fault::usage, "at most {} files at a time", kDescriptorLimit);
    const core::Fd socket = connect_to(path);
    const std::string line = request.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) + "\n";
    if (line.size() > kRequestLimitBytes)
        throw failure(Fault::usage, "the request is too large; shorten its texts");
    std::size_t sent = 0;
    while (sent < line.size()) {
        const ssize_t count = send_some(socket.get(), std::string_view(line).substr(sent),
                                        sent ? std::vector<int>{} : descriptors);
        if (count < 0 && errno != EINTR) break;  // aloftd may have answered and closed: read what it said
        if (count > 0) sent += static_cast<std::size_t>(count);
    }
    Answer answer;
    std::string text;
    char buffer[16 << 10];
    while (text.find('\n') == std::string::npos) {
        wait_for(socket.get(), POLLIN, timeout_seconds);
        const ssize_t count = receive_some(socket.get(), buffer, sizeof buffer, answer.descriptors);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0)
            throw failure(
                Fault::system,
                "aloftd went away before it answered; look whether the request was done, then ask again");
        text.append(buffer, static_cast<std::size_t>(count));
        if (text.size() > kAnswerLimitBytes)
            throw failure(Fault::system, "the answer of aloftd is too large");
    }
    try {
        answer.body = nlohmann::json::parse(text);
        if (answer.body.at("ok").get<bool>()) return answer;
        throw failure_in(answer.body);
    } catch (const nlohmann::json::exception&) {
        throw failure(Fault::system, "the answer of aloftd is not of this version; are both of one release?");
    }
}

Listing page_of(nlohmann::json answer, const std::string& name) {
    Listing page;
    try {
        page.rows = std::move(answer.at(name).get_ref<nlohmann::json::array_t&>());
        page.has_more = answer.value("more", false);
        if (page.has_more) answer.at("next");
    } catch (const nlohmann::json::exception&) {
        throw failure(Fault::system, "the answer of aloftd is not of this version; are both of one release?");
    }
    answer.erase(name);
    page.rest = std::move(answer);
    return page;
}

Listing ask_all(const std::filesystem::path& path, nlohmann::json request, const std::string& name) {
    Listing all;
    do {
        Listing page = page_of(ask(path, request).body, name);
        for (nlohmann::json& row : page.rows) all.rows.push_back(std::move(row));
        all.rest = std::move(page.rest);
        all.has_more = page.has_more;
        if (all.has_more) {
            if (request.value("after", nlohmann::json()) == all.rest.at("next"))
                throw failure(Fault::system, "aloftd gives the same page of a list again and again");
            request["after"] = all.rest.at("next");
        }
    } while (all.has_more);
    return all;
}

}  // namespace jobs
