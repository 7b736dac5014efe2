#pragma once
#include <sys/types.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <vector>

namespace test {

inline std::vector<pid_t> children_of(pid_t pid) {
    std::ifstream in("/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children");
    std::vector<pid_t> found;
    for (pid_t child; in >> child;) found.push_back(child);
    return found;
}

// The workers of this process' only fork server.
inline std::vector<pid_t> workers() {
    std::vector<pid_t> found;
    for (const pid_t server : children_of(::getpid()))
        for (const pid_t worker : children_of(server)) found.push_back(worker);
    return found;
}

// A line of /proc/PID/status, in kB; 0 if the process is gone.
inline long status_kb(pid_t pid, const std::string& name) {
    std::ifstream in("/proc/" + std::to_string(pid) + "/status");
    for (std::string line; std::getline(in, line);)
        if (line.rfind(name + ":", 0) == 0) return std::stol(line.substr(name.size() + 1));
    return 0;
}

}  // namespace test
