// hostile SOCKET: everything a bad caller may try, most of it left hanging; exit 0 if a connection that
// breaks the rules is closed and no answer to nonsense says ok. Prints "holding" when all is tried, and holds
// what it left hanging until its standard input ends.
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

namespace {

int connect_to(const char* path) {
    struct sockaddr_un address {};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    return ::connect(fd, reinterpret_cast<struct sockaddr*>(&address), sizeof address) ? -1 : fd;
}

// What comes back within five seconds; "" if the connection was closed without an answer, "?" if nothing
// happened.
std::string answer_to(const char* path, const std::string& bytes) {
    const int fd = connect_to(path);
    if (fd < 0) return "";
    std::size_t sent = 0;
    while (sent < bytes.size()) {
        const ssize_t count = ::send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
        if (count <= 0) break;
        sent += static_cast<std::size_t>(count);
    }
    std::string out;
    struct pollfd entry {
        fd, POLLIN, 0
    };
    for (;;) {
        if (::poll(&entry, 1, 5000) <= 0) {
            ::close(fd);
            return "?";
        }
        char buffer[4096];
        const ssize_t got = ::recv(fd, buffer, sizeof buffer, 0);
        if (got <= 0) break;
        out.append(buffer, static_cast<std::size_t>(got));
    }
    ::close(fd);
    return out;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    std::vector<int> silent;  // left open until the end
    for (int i = 0; i < 40; ++i) {
        silent.push_back(connect_to(argv[1]));
        if (i % 2) [[maybe_unused]]
            const auto sent = ::send(silent.back(), "{\"op\":", 6, MSG_NOSIGNAL);
    }
    int bad = 0;
    const std::vector<std::string> nonsense{
        "\n",
        "{}\n",
        "[]\n",
        "null\n",
        "{\"op\":7}\n",
        "{\"op\":\"no.such\"}\n",
        "{\"op\":\"grant.issue\",\"id\":{}}\n",
        "{\"op\":\"release.request\",\"title\":\"t t t\",\"names\":[\"../../etc/passwd\"]}\n",
        "{\"op\":\"release.show\",\"id\":\"R-99999999999999999999\"}\n",
        "{\"op\":\"application.submit\",\"title\":[[[]]]}\n",
        std::string(3000, '[') + "\n",
        std::string("{\"op\":\"\xff\xfe\0\"}\n", 13),  // no UTF-8, and a zero byte
        std::string("\0\0\0\n", 4),
    };
    for (const std::string& line : nonsense) {
        const std::string answer = answer_to(argv[1], line);
        if (answer == "?" || answer.find("\"ok\":true") != std::string::npos) {
            std::fprintf(stderr, "unexpected: %.60s -> %.200s\n", line.c_str(), answer.c_str());
            ++bad;
        }
    }
    if (!answer_to(argv[1], std::string(1 << 20, 'x')).empty()) {
        std::fprintf(stderr, "a megabyte without a line was not cut off\n");
        ++bad;
    }
    std::puts("holding");
    std::fflush(stdout);
    char end;
    while (::read(STDIN_FILENO, &end, 1) > 0) {
    }
    for (const int fd : silent) ::close(fd);
    return bad ? 1 : 0;
}
